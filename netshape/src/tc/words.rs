//! A line as words.

use super::error::TcError;
use alloc::vec::Vec;

/// The words of one line, read from left to right.
pub(super) struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
}

/// Whether `word` is a beginning of `whole`: tc lets words be cut short.
pub(super) fn begins(word: &str, whole: &str) -> bool {
    whole.starts_with(word)
}

impl<'a> Words<'a> {
    /// Splits at blanks; what is in quotes is one word; `#` begins a comment, wherever it stands.
    pub(super) fn split(line: &'a str) -> Result<Self, TcError> {
        let mut words = Vec::new();
        let line = line.split('#').next().unwrap_or("");
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let (word, after) = if first == '"' || first == '\'' {
                let inner = rest.get(1..).unwrap_or("");
                let end = inner
                    .find(first)
                    .ok_or_else(|| TcError::new("Unterminated quoted string"))?;
                (
                    inner.get(..end).unwrap_or(""),
                    inner.get(end + 1..).unwrap_or(""),
                )
            } else {
                let end = rest
                    .find(|c: char| c.is_ascii_whitespace())
                    .unwrap_or(rest.len());
                rest.split_at(end)
            };
            words.push(word);
            rest = after.trim_start();
        }
        Ok(Self { words, at: 0 })
    }

    /// The next word, not taken.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    /// Takes the next word.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    /// Takes the next word without a look.
    pub(super) fn skip(&mut self) {
        self.at = self.at.saturating_add(1).min(self.words.len());
    }

    /// Puts the last word back.
    pub(super) fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    /// The value that must follow a name.
    pub(super) fn value(&mut self) -> Result<&'a str, TcError> {
        self.next()
            .ok_or_else(|| TcError::new("Command line is not complete. Try option \"help\""))
    }

    /// How many words are left.
    pub(super) fn left(&self) -> usize {
        self.words.len().saturating_sub(self.at)
    }
}
