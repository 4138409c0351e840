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
    #[error("format {found} is unknown (the latest known is {known}): written by a later version")]
    Version {
        /// The version found.
        found: u8,
        /// The latest version known.
        known: u8,
    },
    /// A field holds what it cannot.
    #[error("field `{0}` holds an impossible value")]
    Field(&'static str),
}

/// CRC-32 (IEEE 802.3, reflected), eight bytes at a time by as many tables: opening a store of a million
/// records checks a hundred megabytes.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let crc = words.iter().fold(u32::MAX, |crc, word| {
        let word = u64::from_le_bytes(*word) ^ u64::from(crc);
        let tables = TABLES.iter().rev().enumerate();
        tables.fold(0, |crc, (i, table)| {
            crc ^ table[(word >> (8 * i)) as usize & 255]
        })
    });
    !rest.iter().fold(crc, |crc, &byte| {
        (crc >> 8) ^ TABLES[0][((crc ^ u32::from(byte)) & 255) as usize]
    })
}

/// The remainders of each byte, followed by as many zero bytes as the table's number.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let (mut crc, mut bit) = (i as u32, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut table = 1;
    while table < 8 {
        i = 0;
        while i < 256 {
            let before = tables[table - 1][i];
            tables[table][i] = (before >> 8) ^ tables[0][(before & 255) as usize];
            i += 1;
        }
        table += 1;
    }
    tables
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
        self.number(Timestamp::from(d).as_nanos());
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
    /// The record's version, once its first byte was read: which fields there are.
    pub(crate) version: u8,
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
            version: 0,
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

#[cfg(test)]
mod tests {
    use super::checksum;

    /// The check value of CRC-32 (Williams, "A painless guide to CRC error detection algorithms", 1993), and
    /// every length against one bit after another.
    #[test]
    fn the_checksum_is_crc_32() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        let bytes: [u8; 40] = core::array::from_fn(|i| (i * 37) as u8);
        for length in 0..=bytes.len() {
            let part = &bytes[..length];
            let slow = !part.iter().fold(u32::MAX, |crc, &byte| {
                (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                    (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
                })
            });
            assert_eq!(checksum(part), slow);
        }
    }
}
