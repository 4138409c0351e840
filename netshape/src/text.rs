//! Text that is safe to print and to paste: whatever a name holds, no raw control character leaves, and no shell sees more
//! than one word.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::fmt::{self, Write as _};

/// Characters that act on a terminal or hide: control characters (C0, delete, C1), line and paragraph separators, marks of
/// direction and of no width.
const fn acts(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// See [`printable`].
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(&'a str);

/// The text with each character that acts on a terminal, or hides, written as `\u{1b}`.
///
/// ```
/// use netshape::text::printable;
///
/// assert_eq!(printable("veth\u{1b}[2J").to_string(), r"veth\u{1b}[2J");
/// ```
#[must_use]
pub const fn printable(text: &str) -> Printable<'_> {
    Printable(text)
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(acts) {
            let (plain, from) = rest.split_at(at);
            f.write_str(plain)?;
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                write!(f, "{}", c.escape_unicode())?;
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

/// One word for a POSIX shell, quoted where it needs that. What holds a character that acts on a terminal goes through
/// `printf` by its bytes (`"$(printf 'v\033x')"`), so that the text itself has none; the shell drops line ends from the
/// end of such a word, which no name of a device or namespace has.
///
/// ```
/// use netshape::text::shell_word;
///
/// assert_eq!(shell_word("eth0"), "eth0");
/// assert_eq!(shell_word("a;reboot"), "'a;reboot'");
/// ```
#[must_use]
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.,:/@=+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return Cow::Borrowed(word);
    }
    if !word.contains(acts) {
        return Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")));
    }
    let mut quoted = String::from("\"$(printf '");
    for b in word.bytes() {
        if plain(b) {
            quoted.push(char::from(b));
        } else {
            let _ = write!(quoted, "\\{b:03o}");
        }
    }
    quoted.push_str("')\"");
    Cow::Owned(quoted)
}

/// Words as one line for a POSIX shell.
#[must_use]
pub fn shell_line<W: AsRef<str>>(words: &[W]) -> String {
    joined(words.iter().map(|w| shell_word(w.as_ref())))
}

/// One word of a line for `tc -batch`; `None` where no such line can carry it: tc cuts a line at `#` wherever that stands,
/// knows quotes only around a whole word, and no escapes.
///
/// ```
/// use netshape::text::batch_word;
///
/// assert_eq!(batch_word("eth0").as_deref(), Some("eth0"));
/// assert_eq!(batch_word("a#b"), None); // tc would cut the line there
/// ```
#[must_use]
pub fn batch_word(word: &str) -> Option<Cow<'_, str>> {
    if word.contains('#') || word.contains(acts) {
        return None;
    }
    let bare = !word.is_empty()
        && !word.starts_with(['"', '\''])
        && !word.ends_with('\\')
        && !word.contains(char::is_whitespace);
    if bare {
        return Some(Cow::Borrowed(word));
    }
    let quote = ['"', '\''].into_iter().find(|q| !word.contains(*q))?;
    Some(Cow::Owned(format!("{quote}{word}{quote}")))
}

/// Words with a blank between each two.
pub(crate) fn joined<'a>(words: impl Iterator<Item = Cow<'a, str>>) -> String {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_do_more_with_it() {
        for (word, quoted) in [
            ("eth0", "eth0"),
            ("", "''"),
            ("vh1;id>x;", "'vh1;id>x;'"),
            ("it's", r"'it'\''s'"),
            ("~", "'~'"),
            ("vé", "'vé'"),
            ("v\u{1b}'%\\x", r#""$(printf 'v\033\047\045\134x')""#),
            ("v\u{202e}", r#""$(printf 'v\342\200\256')""#),
        ] {
            assert_eq!(shell_word(word), quoted);
        }
        assert_eq!(
            printable("a\u{1b}[2J\u{9b}\u{202e}é").to_string(),
            r"a\u{1b}[2J\u{9b}\u{202e}é"
        );
    }

    #[test]
    fn a_batch_line_carries_what_tc_reads_back() {
        for (word, carried) in [
            ("eth0", Some("eth0")),
            ("v'1", Some("v'1")),
            ("'v", Some("\"'v\"")),
            ("\"v", Some("'\"v'")),
            ("'v\"", None),
            ("v\\", Some("\"v\\\"")),
            ("v#1", None),
            ("v\u{1}", None),
            ("v\u{7f}", None),
        ] {
            assert_eq!(batch_word(word).as_deref(), carried, "{word:?}");
        }
    }
}
