//! Strict readers of recorded cases: what is absent, mistyped or read by nobody is an error.

use crate::Value;

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
}
