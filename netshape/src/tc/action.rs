//! `action mirred ...`, `action ok|drop|...`, one after another.

use super::words::{Words, begins};
use super::{Context, TcError, number};
use crate::wire::{Gact, Mirred, TcAction};
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

/// The actions after the first `action`, up to what belongs to the filter again.
pub(super) fn parse(
    words: &mut Words<'_>,
    context: &Context<'_>,
) -> Result<Vec<TcAction>, TcError> {
    let mut actions = Vec::new();
    let mut expected = true;
    while let Some(word) = words.peek() {
        match word {
            "action" => {
                words.skip();
                expected = true;
                continue;
            }
            "flowid" | "classid" => break,
            "mirred" => actions.push(TcAction::Mirred(mirred(words, context)?)),
            w => {
                if w == "gact" {
                    words.skip();
                }
                match verdict(words)? {
                    Some(action) => actions.push(TcAction::Gact(Gact {
                        index: index(words)?,
                        action,
                    })),
                    None if expected => {
                        return Err(TcError::new(format!("Unknown action \"{w}\"")));
                    }
                    None => break,
                }
            }
        }
        expected = false;
    }
    if expected {
        return Err(TcError::new("bad action empty 1"));
    }
    Ok(actions)
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
            return Ok(m);
        }
        other => return Err(TcError::new(format!("mirred option not supported {other}"))),
    };
    let mut early = false;
    loop {
        match words.value()? {
            w if begins(w, "index") => {
                words.back();
                m.index = index(words)?;
                early = true;
            }
            w if m.eaction == 0 && begins(w, "mirror") => (m.eaction, m.action) = (mirror, 3),
            w if m.eaction == 0 && begins(w, "redirect") => (m.eaction, m.action) = (redirect, 4),
            w if begins(w, "mirror") || begins(w, "redirect") => {
                return Err(TcError::new("Can't have both mirror and redir"));
            }
            w if m.eaction != 0 && begins(w, "dev") => {
                m.ifindex = context.ifindex(words.value()?)?;
                break;
            }
            w if m.eaction != 0 && begins(w, "blockid") => {
                let block = number::u32(words.value()?, 0).filter(|b| *b != 0);
                m.block = Some(block.ok_or_else(|| TcError::new("invalid block ID"))?);
                break;
            }
            other => return Err(TcError::new(format!("mirred: unexpected \"{other}\""))),
        }
    }
    if m.eaction == mirror {
        m.action = verdict(words)?.unwrap_or(m.action);
    }
    if words.peek().is_some_and(|w| begins(w, "index")) {
        if early {
            return Err(TcError::new("mirred: Illegal double index"));
        }
        m.index = index(words)?;
    }
    Ok(m)
}
