//! What a command answers: success with text and JSON, or a [`Failure`] with the exit status it stands for.

use serde_json::{Value, json};
use std::io::Write as _;

/// Why a command did not do what it was asked; decides the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The answer is no: infeasible, exhausted, check failed. Exit 1.
    No,
    /// Bad usage or bad input. Exit 2.
    Input,
    /// Reading or writing failed. Exit 3.
    Io,
}

/// A failed command: what was wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which exit status this is.
    pub class: Class,
    /// A stable word that scripts can test, such as `exhausted` or `bad_input`.
    pub kind: String,
    /// One sentence for people.
    pub message: String,
    /// The option, file and line, or field that it is about.
    pub place: String,
}

impl Failure {
    /// The answer is no (exit 1).
    pub fn no(kind: &str, message: impl Into<String>, place: impl Into<String>) -> Self {
        Self {
            class: Class::No,
            kind: kind.into(),
            message: message.into(),
            place: place.into(),
        }
    }

    /// Bad input (exit 2).
    pub fn input(message: impl Into<String>, place: impl Into<String>) -> Self {
        let kind = "bad_input".into();
        Self {
            class: Class::Input,
            kind,
            message: message.into(),
            place: place.into(),
        }
    }

    /// The same failure, of a kind of its own.
    #[must_use]
    pub fn of_kind(mut self, kind: &str) -> Self {
        self.kind = kind.into();
        self
    }

    /// The same failure, line ends in its message escaped: where they can only come from what is quoted in it.
    #[must_use]
    pub fn in_one_line(mut self) -> Self {
        self.message = self.message.replace('\n', r"\u{a}");
        self
    }

    /// Reading or writing `place` failed (exit 3).
    pub fn io(error: &std::io::Error, place: impl Into<String>) -> Self {
        let (kind, message) = ("io".into(), error.to_string());
        Self {
            class: Class::Io,
            kind,
            message,
            place: place.into(),
        }
    }

    /// The exit status: 1, 2 or 3.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self.class {
            Class::No => 1,
            Class::Input => 2,
            Class::Io => 3,
        }
    }

    /// The promised JSON form.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({"error": {"kind": self.kind, "message": self.message, "where": self.place}})
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() {
            f.write_str(&escaped(&self.message))
        } else {
            write!(
                f,
                "{}: {}",
                escaped(&self.place).replace('\n', r"\u{a}"),
                escaped(&self.message)
            )
        }
    }
}

/// Whether a character acts on a terminal or hides: control characters but for the line's end, marks of direction.
const fn acts(c: char) -> bool {
    matches!(c, '\0'..='\u{9}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text for people without raw control characters: what was given may be quoted in it.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match acts(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out
}

/// A document as one line; what JSON need not escape and a terminal minds is escaped too.
pub(crate) fn json_text(document: &Value) -> String {
    let mut out = String::new();
    for c in document.to_string().chars() {
        match acts(c) {
            true => out += &format!("\\u{:04x}", u32::from(c)),
            false => out.push(c),
        }
    }
    out.push('\n');
    out
}

/// A command's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// For people, printed as it is.
    pub text: String,
    /// For scripts, one document.
    pub json: Value,
    /// 0, or 1 when the answer is a well-formed no (a check that failed, say).
    pub status: u8,
}

impl Answer {
    /// A successful answer.
    #[must_use]
    pub fn done(text: String, json: Value) -> Self {
        Self {
            text,
            json,
            status: 0,
        }
    }
}

/// Prints the outcome where it belongs and returns the exit status.
#[must_use]
pub fn print(outcome: Result<Answer, Failure>, as_json: bool) -> u8 {
    let (document, status) = match outcome {
        Ok(answer) if as_json => (Some(json_text(&answer.json)), answer.status),
        Ok(answer) => (Some(answer.text), answer.status),
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "berth: {failure}");
            (
                as_json.then(|| json_text(&failure.json())),
                failure.status(),
            )
        }
    };
    let Some(document) = document else {
        return status;
    };
    let mut out = std::io::stdout().lock();
    match out
        .write_all(document.as_bytes())
        .and_then(|()| out.flush())
    {
        // A reader that has gone away (`berth ... | head`) is no fault of the command's.
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => 3,
        _ => status,
    }
}
