//! A batch as commands: `tc -batch` joins lines and cuts comments before it looks at words.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use core::iter;

/// The commands of a `tc -batch` text, each with the number of its first line, counted from 1. What follows a `#` is cut off
/// wherever it stands; a line that ends in a backslash (not in a comment) goes on in the next one. Lines without a command are
/// left out. No copy is made of a command that stands on one line.
///
/// ```
/// use netshape::tc::batch_commands;
///
/// let text = "# two lines\nqdisc add dev eth0 \\\n  root htb # the root\n";
/// let commands: Vec<_> = batch_commands(text).collect();
/// assert_eq!(commands, [(2, "qdisc add dev eth0   root htb".into())]);
/// ```
pub fn batch_commands(text: &str) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    let mut lines = text.lines().enumerate();
    let commands = iter::from_fn(move || {
        let (number, mut line) = lines.next()?;
        let mut joined: Option<String> = None;
        // A comment's end is its line's end, whatever stands there.
        while let Some(start) = line.strip_suffix('\\').filter(|l| !l.contains('#')) {
            let Some((_, next)) = lines.next() else { break };
            joined.get_or_insert_default().push_str(start);
            line = next;
        }
        let command = match joined {
            None => Cow::Borrowed(cut(line)),
            Some(start) => Cow::Owned(cut(&(start + line)).to_string()),
        };
        Some((number + 1, command))
    });
    commands.filter(|(_, command)| !command.is_empty())
}

/// Up to the comment, without the blanks around.
fn cut(line: &str) -> &str {
    line.split('#').next().unwrap_or("").trim()
}
