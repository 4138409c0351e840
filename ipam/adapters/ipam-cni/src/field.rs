//! Fields of JSON objects, found as Go's decoder finds them: the exact name first, else one that differs in case.

use serde_json::Value;

/// The field of an object; nothing of what is no object.
pub(crate) fn field<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    let map = object.as_object()?;
    map.get(name).or_else(|| {
        let found = map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    })
}

/// The field, or null.
pub(crate) fn or_null<'v>(object: &'v Value, name: &str) -> &'v Value {
    field(object, name).unwrap_or(&Value::Null)
}
