//! Documents read with the field named where something is wrong, and no more of the text repeated than helps.

use crate::answer::Failure;
use serde::de::DeserializeOwned;

/// Most characters of a message that are passed on: it may quote the text, and a text may be one long line.
const MESSAGE_MOST: usize = 300;

/// Reads JSON; `place` is the file's name.
pub(super) fn json<T: DeserializeOwned>(text: &str, place: &str) -> Result<T, Failure> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|e| failure(&e.inner().to_string(), &e.path().to_string(), place))?;
    reader
        .end()
        .map_err(|e| failure(&e.to_string(), ".", place))?;
    Ok(value)
}

/// Reads TOML; `place` is the file's name.
pub(super) fn toml<T: DeserializeOwned>(text: &str, place: &str) -> Result<T, Failure> {
    let said = |e: &toml::de::Error| {
        let message = e.message().to_owned();
        let Some(before) = e.span().and_then(|s| text.get(..s.start)) else {
            return message;
        };
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        let column = before.get(start..).map_or(0, |l| l.chars().count()) + 1;
        format!("{message} at line {line} column {column}")
    };
    let reader = toml::Deserializer::parse(text).map_err(|e| failure(&said(&e), ".", place))?;
    serde_path_to_error::deserialize(reader)
        .map_err(|e| failure(&said(e.inner()), &e.path().to_string(), place))
}

/// `path` is a lone point where the whole document is meant.
fn failure(message: &str, path: &str, place: &str) -> Failure {
    let message: String = message.trim_end().replace('\n', " ");
    let short: String = message.chars().take(MESSAGE_MOST).collect();
    let more = if short.len() < message.len() {
        "..."
    } else {
        ""
    };
    let place = match path {
        "." | "?" | "" => place.to_owned(),
        path => format!("{place}: {path}"),
    };
    Failure::input(format!("{short}{more}"), place)
}
