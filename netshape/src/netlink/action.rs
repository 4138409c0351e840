//! Actions of filters: mirred and gact typed, others as they come.

use super::attr::{Attrs, Fields, Out};
use super::error::DecodeError;
use crate::object::ActionExtras;
use crate::object::Gact;
use crate::object::GactRandom;
use crate::object::Mirred;
use crate::object::TcAction;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// `NLA_F_NESTED`, which tc sets on an action's options only.
const NESTED: u16 = 0x8000;

pub(super) fn write(actions: &[TcAction], out: &mut Out<'_>) {
    for (i, action) in actions.iter().enumerate() {
        let order = u16::try_from(i + 1).unwrap_or(u16::MAX);
        out.nest(order, |out| match action {
            TcAction::Mirred(m) => {
                out.text(1, "mirred");
                out.nest(2 | NESTED, |out| {
                    let [action, eaction] = [m.action, m.eaction].map(i32::cast_unsigned);
                    let fields = [m.index, 0, action, 0, 0, eaction, m.ifindex];
                    out.u32s(2, &fields);
                    if let Some(block) = m.block {
                        out.u32(4, block);
                    }
                });
                write_extras(m.extras.as_deref(), out);
            }
            TcAction::Gact(g) => {
                let kind = g.extras.as_ref().and_then(|e| e.kind.as_deref());
                out.text(1, kind.unwrap_or("gact"));
                out.nest(2 | NESTED, |out| {
                    out.u32s(2, &[g.index, 0, g.action.cast_unsigned(), 0, 0]);
                    if let Some(r) = g.random {
                        let pair = u32::from(r.chance) << 16 | u32::from(r.kind);
                        out.u32s(3, &[pair, r.action.cast_unsigned()]);
                    }
                });
                write_extras(g.extras.as_deref(), out);
            }
            TcAction::Other(kind) => out.text(1, kind),
        });
    }
}

fn write_extras(extras: Option<&ActionExtras>, out: &mut Out<'_>) {
    let Some(extras) = extras else { return };
    if !extras.cookie.is_empty() {
        out.attr(6, &extras.cookie);
    }
    for (kind, bits) in [(8, extras.hw_stats), (7, extras.flags)] {
        if let Some((value, selector)) = bits {
            out.u32s(kind, &[value, selector]);
        }
    }
}

/// What one action's nest says, whatever its kind.
#[derive(Default)]
struct Seen<'a> {
    kind: &'a str,
    parms: Option<[u8; 20]>,
    /// What follows the fields that all kinds share.
    rest: &'a [u8],
    block: Option<u32>,
    random: Option<GactRandom>,
    extras: ActionExtras,
}

impl<'a> Seen<'a> {
    fn read(attrs: Attrs<'a>) -> Result<Self, DecodeError> {
        let (mut seen, mut options) = (Self::default(), None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind {
                1 => seen.kind = attr.text()?,
                2 => options = Some(attr.nest()),
                6 => seen.extras.cookie = attr.data.to_vec(),
                7 if attr.data.len() == 8 => seen.extras.flags = Some(pair(attr.data)),
                8 if attr.data.len() == 8 => seen.extras.hw_stats = Some(pair(attr.data)),
                _ => {}
            }
        }
        for option in options.into_iter().flatten() {
            let option = option?;
            match (option.kind, seen.kind) {
                (2, _) => {
                    seen.parms = Some(option.array()?);
                    seen.rest = option.data.get(20..).unwrap_or(&[]);
                }
                (3, "gact") if option.data.len() == 8 => {
                    let (first, action) = pair(option.data);
                    seen.random = Some(GactRandom {
                        kind: first as u16,
                        chance: (first >> 16) as u16,
                        action: action.cast_signed(),
                    });
                }
                (4, "mirred") if option.data.len() == 4 => seen.block = Some(option.u32()?),
                _ => {}
            }
        }
        Ok(seen)
    }

    fn action(self) -> TcAction {
        let Some(parms) = self.parms else {
            return TcAction::Other(self.kind.into());
        };
        let mut fields = Fields(&parms);
        let (index, _capab, action) = (fields.u32(), fields.u32(), fields.i32());
        let extras = (self.extras != ActionExtras::default()).then(|| Box::new(self.extras));
        let mut rest = Fields(self.rest);
        match self.kind {
            "mirred" => {
                let (eaction, ifindex) = (rest.i32(), rest.u32());
                TcAction::Mirred(Mirred {
                    index,
                    action,
                    eaction,
                    ifindex,
                    block: self.block,
                    extras,
                })
            }
            "gact" => TcAction::Gact(Gact {
                index,
                action,
                random: self.random,
                extras,
            }),
            other => TcAction::Other(other.into()),
        }
    }
}

/// Two numbers.
fn pair(data: &[u8]) -> (u32, u32) {
    let mut fields = Fields(data);
    (fields.u32(), fields.u32())
}

pub(super) fn read(attrs: Attrs<'_>) -> Result<Vec<TcAction>, DecodeError> {
    let one =
        |attr: Result<super::attr::Attr<'_>, DecodeError>| Ok(Seen::read(attr?.nest())?.action());
    attrs.map(one).collect()
}
