//! Messages to bytes, with attributes in the order in which tc sends them.

use super::attr::Out;
use super::kind::ObjectKind;
use super::message::{Options, TcMessage};
use super::{action, queue, u32};
use crate::object::Stab;
use alloc::vec::Vec;
use bytes::BufMut;

/// `TCA_*` of the headers.
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const RATE: u16 = 5;
const STAB: u16 = 8;
const CHAIN: u16 = 11;
const INGRESS_BLOCK: u16 = 13;
const EGRESS_BLOCK: u16 = 14;

/// A buffer that can't take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message has {needed} bytes, and the buffer has room for {remaining}: give it more")]
#[non_exhaustive]
pub struct BufferTooSmall {
    /// Bytes of the message.
    pub needed: usize,
    /// Bytes that the buffer takes.
    pub remaining: usize,
}

impl TcMessage<'_> {
    /// Appends the message's bytes to any buffer: a `Vec<u8>`, a `BytesMut`, a `&mut [u8]`. O(bytes), no allocation of its own for
    /// qdiscs and classes.
    ///
    /// ```
    /// use netshape::netlink::{ACK, Message, ObjectKind, REQUEST, TcMessage, Verb, decode};
    ///
    /// let request = TcMessage::new(ObjectKind::Class, Verb::Get, REQUEST | ACK);
    /// let mut buffer = [0; 64];
    /// let mut rest = &mut buffer[..];
    /// request.encode(&mut rest)?;
    /// let used = 64 - rest.len();
    /// assert_eq!(used, request.encoded_len());
    /// let back = decode(&buffer[..used]).next().unwrap()?;
    /// assert_eq!(back, Message::Tc(Box::new(request)));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BufferTooSmall`]; nothing is written then.
    pub fn encode<B: BufMut>(&self, into: &mut B) -> Result<(), BufferTooSmall> {
        let (needed, remaining) = (self.encoded_len(), into.remaining_mut());
        if needed > remaining {
            return Err(BufferTooSmall { needed, remaining });
        }
        self.write(needed, &mut Out::new(into));
        Ok(())
    }

    /// How many bytes the message has.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        Out::counted(|out| self.write(0, out))
    }

    /// The message's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let len = self.encoded_len();
        let mut bytes = Vec::with_capacity(len);
        self.write(len, &mut Out::new(&mut bytes));
        bytes
    }

    fn write(&self, len: usize, out: &mut Out<'_>) {
        out.bytes(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        out.bytes(&self.object.number(self.verb).to_le_bytes());
        out.bytes(&self.flags.to_le_bytes());
        out.bytes(&self.seq.to_le_bytes());
        out.bytes(&self.pid.to_le_bytes());
        // tcmsg: family and padding, ifindex, handle, parent, info.
        out.bytes(&[0; 4]);
        out.bytes(&self.ifindex.to_le_bytes());
        out.bytes(&self.handle.raw().to_le_bytes());
        out.bytes(&self.parent.raw().to_le_bytes());
        out.bytes(&self.info.to_le_bytes());
        self.attributes(out);
    }

    fn attributes(&self, out: &mut Out<'_>) {
        let filter = self.object == ObjectKind::Filter;
        if let Some(chain) = self.chain {
            out.u32(CHAIN, chain);
        }
        if let Some(kind) = &self.kind {
            out.text(KIND, kind);
        }
        // A filter's estimator comes after its options, that of others before.
        let estimator = self
            .estimator
            .map(|e| [e.interval.to_le_bytes()[0], e.ewma_log]);
        if let Some(estimator) = estimator.filter(|_| !filter) {
            out.attr(RATE, &estimator);
        }
        if let Some(block) = self.ingress_block {
            out.u32(INGRESS_BLOCK, block);
        }
        if let Some(block) = self.egress_block {
            out.u32(EGRESS_BLOCK, block);
        }
        if let Some(options) = &self.options {
            self.options(options, out);
        }
        if let Some(estimator) = estimator.filter(|_| filter) {
            out.attr(RATE, &estimator);
        }
        if let Some(stab) = &self.stab {
            write_stab(stab, out);
        }
    }

    fn options(&self, options: &Options<'_>, out: &mut Out<'_>) {
        match options {
            Options::Htb(htb) => out.nest(OPTIONS, |o| queue::write_htb(htb, o)),
            Options::HtbClass(class) => out.nest(OPTIONS, |o| queue::write_class(class, o)),
            Options::Tbf(tbf) => out.nest(OPTIONS, |o| queue::write_tbf(tbf, o)),
            Options::FqCodel(f) => out.nest(OPTIONS, |o| queue::write_fq_codel(f, o)),
            Options::U32(u32) => out.nest(OPTIONS, |o| u32::write(u32, o, action::write)),
            Options::Fifo(limit) => out.u32(OPTIONS, *limit),
            Options::Raw(bytes) => out.attr(OPTIONS, bytes),
        }
    }
}

/// `TCA_STAB`: the specification, and the table where there is one.
fn write_stab(stab: &Stab, out: &mut Out<'_>) {
    out.nest(STAB, |out| {
        let mut spec = Vec::with_capacity(24);
        spec.extend_from_slice(&[stab.cell_log, stab.size_log]);
        spec.extend_from_slice(&stab.cell_align.to_le_bytes());
        spec.extend_from_slice(&stab.overhead.to_le_bytes());
        for field in [stab.linklayer, stab.mpu, stab.mtu, stab.tsize] {
            spec.extend_from_slice(&field.to_le_bytes());
        }
        out.attr(1, &spec);
        if !stab.data.is_empty() {
            let data: Vec<u8> = stab
                .data
                .iter()
                .flat_map(|entry| entry.to_le_bytes())
                .collect();
            out.attr(2, &data);
        }
    });
}
