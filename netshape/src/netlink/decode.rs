//! Bytes to messages. Whatever the bytes are, the answer is messages or an error that says where.

use super::attr::{Attr, Attrs, Fields};
use super::error::DecodeError;
use super::kind::ObjectKind;
use super::message::{Message, Options, TcMessage};
use super::{queue, stats, u32};
use crate::object::{Estimator, Handle, Stab};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_CAPPED`: an answer repeats the request's head only. `NLM_F_ACK_TLVS`: attributes follow.
const CAPPED: u16 = 0x100;
const ACK_ATTRS: u16 = 0x200;
/// Bytes of a message's head.
const HEAD: usize = 16;
/// Bytes of `tcmsg`.
const TCMSG: usize = 20;

/// The messages in some bytes, one by one; ends after the first error.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Iterates over the messages in `bytes`, which are borrowed: kinds, and options of kinds without a typed form, are slices of
/// them. Typed options are values; only size tables and what a u32 filter holds (keys, actions) are gathered in vectors. Of a
/// [`bytes::Buf`] in one piece, take its `chunk()`.
///
/// ```
/// use netshape::netlink::{Message, decode};
/// use netshape::tc::{IfIndexes, TickRounding, parse_line};
///
/// let devices = IfIndexes::from([("eth0".to_owned(), 2)]);
/// let line = "qdisc add dev eth0 root handle 1: htb default 10";
/// let sent = parse_line(line, TickRounding::Ceil, &devices)?.unwrap();
/// let bytes = sent.to_bytes();
/// for message in decode(&bytes) {
///     let Message::Tc(message) = message? else { continue };
///     assert_eq!((message.ifindex, message.kind.as_deref()), (2, Some("htb"))); // a slice of `bytes`
/// }
/// assert!(decode(&[1, 2, 3]).next().unwrap().is_err());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use]
#[doc(alias = "parse")]
pub const fn decode(bytes: &[u8]) -> Messages<'_> {
    Messages { bytes, at: 0 }
}

/// A message's head and what follows it.
pub(super) struct Raw<'a> {
    pub(super) number: u16,
    pub(super) flags: u16,
    pub(super) seq: u32,
    pub(super) pid: u32,
    pub(super) body: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Messages<'a> {
    /// Goes on at byte `at`.
    pub(super) const fn seek(&mut self, at: usize) {
        self.at = at;
    }

    /// The next message, not yet taken apart.
    pub(super) fn raw(&mut self) -> Option<Result<Raw<'a>, DecodeError>> {
        let left = self.bytes.get(self.at..).filter(|l| !l.is_empty())?;
        let at = self.at;
        let truncated = |want| {
            Some(Err(DecodeError::Truncated {
                at,
                want,
                have: left.len(),
            }))
        };
        let Some(head) = left.first_chunk::<HEAD>() else {
            self.at = self.bytes.len();
            return truncated(HEAD);
        };
        let mut fields = Fields(head);
        let len = fields.u32() as usize;
        let (number, flags) = (fields.u16(), fields.u16());
        let (seq, pid) = (fields.u32(), fields.u32());
        let Some(body) = left.get(HEAD..len) else {
            self.at = self.bytes.len();
            return truncated(len.max(HEAD));
        };
        self.at = at.saturating_add(len.next_multiple_of(4));
        Some(Ok(Raw {
            number,
            flags,
            seq,
            pid,
            body,
            at,
        }))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = match self.raw()? {
            Ok(raw) => raw,
            Err(error) => return Some(Err(error)),
        };
        let message = message(&raw);
        if message.is_err() {
            self.at = self.bytes.len();
        }
        Some(message)
    }
}

fn message<'a>(raw: &Raw<'a>) -> Result<Message<'a>, DecodeError> {
    let short = |want| DecodeError::Truncated {
        at: raw.at,
        want: want + HEAD,
        have: raw.body.len() + HEAD,
    };
    match raw.number {
        DONE => Ok(Message::Done),
        ERROR => {
            let errno = raw.body.first_chunk().copied().ok_or_else(|| short(4))?;
            Ok(Message::Answer {
                seq: raw.seq,
                errno: i32::from_le_bytes(errno),
                text: extended(raw),
            })
        }
        number => match ObjectKind::of(number) {
            Some((object, verb)) => {
                let mut message = TcMessage::new(object, verb, raw.flags);
                (message.seq, message.pid) = (raw.seq, raw.pid);
                let attrs = head(&mut message, raw)?;
                attributes(&mut message, attrs)?;
                Ok(Message::Tc(Box::new(message)))
            }
            None => Ok(Message::Other { number }),
        },
    }
}

/// The text of an extended acknowledgement: an attribute behind the request's head, and behind its body where that is repeated.
fn extended<'a>(raw: &Raw<'a>) -> Option<Cow<'a, str>> {
    if raw.flags & ACK_ATTRS == 0 {
        return None;
    }
    let request = raw.body.get(4..)?;
    let repeated = match raw.flags & CAPPED {
        0 => (Fields(request.first_chunk::<HEAD>()?).u32() as usize).max(HEAD),
        _ => HEAD,
    };
    let attrs = request.get(repeated.checked_next_multiple_of(4)?..)?;
    let text = Attrs::new(attrs).find_map(|attr| attr.ok().filter(|a| a.kind == 1))?;
    text.text().ok().map(Cow::Borrowed)
}

/// `tcmsg` into a message; what follows it.
fn head<'a>(message: &mut TcMessage<'a>, raw: &Raw<'a>) -> Result<Attrs<'a>, DecodeError> {
    let (want, have) = (HEAD + TCMSG, HEAD + raw.body.len());
    let Some((head, rest)) = raw.body.split_first_chunk::<TCMSG>() else {
        return Err(DecodeError::Truncated {
            at: raw.at,
            want,
            have,
        });
    };
    let mut fields = Fields(head);
    let _family = fields.u32();
    message.ifindex = fields.i32();
    message.handle = Handle::from_raw(fields.u32());
    message.parent = Handle::from_raw(fields.u32());
    message.info = fields.u32();
    Ok(Attrs::new(rest))
}

fn attributes<'a>(message: &mut TcMessage<'a>, attrs: Attrs<'a>) -> Result<(), DecodeError> {
    let (mut options, mut xstats, mut app): (Option<Attr<'a>>, &[u8], &[u8]) = (None, &[], &[]);
    for attr in attrs {
        let attr = attr?;
        match attr.kind {
            1 => message.kind = Some(Cow::Borrowed(attr.text()?)),
            2 => options = Some(attr),
            4 => xstats = attr.data,
            5 => {
                let [interval, ewma_log]: [u8; 2] = attr.array()?;
                message.estimator = Some(Estimator {
                    interval: interval.cast_signed(),
                    ewma_log,
                });
            }
            7 => {
                let into = message.stats.get_or_insert_default();
                stats::read(attr.nest(), into)?;
                for within in attr.nest() {
                    let within = within?;
                    if within.kind == 4 {
                        app = within.data;
                    }
                }
            }
            8 => message.stab = Some(Box::new(stab(attr)?)),
            11 => message.chain = Some(attr.u32()?),
            13 => message.ingress_block = Some(attr.u32()?),
            14 => message.egress_block = Some(attr.u32()?),
            _ => {}
        }
    }
    let kind = message.kind.as_deref().unwrap_or("");
    if let Some(attr) = options {
        message.options = Some(typed(message.object, kind, attr)?);
    }
    if message.object == ObjectKind::Class && kind == "htb" {
        let found = stats::read_htb(if app.is_empty() { xstats } else { app });
        if let Some(stats) = &mut message.stats {
            stats.htb = found;
        }
    }
    Ok(())
}

/// Options by kind; those of an unknown kind or without their main part stay as they are.
fn typed<'a>(object: ObjectKind, kind: &str, attr: Attr<'a>) -> Result<Options<'a>, DecodeError> {
    let raw = || Options::Raw(Cow::Borrowed(attr.data));
    Ok(match (object, kind) {
        (ObjectKind::Qdisc, "htb") => queue::read_htb(attr.nest())?.map_or_else(raw, Options::Htb),
        (ObjectKind::Class, "htb") => {
            queue::read_class(attr.nest())?.map_or_else(raw, Options::HtbClass)
        }
        (ObjectKind::Qdisc, "tbf") => match queue::read_tbf(attr.nest())? {
            Some(tbf) => Options::Tbf(Box::new(tbf)),
            None => raw(),
        },
        (ObjectKind::Qdisc, "bfifo" | "pfifo" | "pfifo_head_drop") => Options::Fifo(attr.u32()?),
        (ObjectKind::Qdisc, "fq_codel") => {
            Options::FqCodel(Box::new(queue::read_fq_codel(attr.nest())?))
        }
        (ObjectKind::Filter, "u32") => Options::U32(Box::new(u32::read(attr.nest())?)),
        _ => raw(),
    })
}

fn stab(attr: Attr<'_>) -> Result<Stab, DecodeError> {
    let mut stab = Stab::default();
    for within in attr.nest() {
        let within = within?;
        match within.kind {
            1 => {
                let bytes: [u8; 24] = within.array()?;
                let mut fields = Fields(&bytes);
                (stab.cell_log, stab.size_log) = (fields.u8(), fields.u8());
                stab.cell_align = fields.i16();
                stab.overhead = fields.i32();
                stab.linklayer = fields.u32();
                stab.mpu = fields.u32();
                stab.mtu = fields.u32();
                stab.tsize = fields.u32();
            }
            2 => {
                let (pairs, _odd) = within.data.as_chunks::<2>();
                stab.data = pairs
                    .iter()
                    .map(|p| u16::from_le_bytes(*p))
                    .collect::<Vec<u16>>();
            }
            _ => {}
        }
    }
    Ok(stab)
}
