//! `tc qdisc add|change|replace|link|del`.

use super::context::Context;
use super::context::set_device;
use super::error::TcError;
use super::words::{Words, begins};
use super::{kinds, number, stab};
use crate::netlink::TcMessage;
use crate::object::Handle;
use alloc::boxed::Box;
use alloc::format;

/// Sets the parent, once.
fn set_parent(message: &mut TcMessage<'_>, parent: Handle, name: &str) -> Result<(), TcError> {
    if !message.parent.is_none() {
        return Err(TcError::new(format!(
            "Error: \"{name}\" is a duplicate parent ID"
        )));
    }
    message.parent = parent;
    Ok(())
}

pub(super) fn parse(
    mut message: TcMessage<'static>,
    words: &mut Words<'_>,
    context: &Context<'_>,
) -> Result<TcMessage<'static>, TcError> {
    let mut dev = None;
    let mut kind = None;
    while let Some(word) = words.next() {
        match word {
            "dev" => set_device(&mut dev, words)?,
            "handle" => {
                if !message.handle.is_none() {
                    return Err(TcError::duplicate("handle", word));
                }
                let text = words.value()?;
                let given = number::qdisc_handle(text);
                message.handle = given.ok_or_else(|| TcError::invalid("invalid qdisc ID", text))?;
            }
            "root" => set_parent(&mut message, Handle::ROOT, word)?,
            "clsact" | "ingress" => {
                set_parent(&mut message, Handle::INGRESS, word)?;
                message.handle = Handle::INGRESS_QDISC;
                kind = Some(word);
                break;
            }
            "parent" => {
                let text = words.value()?;
                if !message.parent.is_none() {
                    return Err(TcError::duplicate("parent", text));
                }
                let given = number::classid(text);
                message.parent =
                    given.ok_or_else(|| TcError::invalid("invalid parent ID", text))?;
            }
            w if begins(w, "estimator") => message.estimator = Some(stab::estimator(words)?),
            w if begins(w, "stab") => message.stab = Some(Box::new(stab::size_table(words)?)),
            w if begins(w, "ingress_block") => {
                message.ingress_block = Some(block(words, "ingress")?);
            }
            w if begins(w, "egress_block") => message.egress_block = Some(block(words, "egress")?),
            // tc says how it is used, and goes on.
            w if begins(w, "help") => {}
            name => {
                kind = Some(name);
                break;
            }
        }
    }
    if let Some(kind) = kind {
        // The field that tc copies it into holds 15 characters.
        message.kind = Some(kind.chars().take(15).collect());
        message.options = kinds::qdisc(kind, words, context, dev.as_deref())?;
    }
    if let Some(dev) = dev {
        message.ifindex = i32::try_from(context.ifindex(&dev)?).unwrap_or(0);
    }
    Ok(message)
}

/// The number of a shared block.
fn block(words: &mut Words<'_>, side: &str) -> Result<u32, TcError> {
    let word = words.value()?;
    let given = number::u32(word, 0).filter(|b| *b != 0);
    given.ok_or_else(|| TcError::invalid(&format!("invalid {side} block index value"), word))
}
