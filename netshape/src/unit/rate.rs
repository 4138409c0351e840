//! Rates in bit/s and sizes in bytes, with the units that people write.

use super::parse;
use super::parse::UnitError;
use super::parse::digits;
use core::fmt;
use core::str::FromStr;

/// A rate in bit/s. The kernel counts whole bytes per second: [`Rate::bytes_per_second`] rounds down.
///
/// ```
/// use netshape::Rate;
///
/// let rate: Rate = "1.5gbit".parse()?;
/// assert_eq!(rate, Rate::mbit(1_500));
/// assert_eq!(rate.to_string(), "1.5 Gbit/s");
/// assert_eq!(rate.tc().to_string(), "1500mbit");
/// let ambiguous = "50m".parse::<Rate>().unwrap_err(); // bits or bytes?
/// assert!(ambiguous.to_string().contains("write 50mbit or 50MB/s"));
/// # Ok::<(), netshape::unit::UnitError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
#[doc(alias = "bandwidth")]
pub struct Rate(u64);

impl Rate {
    /// No rate at all.
    pub const ZERO: Self = Self(0);

    /// A rate of `bits` bit/s.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// A rate of `kbit` · 1000 bit/s, saturating.
    #[must_use]
    pub const fn kbit(kbit: u64) -> Self {
        Self(kbit.saturating_mul(1_000))
    }

    /// A rate of `mbit` · 10⁶ bit/s, saturating.
    #[must_use]
    pub const fn mbit(mbit: u64) -> Self {
        Self(mbit.saturating_mul(1_000_000))
    }

    /// A rate of `gbit` · 10⁹ bit/s, saturating.
    #[must_use]
    pub const fn gbit(gbit: u64) -> Self {
        Self(gbit.saturating_mul(1_000_000_000))
    }

    /// A rate of `bytes` byte/s, saturating.
    #[must_use]
    pub const fn from_bytes_per_second(bytes: u64) -> Self {
        Self(bytes.saturating_mul(8))
    }

    /// In bit/s.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// In whole byte/s, as the kernel counts.
    #[must_use]
    pub const fn bytes_per_second(self) -> u64 {
        self.0 / 8
    }

    /// The sum, saturating.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, zero at least.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether this is 0 bit/s.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Bytes that pass in `milliseconds` at this rate, rounded up, saturating.
    #[must_use]
    pub const fn bytes_in_ms(self, milliseconds: u64) -> u64 {
        // A 128-bit division takes many times as long.
        if let Some(bits_ms) = self.0.checked_mul(milliseconds) {
            return bits_ms.div_ceil(8_000);
        }
        let bits_ms = (self.0 as u128) * (milliseconds as u128);
        let bytes = bits_ms.div_ceil(8_000);
        if bytes > u64::MAX as u128 {
            u64::MAX
        } else {
            bytes as u64
        }
    }

    /// The form `tc` reads without loss: `50mbit`, `1500kbit`, `12345678bit`.
    #[must_use]
    pub fn tc(self) -> TcRate {
        TcRate(self)
    }
}

/// See [`Rate::tc`].
#[derive(Clone, Copy, Debug)]
pub struct TcRate(Rate);

impl fmt::Display for TcRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.0;
        match bits {
            0 => f.write_str("0bit"),
            b if b % 1_000_000_000 == 0 => write!(f, "{}gbit", b / 1_000_000_000),
            b if b % 1_000_000 == 0 => write!(f, "{}mbit", b / 1_000_000),
            b if b % 1_000 == 0 => write!(f, "{}kbit", b / 1_000),
            b => write!(f, "{b}bit"),
        }
    }
}

/// For people, exact: `50 Mbit/s`, `1.5 Gbit/s`, `12345678 bit/s`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scale, name) = match self.0 {
            b if b >= 1_000_000_000 => (1_000_000_000, "Gbit/s"),
            b if b >= 1_000_000 => (1_000_000, "Mbit/s"),
            b if b >= 1_000 => (1_000, "kbit/s"),
            _ => (1, "bit/s"),
        };
        let (whole, rest) = (self.0 / scale, self.0 % scale);
        if rest == 0 {
            return write!(f, "{whole} {name}");
        }
        // The digits behind the point without trailing zeros.
        let (mut rest, mut digits) = (rest, digits(scale) - 1);
        while rest % 10 == 0 {
            rest /= 10;
            digits -= 1;
        }
        write!(f, "{whole}.{rest:0digits$} {name}")
    }
}

/// Reads a rate as people write it: a decimal number and one of `bit`, `kbit`, `mbit`, `gbit`, `tbit` (powers of
/// 1000), `kibit`, `mibit`, `gibit`, `tibit` (of 1024), `B/s`, `kB/s`, `MB/s`, `GB/s`, `KiB/s`, ..., all with an
/// optional `/s` or `ps` after `bit`. A bare number, `50m` or `50mb` is ambiguous and refused, and so is tc's `mbps`,
/// which means megabytes.
impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse::rate(text).map(Self)
    }
}

/// A number of bytes: bursts and limits.
///
/// ```
/// use netshape::Bytes;
///
/// assert_eq!("256kB".parse(), Ok(Bytes(256_000)));
/// assert_eq!(Bytes(256 << 10).to_string(), "256 KiB");
/// assert!("256k".parse::<Bytes>().is_err()); // 1000 or 1024?
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b if b >= 1 << 20 && b % (1 << 20) == 0 => write!(f, "{} MiB", b >> 20),
            b if b >= 1 << 10 && b % (1 << 10) == 0 => write!(f, "{} KiB", b >> 10),
            b => write!(f, "{b} B"),
        }
    }
}

/// Reads a size as people write it: `1500B`, `256kB`, `1MB` (powers of 1000), `128KiB`, `4MiB` (of 1024). Bits and bare
/// suffixes (`256k`, `256kb`) are ambiguous and refused.
impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse::size(text).map(Self)
    }
}
