//! Numbers as tc reads them: C's `strtoul` and `strtod`, its own suffixes, handles.

use crate::object::Handle;
use crate::ticks::TickRounding;
use alloc::format;
use alloc::string::String;

/// `strtoul` of a whole word in `base` (0: by prefix), 64 bits.
fn unsigned(text: &str, base: u32) -> Option<u64> {
    let (value, rest) = strtoul(text, base)?;
    rest.is_empty().then_some(value)
}

/// `strtoul`: the value and what follows it; `None` where there are no digits.
pub(super) fn strtoul(text: &str, base: u32) -> Option<(u64, &str)> {
    let text = text.trim_start();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let hex = hex.filter(|r| r.starts_with(|c: char| c.is_ascii_hexdigit()));
    let (base, digits) = match (base, hex) {
        (0 | 16, Some(rest)) => (16, rest),
        (0, None) if text.starts_with('0') => (8, text),
        (0, None) => (10, text),
        (base, _) => (base, text),
    };
    let end = digits
        .find(|c: char| !c.is_digit(base))
        .unwrap_or(digits.len());
    let (number, rest) = digits.split_at_checked(end)?;
    let value = u64::from_str_radix(number, base).ok()?;
    Some((
        if negative {
            value.wrapping_neg()
        } else {
            value
        },
        rest,
    ))
}

/// `get_u32`.
pub(super) fn u32(text: &str, base: u32) -> Option<u32> {
    unsigned(text, base).and_then(|v| u32::try_from(v).ok())
}

/// `get_u16`.
pub(super) fn u16(text: &str, base: u32) -> Option<u16> {
    unsigned(text, base).and_then(|v| u16::try_from(v).ok())
}

/// `get_u8`.
pub(super) fn u8(text: &str, base: u32) -> Option<u8> {
    unsigned(text, base).and_then(|v| u8::try_from(v).ok())
}

/// `get_integer`.
pub(super) fn integer(text: &str, base: u32) -> Option<i32> {
    let text = text.trim_start();
    let value = match text.strip_prefix('-') {
        Some(rest) => i64::try_from(unsigned(rest, base)?).ok()?.checked_neg()?,
        None => i64::try_from(unsigned(text, base)?).ok()?,
    };
    i32::try_from(value).ok()
}

/// `strtod`: the value and what follows it. Decimal with an exponent, hexadecimal with a binary one, `inf`, `nan`.
fn strtod(text: &str) -> Option<(f64, &str)> {
    let trimmed = text.trim_start();
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let special = || hexadecimal(unsigned).or_else(|| named(unsigned));
    if let Some((value, rest)) = special() {
        let negative = trimmed.starts_with('-');
        return Some((if negative { -value } else { value }, rest));
    }
    let sign = trimmed.len() - unsigned.len();
    let digits = |from: &str| from.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(unsigned);
    let mut end = whole;
    let mut any = whole > 0;
    if let Some(fraction) = unsigned.get(end..).and_then(|r| r.strip_prefix('.')) {
        let n = digits(fraction);
        any |= n > 0;
        end += 1 + n;
    }
    if !any {
        return None;
    }
    let exponent = unsigned.get(end..).and_then(|r| r.strip_prefix(['e', 'E']));
    if let Some(exponent) = exponent {
        let plain = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let n = digits(plain);
        if n > 0 {
            end += 1 + exponent.len() - plain.len() + n;
        }
    }
    let (number, rest) = trimmed.split_at_checked(sign + end)?;
    number.parse().ok().map(|value| (value, rest))
}

/// `0x1f`, `0x1.8p3`.
fn hexadecimal(text: &str) -> Option<(f64, &str)> {
    let mut rest = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))?;
    let (mut value, mut scale, mut any, mut point) = (0.0_f64, 1.0_f64, false, false);
    while let Some(c) = rest.chars().next() {
        match c.to_digit(16) {
            Some(digit) => {
                any = true;
                scale = if point { scale / 16.0 } else { scale };
                value = value * 16.0 + f64::from(digit);
            }
            None if c == '.' && !point => point = true,
            None => break,
        }
        rest = rest.get(1..)?;
    }
    if !any {
        return None;
    }
    value *= scale;
    let exponent = rest.strip_prefix(['p', 'P']).and_then(|e| {
        let plain = e.strip_prefix(['+', '-']).unwrap_or(e);
        let end = plain
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(plain.len());
        let (number, after) = plain.split_at_checked(end)?;
        // Whatever has more digits than this is nothing or infinite either way.
        let power: u32 = number.get(..end.min(4))?.parse().ok()?;
        Some((e.starts_with('-'), power.min(4_000), after))
    });
    if let Some((negative, power, after)) = exponent {
        for _ in 0..power {
            value *= if negative { 0.5 } else { 2.0 };
        }
        rest = after;
    }
    Some((value, rest))
}

/// `inf`, `infinity`, `nan`, in any case.
fn named(text: &str) -> Option<(f64, &str)> {
    let names = [
        ("infinity", f64::INFINITY),
        ("inf", f64::INFINITY),
        ("nan", f64::NAN),
    ];
    names.into_iter().find_map(|(name, value)| {
        let (head, rest) = text.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name).then_some((value, rest))
    })
}

/// Suffixes of rates, in bit/s; upper and lower case are alike.
const RATES: [(&str, f64); 18] = [
    ("bit", 1.0),
    ("kibit", 1024.0),
    ("kbit", 1000.0),
    ("mibit", 1024.0 * 1024.0),
    ("mbit", 1_000_000.0),
    ("gibit", 1024.0 * 1024.0 * 1024.0),
    ("gbit", 1_000_000_000.0),
    ("tibit", 1024.0 * 1024.0 * 1024.0 * 1024.0),
    ("tbit", 1_000_000_000_000.0),
    ("bps", 8.0),
    ("kibps", 8.0 * 1024.0),
    ("kbps", 8_000.0),
    ("mibps", 8.0 * 1024.0 * 1024.0),
    ("mbps", 8_000_000.0),
    ("gibps", 8.0 * 1024.0 * 1024.0 * 1024.0),
    ("gbps", 8_000_000_000.0),
    ("tibps", 8.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0),
    ("tbps", 8_000_000_000_000.0),
];

/// A double as an integer below 2^64, rounded down.
fn whole(value: f64) -> Option<u64> {
    (0.0..18_446_744_073_709_551_616.0)
        .contains(&value)
        .then_some(value as u64)
}

/// A double as `unsigned long`, the way x86-64 converts it: what is below 0 wraps, what does not fit has the uppermost bit,
/// and from 2^64 on nothing is left.
fn converted(value: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    match value {
        v if v >= 2.0 * HALF => 0,
        v if v >= 0.0 => v as u64,
        v if v >= -HALF => (v as i64).cast_unsigned(),
        _ => 1 << 63,
    }
}

/// `get_rate64`: byte/s. A bare number is bit/s. tc of the later generation takes no rate below 0.
pub(super) fn rate(text: &str, rounding: TickRounding) -> Option<u64> {
    let (value, suffix) = strtod(text)?;
    if rounding == TickRounding::Ceil && value < 0.0 {
        return None;
    }
    let scale = match suffix {
        "" => 1.0,
        s => {
            RATES
                .iter()
                .find(|(name, _)| s.eq_ignore_ascii_case(name))?
                .1
        }
    };
    Some(converted(value * scale / 8.0))
}

/// `get_percent_rate64`: byte/s that so many percent of `mbit` Mbit/s are. tc writes the rate down in bit/s and reads that.
pub(super) fn percent(text: &str, mbit: u32, rounding: TickRounding) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let value: f64 = text.get(..end)?.parse().ok()?;
    if text.matches('%').count() != 1 {
        return None;
    }
    let share = Some(value / 100.0).filter(|s| (0.0..=1.0).contains(s))?;
    rate(
        &format!("{:.6}", share * f64::from(mbit) * 1_000_000.0),
        rounding,
    )
}

/// `get_size64`: bytes. Suffixes are powers of 1024.
pub(super) fn size64(text: &str) -> Option<u64> {
    let (value, suffix) = strtod(text)?;
    let is = |names: &[&str]| names.iter().any(|n| suffix.eq_ignore_ascii_case(n));
    let scale = match suffix {
        "" => 1.0,
        _ if is(&["b"]) => 1.0,
        _ if is(&["kb", "k"]) => 1024.0,
        _ if is(&["mb", "m"]) => 1024.0 * 1024.0,
        _ if is(&["gb", "g"]) => 1024.0 * 1024.0 * 1024.0,
        _ if is(&["kbit"]) => 1024.0 / 8.0,
        _ if is(&["mbit"]) => 1024.0 * 1024.0 / 8.0,
        _ if is(&["gbit"]) => 1024.0 * 1024.0 * 1024.0 / 8.0,
        _ => return None,
    };
    whole(value * scale)
}

/// `get_size`.
pub(super) fn size(text: &str) -> Option<u32> {
    size64(text).and_then(|v| u32::try_from(v).ok())
}

/// `get_size_and_cell`: `15k/8`; the cell must be a power of two.
pub(super) fn size_and_cell(text: &str) -> Option<(u64, Option<u8>)> {
    let Some((bytes, cell)) = text.split_once('/') else {
        return Some((size64(text)?, None));
    };
    let cell = u32::try_from(integer(cell, 0)?)
        .ok()
        .filter(|c| c.is_power_of_two())?;
    Some((size64(bytes)?, u8::try_from(cell.trailing_zeros()).ok()))
}

/// `get_time`: µs. A bare number is µs.
pub(super) fn time(text: &str) -> Option<u32> {
    let (value, suffix) = strtod(text)?;
    let is = |names: &[&str]| names.iter().any(|n| suffix.eq_ignore_ascii_case(n));
    let scale = match suffix {
        "" => 1.0,
        _ if is(&["s", "sec", "secs"]) => 1_000_000.0,
        _ if is(&["ms", "msec", "msecs"]) => 1_000.0,
        _ if is(&["us", "usec", "usecs"]) => 1.0,
        _ => return None,
    };
    // A double to `unsigned int`: the lower half of 64 bits.
    whole(value * scale).map(|us| us as u32)
}

/// `get_qdisc_handle`: `1:` or `1`; what follows the colon is not looked at.
pub(super) fn qdisc_handle(text: &str) -> Option<Handle> {
    if text == "none" {
        return Some(Handle::NONE);
    }
    let (major, rest) = strtoul(text, 16)?;
    let major = u16::try_from(major).ok()?;
    (rest.is_empty() || rest.starts_with(':')).then(|| Handle::qdisc(major))
}

/// `get_tc_classid`: `1:10`, `1:`, `:10`, `root`, `none`, or 32 bits in hexadecimal.
pub(super) fn classid(text: &str) -> Option<Handle> {
    match text {
        "root" => return Some(Handle::ROOT),
        "none" => return Some(Handle::NONE),
        _ => {}
    }
    let (major, rest) = match strtoul(text, 16) {
        Some(found) => found,
        None if text.starts_with(':') => (0, text),
        None => return None,
    };
    let Some(minor) = rest.strip_prefix(':') else {
        // Without a colon the 64-bit number is cut to 32.
        return rest.is_empty().then(|| Handle::from_raw(major as u32));
    };
    let major = u16::try_from(major).ok()?;
    let (minor, rest) = if minor.is_empty() {
        (0, "")
    } else {
        strtoul(minor, 16)?
    };
    let minor = u16::try_from(minor).ok()?;
    rest.is_empty().then(|| Handle::new(major, minor))
}

/// `get_u32_handle`: `800:1:2`, `800:`, `::2`, or 32 bits as `0x...`.
pub(crate) fn u32_handle(text: &str) -> Option<u32> {
    if !text.contains(':') {
        return text.starts_with("0x").then(|| u32(text, 16)).flatten();
    }
    let mut value = 0_u32;
    let mut rest = Some(text);
    for (limit, shift) in [(0x1000_u64, 20), (0x100, 12), (0x1000, 0)] {
        let Some(part) = rest else { break };
        let (number, after) = match strtoul(part, 16) {
            Some(found) => found,
            None if part.is_empty() || part.starts_with(':') => (0, part),
            None => return None,
        };
        if number >= limit {
            return None;
        }
        value |= u32::try_from(number).ok()?.checked_shl(shift)?;
        // Whatever stands between two numbers is skipped as if it were the colon.
        rest = (!after.is_empty()).then(|| after.get(1..)).flatten();
    }
    Some(value)
}

/// A u32 handle as tc writes it: `800::800`, `800:` for a table, `::be` in the priority's own table, `none` for 0.
pub(crate) fn u32_handle_text(handle: u32) -> String {
    let (table, bucket, node) = (handle >> 20, (handle >> 12) & 0xff, handle & 0xfff);
    match (bucket, node) {
        _ if handle == 0 => String::from("none"),
        (0, node) if table == 0 => format!("::{node:x}"),
        (0, 0) => format!("{table:x}:"),
        (0, node) => format!("{table:x}::{node:x}"),
        (bucket, node) => format!("{table:x}:{bucket:x}:{node:x}"),
    }
}
