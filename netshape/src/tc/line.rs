//! The grammar of `tc qdisc|class|filter add|change|replace|link|del ...`, as iproute2 documents and applies it: what it
//! takes becomes the message it sends, what it refuses is refused.

use super::context::Context;
use super::context::IfIndexes;
use super::error::TcError;
use super::words::Words;
use super::{class, qdisc, u32, words};
use crate::netlink::{ACK, CREATE, EXCL, ObjectKind, REPLACE, REQUEST, TcMessage, Verb};
use crate::ticks::TickRounding;
use alloc::format;

/// One line of a batch, with or without `tc` in front, as the message that tc of this generation sends for it; `None` for an
/// empty line or a comment. Sequence numbers are the caller's to set.
///
/// ```
/// use netshape::netlink::ObjectKind;
/// use netshape::tc::{IfIndexes, TickRounding, parse_line};
///
/// let devices = IfIndexes::from([("eth0".to_owned(), 2)]);
/// let parse = |line| parse_line(line, TickRounding::Ceil, &devices);
/// let class = parse("tc class add dev eth0 parent 1: classid 1:10 htb rate 50mbit")?.unwrap();
/// assert_eq!(class.object, ObjectKind::Class);
/// assert_eq!(parse("# a comment"), Ok(None));
/// assert_eq!(parse("qdisc add dev eth9 root htb").unwrap_err().to_string(), "Cannot find device \"eth9\"");
/// # Ok::<(), netshape::tc::TcError>(())
/// ```
///
/// # Errors
/// What tc refuses itself, and what it only shows or lists: such a line sends nothing.
pub fn parse_line(
    line: &str,
    rounding: TickRounding,
    devices: &IfIndexes,
) -> Result<Option<TcMessage<'static>>, TcError> {
    static NONE: IfIndexes = IfIndexes::new();
    parse_line_with_speeds(line, rounding, devices, &NONE)
}

/// [`parse_line`] where a rate may be said in percent of its device's speed: `speeds` has those of devices, in Mbit/s, as
/// `/sys/class/net/DEV/speed` gives them (10,000 for a veth).
///
/// ```
/// use netshape::tc::{IfIndexes, TickRounding, parse_line, parse_line_with_speeds};
///
/// let devices = IfIndexes::from([("eth0".to_owned(), 2)]);
/// let speeds = IfIndexes::from([("eth0".to_owned(), 1_000)]); // Mbit/s
/// let line = "class add dev eth0 parent 1: classid 1:10 htb rate 5%";
/// let percent = parse_line_with_speeds(line, TickRounding::Ceil, &devices, &speeds)?;
/// assert_eq!(percent, parse_line(&line.replace("5%", "50mbit"), TickRounding::Ceil, &devices)?);
/// # Ok::<(), netshape::tc::TcError>(())
/// ```
///
/// # Errors
/// As [`parse_line`]; and a percentage of a device without a speed.
pub fn parse_line_with_speeds(
    line: &str,
    rounding: TickRounding,
    devices: &IfIndexes,
    speeds: &IfIndexes,
) -> Result<Option<TcMessage<'static>>, TcError> {
    let mut words = Words::split(line)?;
    if words.peek() == Some("tc") {
        words.skip();
    }
    let Some(object) = words.next() else {
        return Ok(None);
    };
    let context = Context {
        rounding,
        devices,
        speeds,
    };
    let what = match object {
        // tc takes any beginning of these words.
        o if words::begins(o, "qdisc") => ObjectKind::Qdisc,
        o if words::begins(o, "class") => ObjectKind::Class,
        o if words::begins(o, "filter") => ObjectKind::Filter,
        other => {
            return Err(TcError::new(format!(
                "Object \"{other}\" is unknown, try \"tc help\"."
            )));
        }
    };
    let name = what.name();
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
        ObjectKind::Qdisc => qdisc::parse(message, &mut words, &context),
        ObjectKind::Class => class::parse(message, &mut words, &context),
        ObjectKind::Filter => u32::parse(message, &mut words, &context),
    }?;
    Ok(Some(message))
}

/// The message and flags of a command; `None` where it is none that changes something.
fn command_of(what: ObjectKind, command: &str) -> Option<(Verb, u16)> {
    let is = |word| words::begins(command, word);
    Some(match what {
        _ if is("add") => (Verb::New, EXCL | CREATE),
        _ if is("change") => (Verb::New, 0),
        ObjectKind::Qdisc if is("replace") => (Verb::New, CREATE | REPLACE),
        _ if is("replace") => (Verb::New, CREATE),
        ObjectKind::Qdisc if is("link") => (Verb::New, REPLACE),
        _ if is("delete") => (Verb::Del, 0),
        _ => return None,
    })
}
