//! Actions of filters: mirred and gact typed, others as they come.

use super::WireError;
use super::attr::{Attrs, Fields, Out};
use alloc::string::String;
use alloc::vec::Vec;

/// `tc_mirred`: send a packet, or a copy, to another device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Mirred {
    /// Number of the action, shared when said; the kernel gives one where it is 0.
    pub index: u32,
    /// What comes after: 4 stolen, 3 pipe, 0 pass, 2 drop, ...
    pub action: i32,
    /// 1 egress redirect, 2 egress mirror, 3 ingress redirect, 4 ingress mirror.
    pub eaction: i32,
    /// The other device.
    pub ifindex: u32,
    /// `TCA_MIRRED_BLOCKID` instead of a device.
    pub block: Option<u32>,
}

impl Mirred {
    /// As tc's JSON calls direction and action, joined: `egress_redirect`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.eaction {
            1 => "egress_redirect",
            2 => "egress_mirror",
            3 => "ingress_redirect",
            4 => "ingress_mirror",
            _ => "unknown",
        }
    }
}

/// `tc_gact`: a plain verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Gact {
    /// Number of the action.
    pub index: u32,
    /// 0 pass, 2 drop, 3 pipe, ...
    pub action: i32,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TcAction {
    /// To another device.
    Mirred(Mirred),
    /// A verdict.
    Gact(Gact),
    /// Of another kind.
    Other(String),
}

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
                    out.attr(2, &bytes(&fields));
                    if let Some(block) = m.block {
                        out.u32(4, block);
                    }
                });
            }
            TcAction::Gact(g) => {
                out.text(1, "gact");
                out.nest(2 | NESTED, |out| {
                    out.attr(2, &bytes(&[g.index, 0, g.action.cast_unsigned(), 0, 0]));
                });
            }
            TcAction::Other(kind) => out.text(1, kind),
        });
    }
}

fn bytes(fields: &[u32]) -> Vec<u8> {
    fields.iter().flat_map(|f| f.to_le_bytes()).collect()
}

pub(super) fn read(attrs: Attrs<'_>) -> Result<Vec<TcAction>, WireError> {
    let mut actions = Vec::new();
    for attr in attrs {
        let (mut kind, mut options) = ("", None);
        for within in attr?.nest() {
            let within = within?;
            match within.kind {
                1 => kind = within.text()?,
                2 => options = Some(within.nest()),
                _ => {}
            }
        }
        let mut parms: Option<[u8; 20]> = None;
        let (mut rest, mut block) = (&[][..], None);
        for option in options.into_iter().flatten() {
            let option = option?;
            match option.kind {
                2 => {
                    parms = Some(option.array()?);
                    rest = option.data.get(20..).unwrap_or(&[]);
                }
                4 if kind == "mirred" && option.data.len() == 4 => block = Some(option.u32()?),
                _ => {}
            }
        }
        let Some(parms) = parms else {
            actions.push(TcAction::Other(kind.into()));
            continue;
        };
        let mut fields = Fields(&parms);
        let (index, _capab, action) = (fields.u32(), fields.u32(), fields.i32());
        let mut rest = Fields(rest);
        actions.push(match kind {
            "mirred" => {
                let (eaction, ifindex) = (rest.i32(), rest.u32());
                TcAction::Mirred(Mirred {
                    index,
                    action,
                    eaction,
                    ifindex,
                    block,
                })
            }
            "gact" => TcAction::Gact(Gact { index, action }),
            other => TcAction::Other(other.into()),
        });
    }
    Ok(actions)
}
