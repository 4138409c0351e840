//! The promised answers of the command lines: `contract/NAME.json` in the shared folder holds a sample; every
//! key there must be in the answer, with the same JSON type.

use crate::{Need, Value};

/// Keys whose value may be `null` where the sample has something.
const NULLABLE: [&str; 6] = ["workload", "gateway", "vlan", "netns", "tier", "peer"];

/// Holds `answer` against the sample `contract/NAME.json`: every key, with its type.
///
/// # Panics
/// When the answer breaks it (one line a fault), or the sample is not there (a test that runs has its needs met).
pub fn assert_keeps(name: &'static str, answer: &Value) {
    let path = Need::Contract(name).path();
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let sample: Value =
        serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut faults = Vec::new();
    compare(&sample, answer, "$", &mut faults);
    assert!(
        faults.is_empty(),
        "{name}: {}\n{answer:#}",
        faults.join("\n")
    );
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Compares recursively; each element of an answer's array is held against the sample's first.
fn compare(sample: &Value, answer: &Value, at: &str, faults: &mut Vec<String>) {
    match (sample, answer) {
        (Value::Object(sample), Value::Object(answer)) => {
            for (key, wanted) in sample {
                let at = format!("{at}.{key}");
                match answer.get(key) {
                    None => faults.push(format!("{at} is missing")),
                    Some(Value::Null) if NULLABLE.contains(&key.as_str()) => {}
                    Some(_) if wanted.is_null() => {}
                    Some(found) => compare(wanted, found, &at, faults),
                }
            }
        }
        (Value::Array(sample), Value::Array(answer)) => {
            let Some(wanted) = sample.first() else { return };
            for (i, found) in answer.iter().enumerate() {
                compare(wanted, found, &format!("{at}[{i}]"), faults);
            }
        }
        (sample, answer) if kind(sample) == kind(answer) => {}
        _ => faults.push(format!(
            "{at} is a {}; promised a {}",
            kind(answer),
            kind(sample)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn missing_keys_and_other_types_are_faults() {
        let sample = json!({"a": 1, "vlan": 3, "list": [{"b": "x"}], "free": null});
        let check = |answer| {
            let mut faults = Vec::new();
            compare(&sample, &answer, "$", &mut faults);
            faults
        };
        let good = json!({"a": 2.5, "vlan": null, "list": [], "free": "any", "more": true});
        assert_eq!(check(good), Vec::<String>::new());
        let bad = json!({"a": "2", "vlan": 1, "list": [{"b": "y"}, {}]});
        let wanted = [
            "$.a is a string; promised a number",
            "$.free is missing",
            "$.list[1].b is missing",
        ];
        assert_eq!(check(bad), wanted);
    }
}
