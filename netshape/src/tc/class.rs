//! `tc class add|change|replace|del`.

use super::context::Context;
use super::context::set_device;
use super::error::TcError;
use super::words::{Words, begins};
use super::{kinds, number, stab};
use crate::netlink::TcMessage;
use crate::object::Handle;

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
            "classid" => {
                let text = words.value()?;
                if !message.handle.is_none() {
                    return Err(TcError::duplicate("classid", text));
                }
                let given = number::classid(text);
                message.handle = given.ok_or_else(|| TcError::invalid("invalid class ID", text))?;
            }
            "handle" => return Err(TcError::new("Error: try \"classid\" instead of \"handle\"")),
            "root" => {
                if !message.parent.is_none() {
                    return Err(TcError::new("Error: \"root\" is duplicate parent ID."));
                }
                message.parent = Handle::ROOT;
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
            // tc says how it is used, and goes on.
            w if begins(w, "help") => {}
            name => {
                kind = Some(name);
                break;
            }
        }
    }
    if let Some(kind) = kind {
        message.kind = Some(kind.chars().take(15).collect());
        message.options = kinds::class(kind, words, context, dev.as_deref())?;
    }
    if let Some(dev) = dev {
        message.ifindex = i32::try_from(context.ifindex(&dev)?).unwrap_or(0);
    }
    Ok(message)
}
