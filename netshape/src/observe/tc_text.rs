//! `tc [-s] -d -r qdisc|class show` as text.

use super::parsed::{ParsedObject, ParsedOutput, RATE, TBF};
use crate::object::{Handle, Htb, Other, Qdisc, QdiscKind};
use alloc::boxed::Box;
use alloc::format;

/// Reads the lines that begin with `qdisc`, `class` or `filter`; counters are passed over. Classes, filters and token
/// buckets are always refused: the text says their rates, keys and limits only roughly.
///
/// ```
/// use netshape::observe::read_tc_text;
///
/// let read = read_tc_text("qdisc htb 1: root refcnt 2 r2q 10 default 0x10\nclass htb 1:10 root rate 1Mbit\n");
/// assert_eq!((read.objects.len(), read.unparsed.len()), (1, 1));
/// ```
#[must_use]
pub fn read_tc_text(text: &str) -> ParsedOutput {
    let mut reading = ParsedOutput::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("qdisc") => qdisc(line, &mut reading),
            Some("class") => {
                let name = words.nth(1).unwrap_or("?");
                reading.refuse(&format!("class {name}"), RATE);
            }
            Some("filter") => {
                let why =
                    "the text leaves out actions' devices by number; take JSON or a netlink dump";
                reading.refuse(
                    &format!("filter {}", words.collect::<alloc::vec::Vec<_>>().join(" ")),
                    why,
                );
            }
            _ => {}
        }
    }
    reading
}

/// `qdisc KIND HANDLE: [dev DEV] root|parent H [refcnt N] OPTIONS`; with -r the handle is followed by `[raw]`.
fn qdisc(line: &str, reading: &mut ParsedOutput) {
    let mut words = line.split_whitespace().skip(1);
    let (kind, handle) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let handle = handle.split('[').next().unwrap_or("");
    let after = |name: &str| {
        let mut words = line.split_whitespace().skip_while(|w| *w != name);
        words.nth(1)
    };
    let object = || format!("qdisc {kind} {handle}");
    let parent = match after("parent") {
        Some(parent) => parent.parse(),
        None => Ok(Handle::ROOT),
    };
    let (Ok(handle_read), Ok(parent)) = (handle.parse::<Handle>(), parent) else {
        return reading.refuse(&object(), "its handle or parent can't be read");
    };
    let number = |name: &str| after(name).and_then(|t| t.parse::<u32>().ok());
    let hex = |t: &str| u32::from_str_radix(t.trim_start_matches("0x"), 16).ok();
    let size = |t: &str, suffix: &str| t.strip_suffix(suffix).and_then(|n| n.parse::<u32>().ok());
    let read = match kind {
        "htb" => {
            let htb = Htb {
                rate2quantum: number("r2q").unwrap_or(10),
                default: after("default").and_then(hex).unwrap_or(0),
                // A counter, which is no part of object is there.
                direct_packets: 0,
                direct_qlen: number("direct_qlen"),
                offload: line.contains(" offload"),
                ..Htb::with_default_class(0)
            };
            QdiscKind::Htb(htb)
        }
        "pfifo" => QdiscKind::Pfifo(after("limit").and_then(|t| size(t, "p"))),
        "bfifo" => match after("limit").and_then(|t| size(t, "b")) {
            Some(limit) => QdiscKind::Bfifo(Some(limit)),
            None => return reading.refuse(&object(), "its limit is printed rounded to Kb or Mb"),
        },
        "ingress" => QdiscKind::Ingress,
        "clsact" => QdiscKind::Clsact,
        "mq" => QdiscKind::Mq,
        "tbf" => return reading.refuse(&object(), TBF),
        "noqueue" | "pfifo_fast" => QdiscKind::Other(Box::new(Other {
            kind: kind.into(),
            options: None,
        })),
        _ => return reading.refuse(&object(), "its options have no typed form"),
    };
    reading
        .objects
        .push(ParsedObject::Qdisc(Qdisc::new(handle_read, parent, read)));
}
