//! Netlink attributes: `len u16, type u16, payload`, padded to four bytes, in the machine's byte order (little-endian here
//! and in every file, as on all machines that run containers).

use super::WireError;
use alloc::vec::Vec;

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
    type Item = Result<Attr<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Up to three bytes of padding may be left.
        let head: [u8; 4] = *self.bytes.first_chunk()?;
        let [l0, l1, k0, k1] = head;
        let len = usize::from(u16::from_le_bytes([l0, l1]));
        let kind = u16::from_le_bytes([k0, k1]);
        let Some(data) = self.bytes.get(4..len) else {
            let error = WireError::AttrLength {
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
    pub(super) fn array<const N: usize>(self) -> Result<[u8; N], WireError> {
        let error = WireError::AttrShort {
            attr: self.kind,
            want: N,
            have: self.data.len(),
        };
        self.data.first_chunk().copied().ok_or(error)
    }

    pub(super) fn u32(self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u8(self) -> Result<u8, WireError> {
        self.array().map(|[b]: [u8; 1]| b)
    }

    /// Text up to its zero byte.
    pub(super) fn text(self) -> Result<&'a str, WireError> {
        let end = self
            .data
            .iter()
            .position(|b| *b == 0)
            .unwrap_or(self.data.len());
        let text = self.data.get(..end).unwrap_or(&[]);
        core::str::from_utf8(text).map_err(|_| WireError::Text { attr: self.kind })
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

/// Writes attributes into a buffer that the caller owns.
pub(super) struct Out<'a>(pub(super) &'a mut Vec<u8>);

impl Out<'_> {
    /// One attribute. A payload that a 16-bit length can't say is cut; no kind here comes near.
    pub(super) fn attr(&mut self, kind: u16, data: &[u8]) {
        let data = data.get(..data.len().min(0xfff0)).unwrap_or(&[]);
        let len = u16::try_from(data.len() + 4).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&len.to_le_bytes());
        self.0.extend_from_slice(&kind.to_le_bytes());
        self.0.extend_from_slice(data);
        self.pad();
    }

    pub(super) fn u32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, kind: u16, value: u64) {
        self.attr(kind, &value.to_le_bytes());
    }

    /// Text with its zero byte.
    pub(super) fn text(&mut self, kind: u16, text: &str) {
        let mut data = Vec::with_capacity(text.len() + 1);
        data.extend_from_slice(text.as_bytes());
        data.push(0);
        self.attr(kind, &data);
    }

    /// A nest: whatever `within` writes.
    pub(super) fn nest(&mut self, kind: u16, within: impl FnOnce(&mut Out<'_>)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&kind.to_le_bytes());
        within(self);
        let len = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        if let Some(place) = self.0.get_mut(start..start + 2) {
            place.copy_from_slice(&len.to_le_bytes());
        }
    }

    fn pad(&mut self) {
        while !self.0.len().is_multiple_of(4) {
            self.0.push(0);
        }
    }
}
