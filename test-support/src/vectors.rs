//! Files of inputs and expected outputs recorded from peers.

use crate::{Need, Value};
use std::io::Write as _;

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
    /// Opens a known file.
    ///
    /// # Panics
    /// When it is not there (a test that runs has its needs met) or is not JSON.
    #[must_use]
    pub fn open(name: &'static str) -> Self {
        let path = Need::Vectors(name).path();
        let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let json = serde_json::from_slice(&text)
            .unwrap_or_else(|e| panic!("{}: not JSON: {e}", path.display()));
        Self {
            name: name.to_owned(),
            json,
            ran: 0,
            passed_over: Vec::new(),
            failures: Vec::new(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
