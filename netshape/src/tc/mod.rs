//! The grammar of `tc qdisc|class|filter add|change|replace|link|del ...`, as iproute2 documents and applies it: what it
//! takes becomes the message it sends, what it refuses is refused.

mod action;
mod batch;
mod class;
mod kinds;
mod match_u32;
mod number;
mod proto;
mod qdisc;
mod stab;
mod tbf;
mod u32;
mod words;

pub use batch::batch_commands;

use crate::text::printable;
use crate::ticks::Era;
use crate::wire::{ACK, CREATE, EXCL, REPLACE, REQUEST, TcMessage, Verb, What};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use words::Words;

#[cfg(feature = "serde")]
pub(crate) use {number::u32_handle, proto::ethertype};

/// Devices by name.
pub type IfIndexes = BTreeMap<String, u32>;

/// Why tc does not take a line, in its words where it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", printable(.0))]
pub struct TcError(String);

impl TcError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `Illegal "name"`.
    fn illegal(name: &str) -> Self {
        Self(format!("Illegal \"{name}\""))
    }

    /// `What is "word"?`.
    fn unknown(word: &str) -> Self {
        Self(format!("What is \"{word}\"?"))
    }

    /// `argument "word" is wrong: why`.
    fn invalid(why: &str, word: &str) -> Self {
        Self(format!("argument \"{word}\" is wrong: {why}"))
    }

    /// `duplicate "name": "word" is the second value.`
    fn duplicate(name: &str, word: &str) -> Self {
        Self(format!(
            "Error: duplicate \"{name}\": \"{word}\" is the second value."
        ))
    }

    /// `Cannot find device "dev"`.
    fn no_device(dev: &str) -> Self {
        Self(format!("Cannot find device \"{dev}\""))
    }
}

/// What one line needs to be understood.
pub(crate) struct Context<'a> {
    pub(crate) era: Era,
    pub(crate) devices: &'a IfIndexes,
    /// Speeds in Mbit/s, of which rates in percent are taken.
    pub(crate) speeds: &'a IfIndexes,
}

impl Context<'_> {
    fn ifindex(&self, dev: &str) -> Result<u32, TcError> {
        let found = self.devices.get(dev).copied().filter(|i| *i != 0);
        found.ok_or_else(|| TcError::no_device(dev))
    }
}

/// One line of a batch, with or without `tc` in front, as the message that tc of this era sends for it; `None` for an
/// empty line or a comment. Sequence numbers are the caller's to set.
///
/// # Errors
/// What tc refuses itself, and what it only shows or lists: such a line sends nothing.
pub fn parse_line(line: &str, era: Era, devices: &IfIndexes) -> Result<Option<TcMessage>, TcError> {
    static NONE: IfIndexes = IfIndexes::new();
    parse_line_at(line, era, devices, &NONE)
}

/// [`parse_line`] where a rate may be said in percent of its device's speed: `speeds` has those of devices, in Mbit/s, as
/// `/sys/class/net/DEV/speed` gives them (10,000 for a veth).
///
/// # Errors
/// As [`parse_line`]; and a percentage of a device without a speed.
pub fn parse_line_at(
    line: &str,
    era: Era,
    devices: &IfIndexes,
    speeds: &IfIndexes,
) -> Result<Option<TcMessage>, TcError> {
    let mut words = Words::split(line)?;
    if words.peek() == Some("tc") {
        words.skip();
    }
    let Some(object) = words.next() else {
        return Ok(None);
    };
    let context = Context {
        era,
        devices,
        speeds,
    };
    let what = match object {
        // tc takes any beginning of these words.
        o if words::begins(o, "qdisc") => What::Qdisc,
        o if words::begins(o, "class") => What::Class,
        o if words::begins(o, "filter") => What::Filter,
        other => {
            return Err(TcError::new(format!(
                "Object \"{other}\" is unknown, try \"tc help\"."
            )));
        }
    };
    let name = match what {
        What::Qdisc => "qdisc",
        What::Class => "class",
        What::Filter => "filter",
    };
    let command = words.next().unwrap_or("show");
    let Some((verb, flags)) = command_of(what, command) else {
        let shows = ["list", "show", "lst", "get", "help"];
        return Err(TcError::new(
            if shows.iter().any(|s| words::begins(command, s)) {
                format!("\"{name} {command}\" changes nothing, so there is nothing to encode")
            } else {
                format!("Command \"{command}\" is unknown, try \"tc {name} help\".")
            },
        ));
    };
    let message = TcMessage::new(what, verb, REQUEST | ACK | flags);
    let message = match what {
        What::Qdisc => qdisc::parse(message, &mut words, &context),
        What::Class => class::parse(message, &mut words, &context),
        What::Filter => u32::parse(message, &mut words, &context),
    }?;
    Ok(Some(message))
}

/// The message and flags of a command; `None` where it is none that changes something.
fn command_of(what: What, command: &str) -> Option<(Verb, u16)> {
    let is = |word| words::begins(command, word);
    Some(match what {
        _ if is("add") => (Verb::New, EXCL | CREATE),
        _ if is("change") => (Verb::New, 0),
        What::Qdisc if is("replace") => (Verb::New, CREATE | REPLACE),
        _ if is("replace") => (Verb::New, CREATE),
        What::Qdisc if is("link") => (Verb::New, REPLACE),
        _ if is("delete") => (Verb::Del, 0),
        _ => return None,
    })
}

/// `dev NAME`, said once.
fn set_device(place: &mut Option<String>, words: &mut Words<'_>) -> Result<(), TcError> {
    let name = words.value()?;
    if place.is_some() {
        return Err(TcError::duplicate("dev", name));
    }
    // The field that tc copies it into holds 15 characters; a longer name is no device's.
    *place = Some(name.to_string());
    Ok(())
}
