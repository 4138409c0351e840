//! Numbers with units in the policy: exact decimal arithmetic, and every ambiguous spelling refused with what would be
//! right.

use crate::text::printable;
use alloc::borrow::ToOwned;
use alloc::string::String;

/// A number with a unit that can't be taken as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {wanted}", printable(given))]
#[non_exhaustive]
pub struct UnitError {
    /// What was written, cut at 40 characters.
    pub given: String,
    /// What would be right.
    pub wanted: &'static str,
}

const RATE: &str = "a rate: write a number and bit, kbit, mbit, gbit, tbit, kibit, mibit, gibit, or B/s, kB/s, MB/s, GB/s, KiB/s, MiB/s, such as 50mbit";
const RATE_BARE: &str = "a rate: the unit is missing, write 50mbit or 6250kB/s";
const RATE_SHORT: &str = "a rate: bits or bytes? write 50mbit or 50MB/s (k, m, g, kb, mb, gb and tc's kbps, mbps are ambiguous)";
const RATE_RANGE: &str = "a rate: it must be a whole number of bit/s below 2^64";
const SIZE: &str = "a size: write a number and B, kB, MB, GB, KiB, MiB or GiB, such as 256kB";
const SIZE_BARE: &str = "a size: the unit is missing, write 256kB or 1500B";
const SIZE_SHORT: &str = "a size: bits or bytes, 1000 or 1024? write 256kB or 256KiB (k, m, g, kb, mb and bits are ambiguous)";
const SIZE_RANGE: &str = "a size: it must be a whole number of bytes below 2^64";

/// How many decimal digits `n` has.
pub(crate) fn digits(n: u64) -> usize {
    n.checked_ilog10().map_or(1, |d| d as usize + 1)
}

fn error(given: &str, wanted: &'static str) -> UnitError {
    UnitError {
        given: given.chars().take(40).collect::<String>().trim().to_owned(),
        wanted,
    }
}

/// A rate in bit/s.
pub(crate) fn rate(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text).ok_or_else(|| error(text, RATE))?;
    let scale = match unit {
        "" => return Err(error(text, RATE_BARE)),
        "B/s" | "Bps" => 8,
        "kB/s" => 8_000,
        "MB/s" => 8_000_000,
        "GB/s" => 8_000_000_000,
        "KiB/s" => 8 << 10,
        "MiB/s" => 8 << 20,
        "GiB/s" => 8 << 30,
        _ => bits(unit).ok_or_else(|| {
            let short = [
                "k", "m", "g", "t", "b", "kb", "mb", "gb", "tb", "bps", "kbps", "mbps", "gbps",
                "tbps",
            ];
            let short = short.iter().any(|s| unit.eq_ignore_ascii_case(s));
            error(text, if short { RATE_SHORT } else { RATE })
        })?,
    };
    scaled(number, scale).ok_or_else(|| error(text, RATE_RANGE))
}

/// The scale of a unit of bits; upper and lower case are alike, since `bit` leaves no doubt.
fn bits(unit: &str) -> Option<u64> {
    let lower = unit.to_ascii_lowercase();
    let stem = lower
        .strip_suffix("/s")
        .or_else(|| lower.strip_suffix("ps"))
        .unwrap_or(&lower);
    Some(match stem {
        "bit" => 1,
        "kbit" => 1_000,
        "mbit" => 1_000_000,
        "gbit" => 1_000_000_000,
        "tbit" => 1_000_000_000_000,
        "kibit" => 1 << 10,
        "mibit" => 1 << 20,
        "gibit" => 1 << 30,
        "tibit" => 1 << 40,
        _ => return None,
    })
}

/// A size in bytes.
pub(crate) fn size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text).ok_or_else(|| error(text, SIZE))?;
    let scale = match unit {
        "" => return Err(error(text, SIZE_BARE)),
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" | "kiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => {
            let short = [
                "k", "m", "g", "b", "kb", "mb", "gb", "bit", "kbit", "mbit", "gbit",
            ];
            let short = short.iter().any(|s| unit.eq_ignore_ascii_case(s));
            return Err(error(text, if short { SIZE_SHORT } else { SIZE }));
        }
    };
    scaled(number, scale).ok_or_else(|| error(text, SIZE_RANGE))
}

/// The number and the unit; `None` where the text does not begin with a decimal number.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let points = number.bytes().filter(|b| *b == b'.').count();
    let sound = number.bytes().any(|b| b.is_ascii_digit()) && points <= 1;
    sound.then(|| (number, unit.trim_start()))
}

/// `number` · `scale`, where that is a whole number below 2^64.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let value = u128::from(whole).checked_mul(u128::from(scale))?;
    if fraction.is_empty() {
        return u64::try_from(value).ok();
    }
    // 19 digits are as many as 10^n below 2^64 allows; more can't come out whole with these scales.
    let places = u32::try_from(fraction.len()).ok().filter(|p| *p <= 19)?;
    let parts = u128::from(fraction.parse::<u64>().ok()?).checked_mul(u128::from(scale))?;
    let one = 10_u128.checked_pow(places)?;
    if parts % one != 0 {
        return None;
    }
    u64::try_from(value.checked_add(parts / one)?).ok()
}
