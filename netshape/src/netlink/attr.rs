//! Netlink attributes: `len u16, type u16, payload`, padded to four bytes, in the machine's byte order (little-endian here
//! and in every file, as on all machines that run containers).

use super::error::DecodeError;
use bytes::BufMut;

/// `NLA_TYPE_MASK`: the upper two bits are flags (nested, network byte order).
const TYPE_MASK: u16 = 0x3fff;

/// Attributes of one message or nest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attrs<'a> {
    bytes: &'a [u8],
}

/// One attribute; `kind` is without its flag bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attr<'a> {
    pub(super) kind: u16,
    pub(super) data: &'a [u8],
}

impl<'a> Attrs<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Up to three bytes of padding may be left.
        let head: [u8; 4] = *self.bytes.first_chunk()?;
        let [l0, l1, k0, k1] = head;
        let len = usize::from(u16::from_le_bytes([l0, l1]));
        let kind = u16::from_le_bytes([k0, k1]);
        let Some(data) = self.bytes.get(4..len) else {
            let error = DecodeError::AttrLength {
                attr: kind,
                len,
                left: self.bytes.len(),
            };
            self.bytes = &[];
            return Some(Err(error));
        };
        self.bytes = self.bytes.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Ok(Attr {
            kind: kind & TYPE_MASK,
            data,
        }))
    }
}

impl<'a> Attr<'a> {
    /// The attributes within.
    pub(super) const fn nest(self) -> Attrs<'a> {
        Attrs::new(self.data)
    }

    /// A payload of at least `N` bytes; what follows is left for newer kernels.
    pub(super) fn array<const N: usize>(self) -> Result<[u8; N], DecodeError> {
        let error = DecodeError::AttrShort {
            attr: self.kind,
            want: N,
            have: self.data.len(),
        };
        self.data.first_chunk().copied().ok_or(error)
    }

    pub(super) fn u32(self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u8(self) -> Result<u8, DecodeError> {
        self.array().map(|[b]: [u8; 1]| b)
    }

    /// Text up to its zero byte.
    pub(super) fn text(self) -> Result<&'a str, DecodeError> {
        let end = self
            .data
            .iter()
            .position(|b| *b == 0)
            .unwrap_or(self.data.len());
        let text = self.data.get(..end).unwrap_or(&[]);
        core::str::from_utf8(text).map_err(|_| DecodeError::Text { attr: self.kind })
    }
}

/// Reads the fields of a fixed structure one after another; zeros past its end.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.0 = rest;
                *head
            }
            None => {
                self.0 = &[];
                [0; N]
            }
        }
    }

    pub(super) fn u8(&mut self) -> u8 {
        let [b] = self.take::<1>();
        b
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    pub(super) fn i16(&mut self) -> i16 {
        i16::from_le_bytes(self.take())
    }

    pub(super) fn i32(&mut self) -> i32 {
        i32::from_le_bytes(self.take())
    }

    /// 32 bits that are sent in network byte order.
    pub(super) fn be32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }
}

/// Writes attributes into a buffer that the caller owns, or only counts their bytes: a [`BufMut`] takes bytes in order, so
/// that a nest's length must be known before what is in it is written.
pub(super) struct Out<'a> {
    into: Option<&'a mut dyn BufMut>,
    /// Bytes so far, from the message's beginning.
    len: usize,
}

impl<'a> Out<'a> {
    pub(super) const fn new(into: &'a mut dyn BufMut) -> Self {
        Self {
            into: Some(into),
            len: 0,
        }
    }

    /// How many bytes `write` writes at an aligned place.
    pub(super) fn counted(write: impl FnOnce(&mut Out<'_>)) -> usize {
        let mut out = Out { into: None, len: 0 };
        write(&mut out);
        out.len
    }

    /// Bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if let Some(into) = &mut self.into {
            into.put_slice(bytes);
        }
        self.len += bytes.len();
    }

    /// One attribute. A payload that a 16-bit length can't say is cut; no kind here comes near.
    pub(super) fn attr(&mut self, kind: u16, data: &[u8]) {
        let data = data.get(..data.len().min(0xfff0)).unwrap_or(&[]);
        self.head(data.len() + 4, kind);
        self.bytes(data);
        self.pad();
    }

    /// A fixed structure, as one attribute of its parts.
    pub(super) fn gather(&mut self, kind: u16, parts: &[&[u8]]) {
        self.head(parts.iter().map(|p| p.len()).sum::<usize>() + 4, kind);
        parts.iter().for_each(|part| self.bytes(part));
        self.pad();
    }

    pub(super) fn u32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, kind: u16, value: u64) {
        self.attr(kind, &value.to_le_bytes());
    }

    /// Numbers one after another, as one attribute.
    pub(super) fn u32s(&mut self, kind: u16, values: &[u32]) {
        self.head(values.len().saturating_mul(4).min(0xfff0) + 4, kind);
        for value in values.get(..values.len().min(0x3ffc)).unwrap_or(&[]) {
            self.bytes(&value.to_le_bytes());
        }
    }

    /// Text with its zero byte.
    pub(super) fn text(&mut self, kind: u16, text: &str) {
        let data = text.as_bytes();
        let data = data.get(..data.len().min(0xffef)).unwrap_or(&[]);
        self.head(data.len() + 5, kind);
        self.bytes(data);
        self.bytes(&[0]);
        self.pad();
    }

    /// A nest: whatever `within` writes, which it does alike each time it is called.
    pub(super) fn nest(&mut self, kind: u16, within: impl Fn(&mut Out<'_>)) {
        let len = match self.into {
            Some(_) => Out::counted(&within) + 4,
            // The lengths in what is only counted say nothing.
            None => 4,
        };
        self.head(len, kind);
        within(self);
    }

    fn head(&mut self, len: usize, kind: u16) {
        let len = u16::try_from(len).unwrap_or(u16::MAX);
        self.bytes(&len.to_le_bytes());
        self.bytes(&kind.to_le_bytes());
    }

    fn pad(&mut self) {
        let zeros = self.len.next_multiple_of(4) - self.len;
        self.bytes([0; 3].get(..zeros).unwrap_or(&[]));
    }
}
