//! The doors of the test suites: where shared data and recorded vectors are found, and how a test that
//! cannot run says so.
//!
//! - Data: `$BERTH_SHARED`, default `../shared` beside the checkout ([`shared`], [`data`]).
//! - Vectors: `$BERTH_VECTORS`, default `$BERTH_SHARED/vectors` ([`vectors`], [`VectorFile`]).
//! - Skips: one line on the real standard error, `SKIPPED <id>: <why>`, which the test harness does not
//!   swallow. CI compares the ids with `.ci/allowed-skips` and fails on any other ([`skip`]).
#![forbid(unsafe_code)]

pub mod contract;

use std::io::Write as _;
use std::path::{Path, PathBuf};

pub use serde_json::Value;

/// Relative paths in the variables are taken from the workspace's root, since `cargo test` runs each
/// package's tests in that package's own folder.
fn from_root(value: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."));
    root.join(value)
}

/// The folder of shared data: `$BERTH_SHARED`, or `../shared` beside the checkout.
#[must_use]
pub fn shared() -> PathBuf {
    from_root(&std::env::var("BERTH_SHARED").unwrap_or_else(|_| "../shared".to_owned()))
}

/// The folder of recorded vectors: `$BERTH_VECTORS`, or `vectors` below [`shared`].
#[must_use]
pub fn vectors() -> PathBuf {
    match std::env::var("BERTH_VECTORS") {
        Ok(dir) => from_root(&dir),
        Err(_) => shared().join("vectors"),
    }
}

/// Says on the real standard error (libtest captures only the print macros) that `id` was skipped, and why.
pub fn skip(id: &str, why: &str) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "\nSKIPPED {id}: {why}");
}

/// A data set: a path below the shared folder's `data`, or else below the shared folder itself; `None`, said
/// loudly, when it is in neither.
#[must_use]
pub fn data(relative: &str) -> Option<PathBuf> {
    let (inner, outer) = (
        shared().join("data").join(relative),
        shared().join(relative),
    );
    if let Some(path) = [&inner, &outer].into_iter().find(|p| p.exists()) {
        return Some(path.clone());
    }
    skip(
        relative,
        &format!("no {}; set BERTH_SHARED", inner.display()),
    );
    None
}

/// One known vector file that is present: counts the cases that ran and fails the test if none did, or if
/// any case failed.
#[derive(Debug)]
pub struct VectorFile {
    name: String,
    json: Value,
    ran: usize,
    passed_over: Vec<String>,
    failures: Vec<String>,
}

impl VectorFile {
    /// Opens a known file; absent, it is said aloud and `None` comes back.
    ///
    /// # Panics
    /// When the file is there but is not JSON.
    #[must_use]
    pub fn open(name: &str) -> Option<Self> {
        let path = vectors().join(name);
        if !path.exists() {
            skip(
                &format!("vectors/{name}"),
                &format!("no {}; set BERTH_VECTORS", path.display()),
            );
            return None;
        }
        let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let json = serde_json::from_slice(&text)
            .unwrap_or_else(|e| panic!("{}: not JSON: {e}", path.display()));
        Some(Self {
            name: name.to_owned(),
            json,
            ran: 0,
            passed_over: Vec::new(),
            failures: Vec::new(),
        })
    }

    /// The whole document.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Records one case: `Err` holds what was expected and what came.
    pub fn case(&mut self, id: &str, outcome: Result<(), String>) {
        self.ran += 1;
        if let Err(why) = outcome {
            self.failures.push(format!("{id}: {why}"));
        }
    }

    /// Records a case whose semantics differ from ours on purpose; the reason stands in the repo's table.
    pub fn differs(&mut self, id: &str, why: &str) {
        self.passed_over.push(format!("{id}: {why}"));
    }

    /// Ends the file.
    ///
    /// # Panics
    /// When no case ran, or when one failed.
    pub fn finish(self) {
        let Self {
            name,
            ran,
            passed_over,
            failures,
            ..
        } = self;
        let _ = writeln!(
            std::io::stderr().lock(),
            "vectors/{name}: {ran} cases ran, {} failed, {} differ on purpose",
            failures.len(),
            passed_over.len()
        );
        assert!(
            ran > 0,
            "vectors/{name}: the file is there but no case of it ran"
        );
        assert!(
            failures.is_empty(),
            "vectors/{name}: {} of {ran} cases failed:\n{}",
            failures.len(),
            failures
                .iter()
                .take(20)
                .cloned()
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
}

/// Fields that say nothing to a test: names, where a case comes from, words about it.
const FOR_PEOPLE: [&str; 13] = [
    "name",
    "test",
    "note",
    "notes",
    "comment",
    "description",
    "source",
    "source_line",
    "origin",
    "recorded_from",
    "provenance",
    "reimplementation_agrees",
    "_t",
];

/// The fields of a recorded case are those that its reader knows: one that nobody reads would hide what it says. Names,
/// notes and origins may always be there.
///
/// # Errors
/// A field that is not among `known`; something that has no fields at all.
pub fn only(value: &Value, known: &[&str]) -> Result<(), String> {
    let fields = value
        .as_object()
        .ok_or_else(|| format!("{value} has no fields, want some of {known:?}"))?;
    let read = |field: &str| known.contains(&field) || FOR_PEOPLE.contains(&field);
    match fields.keys().find(|field| !read(field)) {
        Some(field) => Err(format!("nobody reads {field:?}, only {known:?}")),
        None => Ok(()),
    }
}

/// A field that must be there, whatever it holds, `null` too.
///
/// # Errors
/// There is none of that name.
pub fn field<'a>(value: &'a Value, key: &str) -> Result<&'a Value, String> {
    value
        .get(key)
        .ok_or_else(|| format!("no {key:?} in {value}"))
}

/// A text that must be there.
///
/// # Errors
/// It is absent or no text.
pub fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    let found = field(value, key)?;
    found
        .as_str()
        .ok_or_else(|| format!("{key:?} is {found}, want a text"))
}

/// A list that must be there; `null` is an empty one.
///
/// # Errors
/// It is absent, or neither a list nor `null`.
pub fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    match field(value, key)? {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        other => Err(format!("{key:?} is {other}, want a list")),
    }
}

/// The texts of a list that must be there.
///
/// # Errors
/// It is absent or no list, or an item of it is no text.
pub fn texts<'a>(value: &'a Value, key: &str) -> Result<Vec<&'a str>, String> {
    let items = list(value, key)?.iter();
    items
        .map(|item| {
            item.as_str()
                .ok_or_else(|| format!("{item} in {key:?}, want texts"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_of_another_type_or_read_by_nobody_is_told() {
        let case: Value = serde_json::json!({"name": "a", "pods": null, "nodes": ["n"], "size": 1});
        assert_eq!(text(&case, "name"), Ok("a"));
        assert_eq!(list(&case, "pods"), Ok(&[][..]));
        assert_eq!(texts(&case, "nodes"), Ok(vec!["n"]));
        for error in [
            text(&case, "size").map(drop),
            text(&case, "label").map(drop),
            list(&case, "size").map(drop),
            list(&case, "node").map(drop),
            only(&case, &["pods", "nodes"]),
            only(&case["name"], &[]),
        ] {
            assert!(error.is_err());
        }
        assert_eq!(only(&case, &["pods", "nodes", "size", "more"]), Ok(()));
    }

    fn file(ran: usize, failures: Vec<String>) -> VectorFile {
        VectorFile {
            name: "x".into(),
            json: Value::Null,
            ran,
            passed_over: Vec::new(),
            failures,
        }
    }

    #[test]
    #[should_panic(expected = "no case of it ran")]
    fn a_present_file_without_cases_fails() {
        file(0, Vec::new()).finish();
    }

    #[test]
    #[should_panic(expected = "1 of 2 cases failed")]
    fn a_failed_case_fails_the_file() {
        let mut f = file(0, Vec::new());
        f.case("a", Ok(()));
        f.case("b", Err("want 1, got 2".into()));
        f.finish();
    }

    #[test]
    fn relative_paths_start_at_the_workspace() {
        assert!(from_root("doors/Cargo.toml").exists());
    }
}
