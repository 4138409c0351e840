//! Selectors of u32: `match ip src 10.0.0.0/8`, `match u16 443 ffff at nexthdr+2`, and so on.

use super::error::TcError;
use super::number;
use super::words::{Words, begins};
use crate::object::{U32Key, U32Mark, U32Part, U32Sel};
use crate::ticks::TickRounding;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

/// Keys at most (`tc_u32_sel` counts them in 8 bits, tc keeps 128).
const KEYS_MAX: usize = 128;

/// Where a key is read.
#[derive(Clone, Copy)]
struct At {
    off: i32,
    offmask: i32,
}

const fn at(off: i32) -> At {
    At { off, offmask: 0 }
}

/// Counted from the next header.
const fn next(off: i32) -> At {
    At { off, offmask: -1 }
}

fn illegal() -> TcError {
    TcError::illegal("match")
}

/// Adds a key, or joins it with one at the same place.
fn pack(sel: &mut U32Sel, val: u32, mask: u32, At { off, offmask }: At) -> Result<(), TcError> {
    let val = val & mask;
    if let Some(key) = sel
        .keys
        .iter_mut()
        .find(|k| k.off == off && k.offmask == offmask)
    {
        if (val ^ key.val) & mask & key.mask != 0 {
            return Err(illegal());
        }
        key.val |= val;
        key.mask |= mask;
        return Ok(());
    }
    if sel.keys.len() >= KEYS_MAX || off % 4 != 0 {
        return Err(illegal());
    }
    sel.keys.push(U32Key {
        mask,
        val,
        off,
        offmask,
    });
    Ok(())
}

/// A key of `bits` bits (8, 16 or 32) within its word.
fn pack_bits(sel: &mut U32Sel, val: u32, mask: u32, at: At, bits: u32) -> Result<(), TcError> {
    let most = u32::MAX >> (32 - bits);
    if val > most || mask > most {
        return Err(illegal());
    }
    let shift = match (bits, at.off & 3) {
        (8, 0) => 24,
        (8, 1) => 16,
        (8, 2) => 8,
        (16, 0) => 16,
        _ => 0,
    };
    let off = if bits == 32 { at.off } else { at.off & !3 };
    pack(sel, val << shift, mask << shift, At { off, ..at })
}

/// `at OFFSET` or `at nexthdr+OFFSET`, if it is there.
fn parse_at(words: &mut Words<'_>, at: At) -> Result<At, TcError> {
    if words.peek() != Some("at") {
        return Ok(at);
    }
    words.skip();
    let mut text = words.value()?;
    let mut offmask = at.offmask;
    if let Some(rest) = text.strip_prefix("nexthdr+").filter(|r| !r.is_empty()) {
        (text, offmask) = (rest, -1);
    } else if begins(text, "nexthdr+") {
        (text, offmask) = (words.value()?, -1);
    }
    let off = number::integer(text, 0).ok_or_else(illegal)?;
    Ok(At { off, offmask })
}

/// `VALUE MASK [at ...]`: the mask is hexadecimal.
fn number_key(words: &mut Words<'_>, sel: &mut U32Sel, at: At, bits: u32) -> Result<(), TcError> {
    let val = number::u32(words.value()?, 0).ok_or_else(illegal)?;
    let mask = number::u32(words.value()?, 16).ok_or_else(illegal)?;
    let at = parse_at(words, at)?;
    pack_bits(sel, val, mask, at, bits)
}

/// After `match` or `sample`: one selector.
pub(super) fn selector(
    words: &mut Words<'_>,
    sel: &mut U32Sel,
    parts: &mut Vec<U32Part>,
    rounding: TickRounding,
) -> Result<(), TcError> {
    let word = words.value()?;
    // tc wants two more words even where one says it all (`ip df`).
    if words.left() < 2 {
        return Err(illegal());
    }
    match word {
        w if begins(w, "u32") => number_key(words, sel, at(0), 32),
        w if begins(w, "u16") => number_key(words, sel, at(0), 16),
        w if begins(w, "u8") => number_key(words, sel, at(0), 8),
        w if begins(w, "ip") => ip(words, sel),
        w if begins(w, "ip6") => ip6(words, sel),
        w if begins(w, "udp") || begins(w, "tcp") => match words.value()? {
            "src" => number_key(words, sel, next(0), 16),
            "dst" => number_key(words, sel, next(2), 16),
            _ => Err(illegal()),
        },
        w if begins(w, "icmp") => match words.value()? {
            "type" => number_key(words, sel, next(0), 8),
            "code" => number_key(words, sel, next(1), 8),
            _ => Err(illegal()),
        },
        w if begins(w, "mark") => mark(words, parts, rounding),
        w if begins(w, "ether") => match words.value()? {
            "src" => ether(words, sel, -8),
            "dst" => ether(words, sel, -14),
            _ => Err(illegal()),
        },
        _ => Err(illegal()),
    }
}

fn ip(words: &mut Words<'_>, sel: &mut U32Sel) -> Result<(), TcError> {
    match words.value()? {
        "src" => ipv4(words, sel, 12),
        "dst" => ipv4(words, sel, 16),
        "ihl" => number_key(words, sel, at(0), 8),
        "protocol" => number_key(words, sel, at(9), 8),
        "dport" => number_key(words, sel, at(22), 16),
        "sport" => number_key(words, sel, at(20), 16),
        "icmp_type" => number_key(words, sel, at(20), 8),
        "icmp_code" => number_key(words, sel, at(21), 8),
        "nofrag" => pack_bits(sel, 0, 0x3fff, at(6), 16),
        "firstfrag" => pack_bits(sel, 0x2000, 0x3fff, at(6), 16),
        "df" => pack_bits(sel, 0x4000, 0x4000, at(6), 16),
        "mf" => pack_bits(sel, 0x2000, 0x2000, at(6), 16),
        w if w == "tos" || begins(w, "dsfield") || begins(w, "precedence") => {
            number_key(words, sel, at(1), 8)
        }
        _ => Err(illegal()),
    }
}

fn ip6(words: &mut Words<'_>, sel: &mut U32Sel) -> Result<(), TcError> {
    match words.value()? {
        "src" => ipv6(words, sel, 8),
        "dst" => ipv6(words, sel, 24),
        "priority" => {
            let val = number::u32(words.value()?, 0)
                .filter(|v| *v <= 0xff)
                .ok_or_else(illegal)?;
            let mask = number::u32(words.value()?, 16)
                .filter(|m| *m <= 0xff)
                .ok_or_else(illegal)?;
            pack(sel, val << 20, mask << 20, at(0))
        }
        "protocol" => number_key(words, sel, at(6), 8),
        "flowlabel" => number_key(words, sel, at(0), 32),
        "dport" => number_key(words, sel, at(42), 16),
        "sport" => number_key(words, sel, at(40), 16),
        "icmp_type" => number_key(words, sel, at(40), 8),
        // The mask of the next header's offset is tc's own doing.
        "icmp_code" => number_key(
            words,
            sel,
            At {
                off: 41,
                offmask: 1,
            },
            8,
        ),
        _ => Err(illegal()),
    }
}

/// The length behind an address: a number, or a netmask for IPv4.
fn prefix(text: Option<&str>, most: u32) -> Option<u32> {
    let Some(text) = text else { return Some(most) };
    if let Some(len) = number::u32(text, 0) {
        return (len <= most).then_some(len);
    }
    let mask = u32::from(text.parse::<Ipv4Addr>().ok().filter(|_| most == 32)?);
    (mask.leading_ones() + mask.trailing_zeros() >= 32).then(|| mask.leading_ones())
}

/// An IPv4 address of one to four numbers; those left out are 0.
fn ipv4_addr(text: &str) -> Option<u32> {
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let Some(part) = parts.next() else { break };
        *octet = number::u8(part, 0)?;
    }
    parts.next().is_none().then(|| u32::from_be_bytes(octets))
}

fn ipv4(words: &mut Words<'_>, sel: &mut U32Sel, off: i32) -> Result<(), TcError> {
    let text = words.value()?;
    let (addr, len) = text
        .split_once('/')
        .map_or((text, None), |(a, l)| (a, Some(l)));
    let (addr, len) = match addr {
        "default" | "any" | "all" => (0, Some(0)),
        addr => (ipv4_addr(addr).ok_or_else(illegal)?, prefix(len, 32)),
    };
    let len = len.ok_or_else(illegal)?;
    let at = parse_at(words, at(off))?;
    let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
    pack(sel, addr, mask, at)
}

fn ipv6(words: &mut Words<'_>, sel: &mut U32Sel, off: i32) -> Result<(), TcError> {
    let text = words.value()?;
    let (addr, len) = text
        .split_once('/')
        .map_or((text, None), |(a, l)| (a, Some(l)));
    let (addr, len) = match addr {
        "default" | "any" | "all" => (Ipv6Addr::UNSPECIFIED, Some(0)),
        addr => (addr.parse().map_err(|_| illegal())?, prefix(len, 128)),
    };
    let mut left = len.ok_or_else(illegal)?;
    let At { off, offmask } = parse_at(words, at(off))?;
    let octets = addr.octets();
    let (quads, _) = octets.as_chunks::<4>();
    for (i, quad) in (0_i32..).zip(quads) {
        if left == 0 {
            break;
        }
        let bits = left.min(32);
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        pack(
            sel,
            u32::from_be_bytes(*quad),
            mask,
            At {
                off: off.saturating_add(4 * i),
                offmask,
            },
        )?;
        left -= bits;
    }
    Ok(())
}

/// A hardware address, as three keys of 16 bits.
fn ether(words: &mut Words<'_>, sel: &mut U32Sel, off: i32) -> Result<(), TcError> {
    let text = words.value()?;
    let mut bytes = [0_u32; 6];
    let mut rest = text;
    for (i, byte) in bytes.iter_mut().enumerate() {
        // As `scanf` reads it: cut to 8 bits, and what follows the last is not looked at.
        let part = if i == 0 {
            Some(rest)
        } else {
            rest.strip_prefix(':')
        };
        let (value, after) = part
            .and_then(|p| number::strtoul(p, 16))
            .ok_or_else(illegal)?;
        (*byte, rest) = (value as u32 & 0xff, after);
    }
    let place = parse_at(words, at(off))?;
    let [a, b, c, d, e, f] = bytes;
    for (i, (high, low)) in (0_i32..).zip([(a, b), (c, d), (e, f)]) {
        let at = At {
            off: place.off.saturating_add(2 * i),
            ..place
        };
        pack_bits(sel, high << 8 | low, 0xffff, at, 16)?;
    }
    Ok(())
}

fn mark(
    words: &mut Words<'_>,
    parts: &mut Vec<U32Part>,
    rounding: TickRounding,
) -> Result<(), TcError> {
    let val = number::u32(words.value()?, 0).ok_or_else(illegal)?;
    let mask = number::u32(words.value()?, 0).ok_or_else(illegal)?;
    if val & mask != val {
        return Err(TcError::new("Illegal \"mark\" (impossible combination)"));
    }
    // tc wants a word more.
    words.value()?;
    words.back();
    // The kernel does not read the third word and old tc does not set it: what stands there by chance in the captures
    // of tc 6.1.0 stands here too, so that the same bytes come out; newer ones send 0.
    let success = if rounding == TickRounding::Truncating {
        0x60
    } else {
        0
    };
    parts.push(U32Part::Mark(U32Mark { val, mask, success }));
    Ok(())
}

/// `offset [plus N] [at N] [mask M] [shift N] [eat]`: where the next header is.
pub(super) fn offset(words: &mut Words<'_>, sel: &mut U32Sel) -> Result<(), TcError> {
    let illegal = || TcError::illegal("offset");
    words.value()?;
    words.back();
    while let Some(word) = words.next() {
        match word {
            w if begins(w, "plus") => {
                sel.off = number::integer(words.value()?, 0).ok_or_else(illegal)? as u16;
                sel.flags |= 2;
            }
            w if begins(w, "at") => {
                let off = number::integer(words.value()?, 0).ok_or_else(illegal)?;
                if off % 2 != 0 {
                    return Err(TcError::new("offset \"at\" must be even"));
                }
                sel.offoff = off as i16;
                sel.flags |= 4;
            }
            w if begins(w, "mask") => {
                sel.offmask = number::u16(words.value()?, 16).ok_or_else(illegal)?;
                sel.flags |= 4;
            }
            w if begins(w, "shift") => {
                sel.offshift = number::integer(words.value()?, 0).ok_or_else(illegal)? as u8;
                sel.flags |= 4;
            }
            w if begins(w, "eat") => sel.flags |= 8,
            _ => {
                words.back();
                break;
            }
        }
    }
    Ok(())
}

/// `hashkey mask M at N`: what the next table is looked up by.
pub(super) fn hashkey(words: &mut Words<'_>, sel: &mut U32Sel) -> Result<(), TcError> {
    let illegal = || TcError::illegal("hashkey");
    words.value()?;
    words.back();
    while let Some(word) = words.next() {
        match word {
            w if begins(w, "mask") => {
                sel.hmask = number::u32(words.value()?, 16).ok_or_else(illegal)?;
            }
            w if begins(w, "at") => {
                let off = number::integer(words.value()?, 0).filter(|o| o % 4 == 0);
                sel.hoff = off.ok_or_else(illegal)? as i16;
            }
            _ => {
                words.back();
                break;
            }
        }
    }
    Ok(())
}
