//! Numbers separated by white space, each with its position.

use alloc::string::String;
use thiserror::Error;

/// What is wrong with a file, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {given} where {want} was expected")]
pub struct ReadError {
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// What stands there, cut to a few characters.
    pub given: String,
    /// What would be right.
    pub want: String,
}

/// A cursor over a file's numbers.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    next: usize,
    /// Where the latest token began.
    start: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            next: 0,
            start: 0,
        }
    }

    /// Numbers that the rest of the file can hold at most: a bound for what a count may reserve.
    pub(super) fn at_most(&self) -> usize {
        self.text.len().saturating_sub(self.next).div_ceil(2)
    }

    fn skip_blanks(&mut self) {
        while self
            .text
            .get(self.next)
            .is_some_and(u8::is_ascii_whitespace)
        {
            self.next += 1;
        }
        self.start = self.next;
    }

    /// The next number, at most `limit`; `want` says what it means.
    pub(super) fn number(&mut self, limit: u64, want: &str) -> Result<u64, ReadError> {
        self.skip_blanks();
        let mut value: u64 = 0;
        while let Some(digit) = self.text.get(self.next).filter(|b| b.is_ascii_digit()) {
            let more = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(u64::from(digit - b'0')));
            value = more.ok_or_else(|| self.error(limit, want))?;
            self.next += 1;
        }
        let ends = self.text.get(self.next).is_none_or(u8::is_ascii_whitespace);
        if self.next == self.start || !ends || value > limit {
            return Err(self.error(limit, want));
        }
        Ok(value)
    }

    /// The next number as a count or index below 2^31.
    pub(super) fn index(&mut self, limit: usize, want: &str) -> Result<usize, ReadError> {
        let limit = limit.min(u32::MAX as usize / 2 - 1);
        self.number(limit as u64, want).map(|v| v as usize)
    }

    /// Refuses anything after the last number.
    pub(super) fn end(&mut self) -> Result<(), ReadError> {
        self.skip_blanks();
        if self.next == self.text.len() {
            return Ok(());
        }
        Err(self.error_here("the end of the file"))
    }

    fn error(&self, limit: u64, want: &str) -> ReadError {
        self.error_here(&alloc::format!("{want} (a whole number from 0 to {limit})"))
    }

    /// An error about the token that began last.
    pub(super) fn error_here(&self, want: &str) -> ReadError {
        let before = self.text.get(..self.start).unwrap_or(self.text);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        let rest = self.text.get(self.start..).unwrap_or(&[]);
        let token = rest.split(u8::is_ascii_whitespace).next().unwrap_or(&[]);
        let given = match token {
            [] => String::from("the end of the file"),
            _ => {
                let shown =
                    String::from_utf8_lossy(token.get(..token.len().min(24)).unwrap_or(&[]));
                alloc::format!("`{shown}`")
            }
        };
        ReadError {
            line,
            column,
            given,
            want: String::from(want),
        }
    }
}
