//! Bytes of stored records: numbers as little-endian base-128, texts by length, a checksum at the end.

use crate::cidr::{AddressRange, Cidr, Family, number};
use crate::store::checksum::checksum_of;
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::string::String;
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
    /// Some store found that it is not the value that was written last ([`PUT_BACK`](crate::store::PUT_BACK)).
    #[error("an older value that was put back: not the one that was written last")]
    PutBack,
    /// A field holds what it cannot.
    #[error("field `{0}` holds an impossible value")]
    Field(&'static str),
}

/// What owners mostly end with, as CNI runtimes name the first interface. Part of the format.
const INTERFACE: &str = "/eth0";
/// Fewer digits than these are no shorter as bytes.
const LEAST_DIGITS: usize = 4;

/// What a lower-case hexadecimal digit stands for.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// What a record has, a bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    pub(crate) fn with(self, flag: u8, on: bool) -> Self {
        Self(self.0 | if on { flag } else { 0 })
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    /// None but these.
    pub(crate) fn within(self, known: u8) -> Result<Self, RecordError> {
        match self.0 & !known {
            0 => Ok(self),
            _ => Err(RecordError::Field("flags")),
        }
    }

    /// What follows if the flag is set.
    pub(crate) fn then<T>(
        self,
        flag: u8,
        read: impl FnOnce() -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        self.has(flag).then(read).transpose()
    }
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

    /// A name in fewer bytes: hexadecimal digits at its beginning, of which container ids consist, take a byte for two, and the
    /// interface at the end of an owner a bit.
    pub(crate) fn name(&mut self, name: &str) {
        let (rest, interface) = match name.strip_suffix(INTERFACE) {
            Some(rest) => (rest, 1),
            None => (name, 0),
        };
        let digits = rest.bytes().take_while(|b| nibble(*b).is_some()).count();
        let (pairs, rest) = match digits {
            LEAST_DIGITS.. => rest.as_bytes().split_at(digits & !1),
            _ => (&[][..], rest.as_bytes()),
        };
        let hex = u64::from(!pairs.is_empty());
        self.number((rest.len() as u64) << 2 | hex << 1 | interface);
        if hex == 1 {
            self.number(pairs.len() as u64 / 2);
            let (pairs, _) = pairs.as_chunks::<2>();
            let byte = |&[a, b]: &[u8; 2]| Some(nibble(a)? << 4 | nibble(b)?);
            self.0.extend(pairs.iter().filter_map(byte));
        }
        self.0.extend_from_slice(rest);
    }

    /// A number by how far it is from one that the reader knows.
    pub(crate) fn delta(&mut self, known: u64, n: u64) {
        let delta = n.wrapping_sub(known).cast_signed();
        self.number((delta << 1 ^ delta >> 63).cast_unsigned());
    }

    /// A time that stands alone: nanoseconds since 1970 would take nine bytes as a [`number`](Self::number).
    pub(crate) fn stamp(&mut self, at: Timestamp) {
        self.0.extend_from_slice(&at.as_nanos().to_le_bytes());
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
        self.byte(if address.is_ipv4() { 4 } else { 6 });
        self.octets(address);
    }

    /// An address of a family that the reader knows.
    pub(crate) fn octets(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(a) => self.0.extend_from_slice(&a.octets()),
            IpAddr::V6(a) => self.0.extend_from_slice(&a.octets()),
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

    /// The bytes with their checksum, which covers also the parts of a name that stands in the record's key alone.
    pub(crate) fn finish(mut self, name: [&str; 4]) -> Vec<u8> {
        let [a, b, c, d] = name.map(str::as_bytes);
        let sum = checksum_of(&[&self.0, a, b, c, d]);
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
    /// Checks the checksum and reads what is before it; `covers` says whether the name that is given is covered too.
    pub(crate) fn new(
        bytes: &'a [u8],
        name: &str,
        covers: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Self, RecordError> {
        let torn = RecordError::Torn { have: bytes.len() };
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(torn)?;
        let name = match covers(body) {
            true => name.as_bytes(),
            false => &[],
        };
        let (found, want) = (u32::from_le_bytes(*sum), checksum_of(&[body, name]));
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

    /// What [`Writer::name`] wrote.
    pub(crate) fn name(&mut self) -> Result<Cow<'a, str>, RecordError> {
        let header = self.number()?;
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let pairs = match header >> 1 & 1 {
            1 => {
                let length = size(self.number()?);
                self.take(length)?
            }
            _ => &[],
        };
        let rest = self.take(size(header >> 2))?;
        let rest = core::str::from_utf8(rest).map_err(|_| RecordError::Field("name"))?;
        if header & 3 == 0 {
            return Ok(Cow::Borrowed(rest));
        }
        let mut name = String::with_capacity(pairs.len() * 2 + rest.len() + INTERFACE.len());
        let digits = pairs.iter().flat_map(|b| [b >> 4, b & 15]);
        name.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
        name.push_str(rest);
        name.push_str(if header & 1 == 1 { INTERFACE } else { "" });
        Ok(Cow::Owned(name))
    }

    /// What [`Writer::delta`] wrote.
    pub(crate) fn delta(&mut self, known: u64) -> Result<u64, RecordError> {
        let n = self.number()?;
        let delta = (n >> 1) ^ (n & 1).wrapping_neg();
        Ok(known.wrapping_add(delta))
    }

    /// What [`Writer::stamp`] wrote.
    pub(crate) fn stamp(&mut self) -> Result<Timestamp, RecordError> {
        let bytes = self.take(8)?.first_chunk().copied().unwrap_or_default();
        Ok(Timestamp::from_nanos(u64::from_le_bytes(bytes)))
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
        match self.byte()? {
            4 => self.octets(Family::V4),
            6 => self.octets(Family::V6),
            _ => Err(RecordError::Field("address")),
        }
    }

    pub(crate) fn octets(&mut self, family: Family) -> Result<IpAddr, RecordError> {
        let size = usize::from(family.bits() / 8);
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
pub(crate) fn hex(address: IpAddr) -> String {
    alloc::format!("{:032x}", number(address))
}
