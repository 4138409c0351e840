//! Bytes of stored records: numbers as little-endian base-128, texts by length, a checksum at the end.

use crate::cidr::{AddressRange, Cidr, Family, number};
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end early, or go on after the end.
    #[error("torn: {have} bytes, which is not the record's length")]
    Torn {
        /// How many bytes there are.
        have: usize,
    },
    /// The checksum is another.
    #[error("damaged: the checksum is {found:08x}, not {want:08x}")]
    Checksum {
        /// The checksum stored.
        found: u32,
        /// The checksum of the bytes.
        want: u32,
    },
    /// Written by another version.
    #[error("format {found} is not {known}: written by another version")]
    Version {
        /// The version found.
        found: u8,
        /// The version known.
        known: u8,
    },
    /// A field holds what it cannot.
    #[error("field `{0}` holds an impossible value")]
    Field(&'static str),
}

/// CRC-32 (IEEE 802.3, reflected), bit by bit over a table of 16: records are short.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = [
        0x0000_0000,
        0x1db7_1064,
        0x3b6e_20c8,
        0x26d9_30ac,
        0x76dc_4190,
        0x6b6b_51f4,
        0x4db2_6158,
        0x5005_713c,
        0xedb8_8320,
        0xf00f_9344,
        0xd6d6_a3e8,
        0xcb61_b38c,
        0x9b64_c2b0,
        0x86d3_d2d4,
        0xa00a_e278,
        0xbdbd_f21c,
    ];
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        let crc = crc ^ u32::from(byte);
        let crc = (crc >> 4) ^ TABLE[(crc & 15) as usize];
        (crc >> 4) ^ TABLE[(crc & 15) as usize]
    })
}

/// Writes a record.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    pub(crate) fn wide(&mut self, n: u128) {
        self.number((n >> 64) as u64);
        self.number(n as u64);
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.byte(flag.into());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(crate) fn time(&mut self, at: Timestamp) {
        self.number(at.as_nanos());
    }

    pub(crate) fn duration(&mut self, d: Duration) {
        self.number(crate::time::nanos(d));
    }

    pub(crate) fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(a) => {
                self.byte(4);
                self.0.extend_from_slice(&a.octets());
            }
            IpAddr::V6(a) => {
                self.byte(6);
                self.0.extend_from_slice(&a.octets());
            }
        }
    }

    pub(crate) fn cidr(&mut self, cidr: Cidr) {
        self.address(cidr.first());
        self.byte(cidr.prefix());
    }

    pub(crate) fn range(&mut self, range: AddressRange) {
        self.address(range.first());
        self.address(range.last());
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let sum = checksum(&self.0);
        self.0.extend_from_slice(&sum.to_le_bytes());
        self.0
    }
}

/// Reads a record whose checksum was right. What is read is bounded by the bytes there are.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    whole: usize,
}

impl<'a> Reader<'a> {
    /// Checks the checksum and reads what is before it.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let torn = RecordError::Torn { have: bytes.len() };
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(torn)?;
        let (found, want) = (u32::from_le_bytes(*sum), checksum(body));
        if found != want {
            return Err(RecordError::Checksum { found, want });
        }
        Ok(Self {
            bytes: body,
            whole: bytes.len(),
        })
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], RecordError> {
        let torn = RecordError::Torn { have: self.whole };
        let (head, rest) = self.bytes.split_at_checked(n).ok_or(torn)?;
        self.bytes = rest;
        Ok(head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, RecordError> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    pub(crate) fn number(&mut self) -> Result<u64, RecordError> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(RecordError::Field("number"))
    }

    pub(crate) fn wide(&mut self) -> Result<u128, RecordError> {
        Ok(u128::from(self.number()?) << 64 | u128::from(self.number()?))
    }

    /// A number of things that take at least a byte each: more than there are bytes is a lie.
    pub(crate) fn count(&mut self) -> Result<usize, RecordError> {
        let n = self.number()?;
        let fits = usize::try_from(n).ok().filter(|&n| n <= self.bytes.len());
        fits.ok_or(RecordError::Torn { have: self.whole })
    }

    pub(crate) fn flag(&mut self) -> Result<bool, RecordError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::Field("flag")),
        }
    }

    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, RecordError> {
        let n = self.count()?;
        let text = core::str::from_utf8(self.take(n)?).map_err(|_| RecordError::Field("text"))?;
        Ok(Cow::Borrowed(text))
    }

    pub(crate) fn maybe<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        if self.flag()? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let n = self.count()?;
        (0..n).map(|_| read(self)).collect()
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, RecordError> {
        Ok(Timestamp::from_nanos(self.number()?))
    }

    pub(crate) fn duration(&mut self) -> Result<Duration, RecordError> {
        Ok(Duration::from_nanos(self.number()?))
    }

    pub(crate) fn address(&mut self) -> Result<IpAddr, RecordError> {
        let (family, size) = match self.byte()? {
            4 => (Family::V4, 4),
            6 => (Family::V6, 16),
            _ => return Err(RecordError::Field("address")),
        };
        let n = self
            .take(size)?
            .iter()
            .fold(0u128, |n, &b| n << 8 | u128::from(b));
        Ok(family.address(n))
    }

    pub(crate) fn cidr(&mut self) -> Result<Cidr, RecordError> {
        let (address, length) = (self.address()?, self.byte()?);
        Cidr::new(address, length).map_err(|_| RecordError::Field("prefix"))
    }

    pub(crate) fn range(&mut self) -> Result<AddressRange, RecordError> {
        let (first, last) = (self.address()?, self.address()?);
        AddressRange::new(first, last).map_err(|_| RecordError::Field("range"))
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), RecordError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(RecordError::Torn { have: self.whole })
        }
    }
}

/// Numbers keep their order as text of fixed width.
pub(crate) fn hex(address: IpAddr) -> alloc::string::String {
    alloc::format!("{:032x}", number(address))
}
