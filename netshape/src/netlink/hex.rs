//! Captured messages as text: `# command`, `> bytes sent`, `< bytes received`, the bytes in hexadecimal.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// One line of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HexLine<'a> {
    /// `# command`: what the following bytes are of.
    Command(&'a str),
    /// `> hex`: sent to the kernel.
    Sent(Vec<u8>),
    /// `< hex`: received from it.
    Received(Vec<u8>),
}

/// A line that is not part of a capture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
#[non_exhaustive]
pub struct HexError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// The lines of a text; empty ones are left out. A line of hexadecimal digits alone counts as received.
///
/// ```
/// use netshape::netlink::{HexLine, hex_lines};
///
/// let lines: Result<Vec<_>, _> = hex_lines("# tc qdisc show\n> 2a00\n").collect();
/// assert_eq!(lines?, [HexLine::Command("tc qdisc show"), HexLine::Sent(vec![0x2a, 0])]);
/// # Ok::<(), netshape::netlink::HexError>(())
/// ```
pub fn hex_lines(text: &str) -> impl Iterator<Item = Result<HexLine<'_>, HexError>> {
    let lines = text
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(line, text)| {
            let of = |rest: &str| bytes(rest).map_err(|reason| HexError { line, reason });
            if let Some(command) = text.strip_prefix('#') {
                return Ok(HexLine::Command(command.trim()));
            }
            if let Some(rest) = text.strip_prefix('>') {
                return of(rest).map(HexLine::Sent);
            }
            of(text.strip_prefix('<').unwrap_or(text)).map(HexLine::Received)
        })
}

/// The bytes that hexadecimal digits stand for; `None` where they are none or odd in number.
pub(crate) fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    bytes(text).ok()
}

fn bytes(text: &str) -> Result<Vec<u8>, &'static str> {
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut digits = text.bytes().filter(|b| !b.is_ascii_whitespace());
    let mut out = Vec::with_capacity(text.len() / 2);
    while let Some(high) = digits.next() {
        let low = digits.next().ok_or("an odd number of hexadecimal digits")?;
        match (digit(high), digit(low)) {
            (Some(high), Some(low)) => out.push(high << 4 | low),
            _ => return Err("expected `# command`, `> hex` or `< hex`"),
        }
    }
    Ok(out)
}

/// Bytes in lower-case hexadecimal.
#[must_use]
pub fn hex_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
