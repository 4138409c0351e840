//! Fields of objects that may hold anything.

use serde_json::Value;
use std::fmt;

/// The longest name of an object (RFC 1123 subdomains, as Kubernetes checks them).
const LONGEST_NAME: usize = 253;
/// The longest part of a text that is shown.
const SHOWN: usize = 60;

/// An object, or a part of it, that says what cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Malformed {
    /// What the object is, such as `Pod`.
    pub kind: &'static str,
    /// Its namespace, as far as it tells.
    pub namespace: Option<String>,
    /// Its name, as far as it tells.
    pub name: Option<String>,
    /// Its `uid`, as far as it tells.
    pub uid: Option<String>,
    /// The field, such as `spec.nodeName`.
    pub field: String,
    /// What was given, and what would be right.
    pub problem: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &Option<String>| part.as_deref().map_or("?".to_owned(), shortened);
        let (namespace, name) = (part(&self.namespace), part(&self.name));
        write!(
            f,
            "{} {namespace}/{name}: {}: {}",
            self.kind, self.field, self.problem
        )
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) field: String,
    pub(crate) problem: String,
}

impl Wrong {
    pub(crate) fn new(field: &str, problem: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            problem: problem.into(),
        }
    }

    fn type_of(field: &str, right: &str, given: &Value) -> Self {
        let problem = match given {
            Value::Null => format!("missing; want {right}"),
            given => format!("want {right}, got {}", shortened(&given.to_string())),
        };
        Self::new(field, problem)
    }
}

/// The beginning of a text.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The value at a path such as `spec.nodeName`; `null` where there is none.
pub(crate) fn at<'v>(object: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(object, |object, part| &object[part])
}

/// A text that may be missing.
pub(crate) fn text<'v>(object: &'v Value, path: &str) -> Result<Option<&'v str>, Wrong> {
    match at(object, path) {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        other => Err(Wrong::type_of(path, "a string", other)),
    }
}

/// A flag that may be missing.
pub(crate) fn flag(object: &Value, path: &str) -> Result<bool, Wrong> {
    match at(object, path) {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        other => Err(Wrong::type_of(path, "true or false", other)),
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:".contains(&byte)
}

/// A text that names something, and fits into a longer name of ours.
pub(crate) fn name<'v>(object: &'v Value, path: &str) -> Result<&'v str, Wrong> {
    let Value::String(name) = at(object, path) else {
        return Err(Wrong::type_of(path, "a name", at(object, path)));
    };
    match name.len() {
        0 => Err(Wrong::new(path, "empty; want a name")),
        given if given > LONGEST_NAME => Err(Wrong::new(
            path,
            format!("{given} characters; a name has {LONGEST_NAME} at the most"),
        )),
        // Such names reach paths of requests.
        _ if !name.bytes().all(is_plain) || matches!(&**name, "." | "..") => Err(Wrong::new(
            path,
            format!(
                "{:?}; a name has letters, digits, and -._: only",
                shortened(name)
            ),
        )),
        _ => Ok(name),
    }
}
