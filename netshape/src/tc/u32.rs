//! `tc filter add|change|replace|del`, with the u32 classifier.

use super::context::Context;
use super::context::set_device;
use super::error::TcError;
use super::words::{Words, begins};
use super::{action, match_u32, number, proto, stab};
use crate::netlink::{CREATE, Options, TcMessage, Verb};
use crate::object::{Handle, U32, U32Part, U32Sel};
use crate::ticks::TickRounding;
use alloc::boxed::Box;
use alloc::format;

/// `TC_U32_TERMINAL`.
const TERMINAL: u8 = 1;
/// Ethertype of all protocols.
const ALL: u16 = 3;
/// `TCA_CLS_FLAGS_SKIP_HW` and `_SW`.
const SKIP_HW: u32 = 1;
const SKIP_SW: u32 = 2;

/// What is said before the filter's kind.
#[derive(Default)]
struct Head<'a> {
    dev: Option<alloc::string::String>,
    block: Option<u32>,
    handle: Option<&'a str>,
    prio: u32,
    protocol: Option<u16>,
    kind: Option<&'a str>,
}

pub(super) fn parse(
    mut message: TcMessage<'static>,
    words: &mut Words<'_>,
    context: &Context<'_>,
) -> Result<TcMessage<'static>, TcError> {
    let head = head(&mut message, words)?;
    let creates = message.verb == Verb::New && message.flags & CREATE != 0;
    let protocol = head.protocol.unwrap_or(if creates { ALL } else { 0 });
    message.info = head.prio << 16 | u32::from(protocol.to_be());
    if let Some(dev) = &head.dev {
        message.ifindex = i32::try_from(context.ifindex(dev)?).unwrap_or(0);
    } else if let Some(block) = head.block {
        message.ifindex = -1;
        message.parent = Handle::from_raw(block);
    }
    let Some(kind) = head.kind else {
        if head.handle.is_some() {
            return Err(TcError::new(
                "Must specify filter type when using \"handle\"",
            ));
        }
        return Ok(message);
    };
    message.kind = Some(kind.chars().take(15).collect());
    if kind != "u32" {
        if words.left() == 0 && head.handle.is_none() {
            return Ok(message);
        }
        return Err(TcError::new(format!(
            "filter kind \"{kind}\" has no form here: only u32 has"
        )));
    }
    if let Some(text) = head.handle {
        let handle = number::u32_handle(text).ok_or_else(|| TcError::new("Illegal filter ID"))?;
        message.handle = Handle::from_raw(handle);
    }
    if words.left() > 0 {
        let handled = head.handle.is_some();
        let u32 = options(&mut message, words, context, handled)?;
        message.options = Some(Options::U32(Box::new(u32)));
    }
    Ok(message)
}

fn head<'a>(message: &mut TcMessage<'_>, words: &mut Words<'a>) -> Result<Head<'a>, TcError> {
    let mut head = Head::default();
    let exclusive = || TcError::new("Error: \"dev\" and \"block\" are mutually exclusive");
    while let Some(word) = words.next() {
        match word {
            "dev" => {
                set_device(&mut head.dev, words)?;
                head.block.map_or(Ok(()), |_| Err(exclusive()))?;
            }
            "root" | "ingress" | "egress" => {
                if !message.parent.is_none() {
                    let text = format!("Error: \"{word}\" is duplicate parent ID");
                    return Err(TcError::new(text));
                }
                message.parent = match word {
                    "root" => Handle::ROOT,
                    "ingress" => Handle::HOOK_INGRESS,
                    _ => Handle::HOOK_EGRESS,
                };
            }
            "parent" => {
                let text = words.value()?;
                if !message.parent.is_none() {
                    return Err(TcError::duplicate("parent", text));
                }
                let given = number::classid(text);
                message.parent =
                    given.ok_or_else(|| TcError::invalid("Invalid parent ID", text))?;
            }
            "handle" => {
                let text = words.value()?;
                if head.handle.is_some() {
                    return Err(TcError::duplicate("handle", text));
                }
                head.handle = Some(text);
            }
            w if begins(w, "block") => {
                let text = words.value()?;
                let given = number::u32(text, 0).filter(|b| *b != 0);
                let given =
                    given.ok_or_else(|| TcError::invalid("invalid block index value", text))?;
                if head.block.replace(given).is_some() {
                    return Err(TcError::duplicate("block", text));
                }
                head.dev.as_ref().map_or(Ok(()), |_| Err(exclusive()))?;
            }
            w if begins(w, "preference") || begins(w, "priority") => set_prio(&mut head, words)?,
            w if begins(w, "protocol") => set_protocol(&mut head, words)?,
            w if begins(w, "chain") => {
                let text = words.value()?;
                let given = number::u32(text, 0);
                let given =
                    given.ok_or_else(|| TcError::invalid("invalid chain index value", text))?;
                if message.chain.replace(given).is_some() {
                    return Err(TcError::duplicate("chain", text));
                }
            }
            w if begins(w, "estimator") => message.estimator = Some(stab::estimator(words)?),
            w if begins(w, "help") => return Err(TcError::new("Usage: tc filter ...")),
            kind => {
                head.kind = Some(kind);
                break;
            }
        }
    }
    Ok(head)
}

fn set_prio(head: &mut Head<'_>, words: &mut Words<'_>) -> Result<(), TcError> {
    let text = words.value()?;
    if head.prio != 0 {
        return Err(TcError::duplicate("priority", text));
    }
    let given = number::u32(text, 0).filter(|p| *p <= 0xffff);
    head.prio = given.ok_or_else(|| TcError::invalid("invalid priority value", text))?;
    Ok(())
}

fn set_protocol(head: &mut Head<'_>, words: &mut Words<'_>) -> Result<(), TcError> {
    let text = words.value()?;
    if head.protocol.is_some() {
        return Err(TcError::duplicate("protocol", text));
    }
    let given = proto::ethertype(text);
    head.protocol = Some(given.ok_or_else(|| TcError::invalid("invalid protocol", text))?);
    Ok(())
}

/// What is said of a u32 filter, besides what is sent in the order it is said.
struct Said {
    u32: U32,
    sel: U32Sel,
    selects: bool,
    terminal: bool,
    sampled: bool,
    /// Whether the filter's handle was given.
    handled: bool,
    htid: u32,
    order: u32,
    flags: u32,
}

fn options(
    message: &mut TcMessage<'_>,
    words: &mut Words<'_>,
    context: &Context<'_>,
    handled: bool,
) -> Result<U32, TcError> {
    let mut said = Said {
        u32: U32::default(),
        sel: U32Sel::default(),
        selects: false,
        terminal: false,
        sampled: false,
        handled,
        htid: 0,
        order: 0,
        flags: 0,
    };
    while let Some(word) = words.next() {
        option(word, &mut said, words, context)?;
    }
    let Said {
        mut u32,
        mut sel,
        selects,
        terminal,
        htid,
        order,
        flags,
        ..
    } = said;
    sel.flags |= if terminal { TERMINAL } else { 0 };
    if order != 0 {
        let node = message.handle.raw() & 0xfff;
        if node != 0 && order != node {
            return Err(TcError::new("\"order\" contradicts \"handle\""));
        }
        message.handle = Handle::from_raw(message.handle.raw() | order);
    }
    if htid != 0 {
        u32.parts.push(U32Part::Hash(htid));
    }
    if selects {
        u32.parts.push(U32Part::Sel(sel));
    }
    if flags == SKIP_HW | SKIP_SW {
        return Err(TcError::new("skip_hw and skip_sw are mutually exclusive"));
    }
    if flags != 0 {
        u32.parts.push(U32Part::Flags(flags));
    }
    Ok(u32)
}

fn option(
    word: &str,
    said: &mut Said,
    words: &mut Words<'_>,
    context: &Context<'_>,
) -> Result<(), TcError> {
    let parts = &mut said.u32.parts;
    match word {
        w if begins(w, "match") => {
            match_u32::selector(words, &mut said.sel, parts, context.rounding)?;
            said.selects = true;
        }
        w if begins(w, "offset") => match_u32::offset(words, &mut said.sel)?,
        w if begins(w, "hashkey") => match_u32::hashkey(words, &mut said.sel)?,
        w if begins(w, "classid") || w == "flowid" => {
            let id = number::classid(words.value()?).ok_or_else(|| TcError::illegal("classid"))?;
            parts.push(U32Part::ClassId(id));
            said.sel.flags |= TERMINAL;
        }
        w if begins(w, "divisor") => {
            parts.push(U32Part::Divisor(divisor(words.value()?, "divisor")?));
        }
        w if begins(w, "order") => {
            let given = number::u32(words.value()?, 0);
            said.order = given.ok_or_else(|| TcError::illegal("order"))?;
        }
        "link" => parts.push(U32Part::Link(table(words.value()?)?)),
        "ht" => {
            let handle =
                number::u32_handle(words.value()?).ok_or_else(|| TcError::illegal("ht"))?;
            // Only beside a filter's own handle does tc mind a node's number, which it then drops.
            if said.handled && handle & 0xfff != 0 {
                return Err(TcError::new("\"ht\" must be a hash table."));
            }
            said.htid = match said.sampled {
                true => (said.htid & 0xff000) | (handle & 0xfff0_0000),
                false => handle & 0xffff_f000,
            };
        }
        "sample" => sample(said, words, context.rounding)?,
        "indev" => {
            let name = words.next().ok_or_else(|| TcError::new("Illegal indev"))?;
            // The field that tc copies it into holds 16 characters.
            parts.push(U32Part::Indev(name.chars().take(16).collect()));
        }
        w if begins(w, "action") => {
            parts.push(U32Part::Actions(action::parse(words, context)?));
            said.terminal = true;
        }
        w if begins(w, "police") => return Err(TcError::new("policing has no form here")),
        "skip_hw" => said.flags |= SKIP_HW,
        "skip_sw" => said.flags |= SKIP_SW,
        other => return Err(TcError::unknown(other)),
    }
    Ok(())
}

/// A power of two up to 256.
fn divisor(text: &str, name: &str) -> Result<u32, TcError> {
    let given = number::u32(text, 0).filter(|d| *d <= 0x100 && d.is_power_of_two());
    given.ok_or_else(|| TcError::illegal(name))
}

/// A hash table's handle.
fn table(text: &str) -> Result<u32, TcError> {
    let handle = number::u32_handle(text).ok_or_else(|| TcError::illegal("link"))?;
    if handle & 0xfff != 0 {
        return Err(TcError::new("\"link\" must be a hash table."));
    }
    Ok(handle)
}

/// `sample SELECTOR [divisor N]`: the bucket that such a packet falls into.
fn sample(said: &mut Said, words: &mut Words<'_>, rounding: TickRounding) -> Result<(), TcError> {
    let mut sel = U32Sel::default();
    match_u32::selector(words, &mut sel, &mut said.u32.parts, rounding)?;
    let [key] = sel.keys.as_slice() else {
        return Err(TcError::new("\"sample\" must contain exactly ONE key."));
    };
    let mut buckets = 0x100;
    if words.peek() == Some("divisor") {
        words.skip();
        buckets = divisor(words.value()?, "sample")?;
        // tc wants something to follow.
        words.value()?;
        words.back();
    }
    let shift = if key.mask == 0 {
        0
    } else {
        key.mask.trailing_zeros()
    };
    let hash = (key.val & key.mask) >> shift;
    said.htid = (hash % buckets) << 12 | (said.htid & 0xfff0_0000);
    said.sampled = true;
    Ok(())
}
