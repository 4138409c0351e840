//! `action mirred ...`, `action ok|drop|...`, one after another.

use super::context::Context;
use super::error::TcError;
use super::number;
use super::words::{Words, begins};
use crate::object::{ActionExtras, Gact, GactRandom, Mirred, TcAction};
use crate::ticks::TickRounding;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

/// Verdicts (`TC_ACT_*`) by name.
const VERDICTS: [(&str, i32); 8] = [
    ("continue", -1),
    ("drop", 2),
    ("shot", 2),
    ("pass", 0),
    ("ok", 0),
    ("reclassify", 1),
    ("pipe", 3),
    ("trap", 8),
];
/// `TC_ACT_GOTO_CHAIN` and `TC_ACT_JUMP`, with 28 bits for the number.
const GOTO: u32 = 2 << 28;
const JUMP: u32 = 1 << 28;
const NUMBER_MOST: u32 = 0x0fff_ffff;

/// Words at which tc takes the actions for done, since commands begin with them.
const COMMANDS: [&str; 5] = ["change", "replace", "delete", "get", "add"];

/// `TC_COOKIE_MAX_SIZE`, in bytes.
const COOKIE_MOST: usize = 16;
/// Greatest chance of a `random` verdict: one in so many.
const RANDOM_MOST: u16 = 10_000;

/// A verdict, if the next word is one (or begins one).
fn verdict(words: &mut Words<'_>) -> Result<Option<i32>, TcError> {
    let Some(word) = words.peek() else {
        return Ok(None);
    };
    if let Some((_, action)) = VERDICTS.iter().find(|(name, _)| begins(word, name)) {
        words.skip();
        return Ok(Some(*action));
    }
    let base = match word {
        w if begins(w, "goto") => GOTO,
        w if begins(w, "jump") => JUMP,
        _ => return Ok(None),
    };
    words.skip();
    if base == GOTO && !begins(words.value()?, "chain") {
        return Err(TcError::new("\"chain index\" expected"));
    }
    let text = words.value()?;
    let number = number::u32(text, 10).filter(|n| *n <= NUMBER_MOST);
    let number = number.ok_or_else(|| TcError::new("Illegal \"chain index\""))?;
    Ok(Some((base | number).cast_signed()))
}

/// The actions after the first `action`, up to `flowid` or `classid`: nothing else of a filter may follow them.
pub(super) fn parse(
    words: &mut Words<'_>,
    context: &Context<'_>,
) -> Result<Vec<TcAction>, TcError> {
    let mut actions = Vec::new();
    // Behind the filter's own word there may be nothing at all before `flowid`, behind a later one not.
    let mut expected = words.peek().is_none();
    // Said once, a cookie is every later action's too.
    let mut cookie = Vec::new();
    while let Some(word) = words.peek() {
        match word {
            "action" => {
                words.skip();
                expected = true;
                continue;
            }
            "flowid" | "classid" => break,
            "help" => return Err(TcError::new("Usage: ... action ...")),
            w if begins_a_command(w) => return Ok(actions),
            "mirred" => {
                let mut mirred = mirred(words, context)?;
                mirred.extras = extras(words, &mut cookie, None)?;
                actions.push(TcAction::Mirred(mirred));
            }
            w => {
                let mut gact = gact(w, words, context.rounding)?;
                gact.extras = extras(words, &mut cookie, gact.extras.take())?;
                actions.push(TcAction::Gact(gact));
            }
        }
        expected = false;
    }
    if expected {
        return Err(TcError::new("bad action empty 1"));
    }
    Ok(actions)
}

fn begins_a_command(word: &str) -> bool {
    COMMANDS.iter().any(|command| begins(word, command))
}

/// `[gact] VERDICT [random netrand|determ VERDICT CHANCE] [index N]`, or `gact index N`.
fn gact(word: &str, words: &mut Words<'_>, rounding: TickRounding) -> Result<Gact, TcError> {
    let bad = || TcError::new(format!("Bad action type {word}"));
    let mut gact = Gact::default();
    if begins(word, "gact") {
        words.skip();
        words.value()?;
        words.back();
    }
    // The later generation's tc sends whatever word that was as the kind, though the kernel knows none of that name.
    if rounding == TickRounding::Ceil
        && word != "gact"
        && (begins(word, "gact") || begins(word, "index"))
    {
        let kind = Some(word.chars().take(15).collect());
        let extras = ActionExtras {
            kind,
            ..ActionExtras::default()
        };
        gact.extras = Some(Box::new(extras));
    }
    if words.peek().is_some_and(|w| begins(w, "index")) {
        gact.index = index(words)?;
        return Ok(gact);
    }
    gact.action = verdict(words)?.ok_or_else(bad)?;
    match words.peek() {
        Some(w) if begins(w, "random") => gact.random = Some(random(words)?),
        Some(w) if begins(w, "help") => return Err(TcError::new("Usage: ... gact ...")),
        _ => {}
    }
    if words.peek().is_some_and(|w| begins(w, "help")) {
        return Err(TcError::new("Usage: ... gact ..."));
    }
    gact.index = index(words)?;
    Ok(gact)
}

/// `random netrand|determ VERDICT CHANCE`.
fn random(words: &mut Words<'_>) -> Result<GactRandom, TcError> {
    words.skip();
    let kind = match words.value()? {
        w if begins(w, "netrand") => 1,
        w if begins(w, "determ") => 2,
        _ => return Err(TcError::illegal("random type")),
    };
    let action = verdict(words)?.ok_or_else(|| TcError::illegal("random verdict"))?;
    let chance = number::u16(words.value()?, 10).filter(|c| *c <= RANDOM_MOST);
    Ok(GactRandom {
        kind,
        chance: chance.ok_or_else(|| TcError::new("Illegal probability val"))?,
        action,
    })
}

/// `[cookie HEX] [hw_stats TYPE] [no_percpu] [skip_sw] [skip_hw]`, in this order, behind any action.
fn extras(
    words: &mut Words<'_>,
    cookie: &mut Vec<u8>,
    so_far: Option<Box<ActionExtras>>,
) -> Result<Option<Box<ActionExtras>>, TcError> {
    let mut extras = so_far.unwrap_or_default();
    if words.peek() == Some("cookie") {
        words.skip();
        let text = words.value()?;
        let hex = crate::netlink::bytes_of_hex(text).filter(|b| b.len() <= COOKIE_MOST);
        let why = "a cookie is an even number of hexadecimal digits, 32 at most";
        *cookie = hex.ok_or_else(|| TcError::invalid(why, text))?;
    }
    extras.cookie.clone_from(cookie);
    if words.peek().is_some_and(|w| begins(w, "hw_stats")) {
        words.skip();
        let text = words.value()?;
        let kinds = [("immediate", 1), ("delayed", 2), ("disabled", 0)];
        let found = kinds.iter().find(|(name, _)| begins(text, name));
        let bits = found
            .ok_or_else(|| TcError::invalid("value is invalid", text))?
            .1;
        extras.hw_stats = Some((bits, bits));
    }
    let mut flags = 0;
    if words.peek() == Some("no_percpu") {
        words.skip();
        flags |= 1;
    }
    while let Some(flag) = words.peek().and_then(|w| match w {
        "skip_hw" => Some(2),
        "skip_sw" => Some(4),
        _ => None,
    }) {
        words.skip();
        flags |= flag;
    }
    extras.flags = (flags != 0).then_some((flags, flags));
    Ok((*extras != ActionExtras::default()).then_some(extras))
}

/// `index N`, if it is there.
fn index(words: &mut Words<'_>) -> Result<u32, TcError> {
    if words.peek().is_none_or(|w| !begins(w, "index")) {
        return Ok(0);
    }
    words.skip();
    let illegal = || TcError::new("Illegal \"index\"");
    number::u32(words.value()?, 10).ok_or_else(illegal)
}

fn double_index() -> TcError {
    TcError::new("mirred: Illegal double index")
}

/// `mirred ingress|egress mirror|redirect [index N] dev DEV [verdict]`, or `mirred index N`.
fn mirred(words: &mut Words<'_>, context: &Context<'_>) -> Result<Mirred, TcError> {
    words.skip();
    let mut m = Mirred::default();
    let direction = words.value()?;
    let (redirect, mirror) = match direction {
        d if begins(d, "egress") => (1, 2),
        d if begins(d, "ingress") => (3, 4),
        d if begins(d, "index") => {
            words.back();
            m.index = index(words)?;
            return match words.peek() {
                Some(w) if begins(w, "index") => Err(double_index()),
                _ => Ok(m),
            };
        }
        other => return Err(TcError::new(format!("mirred option not supported {other}"))),
    };
    let mut early = false;
    loop {
        match words.value()? {
            w if begins(w, "action") => {
                words.back();
                break;
            }
            w if begins(w, if redirect == 1 { "ingress" } else { "egress" }) => {
                return Err(TcError::new("Can't have both ingress and egress"));
            }
            w if begins(w, "index") => {
                words.back();
                m.index = index(words)?;
                early = true;
            }
            w if begins(w, "mirror") && m.eaction == 0 => (m.eaction, m.action) = (mirror, 3),
            w if begins(w, "redirect") && m.eaction == 0 => (m.eaction, m.action) = (redirect, 4),
            w if m.eaction == redirect && begins(w, "mirror")
                || m.eaction == mirror && begins(w, "redirect") =>
            {
                return Err(TcError::new("Can't have both mirror and redir"));
            }
            w if m.eaction != 0 && begins(w, "dev") => {
                m.ifindex = context.ifindex(words.value()?)?;
                break;
            }
            w if m.eaction != 0
                && begins(w, "blockid")
                && context.rounding == TickRounding::Ceil =>
            {
                m.block = Some(block_id(words.value()?)?);
                break;
            }
            // The later generation's tc leaves what it does not know there to whatever comes next.
            _ if m.eaction != 0 && context.rounding == TickRounding::Ceil => {
                words.back();
                break;
            }
            // Otherwise it is passed over, as long as something follows.
            _ => {}
        }
    }
    if m.eaction == mirror {
        m.action = verdict(words)?.unwrap_or(m.action);
    }
    if words.peek().is_some_and(|w| begins(w, "index")) {
        if early {
            return Err(double_index());
        }
        m.index = index(words)?;
    }
    Ok(m)
}

fn block_id(text: &str) -> Result<u32, TcError> {
    let block = number::u32(text, 0).filter(|b| *b != 0);
    block.ok_or_else(|| TcError::new("invalid block ID"))
}
