//! Options of qdiscs and classes, by kind.

use super::context::Context;
use super::error::TcError;
use super::tbf::tbf;
use super::words::{Words, begins};
use super::{number, stab};
use crate::netlink::Options;
use crate::object::{FqCodel, Htb, HtbClass, RateSpec};
use crate::ticks::TickRounding;
use alloc::boxed::Box;
use alloc::format;

/// `get_hz()`: the kernel's clock as `/proc/net/psched` gives it.
const HZ: u64 = 1_000_000_000;

/// Options of a qdisc: `None` where tc sends none.
pub(super) fn qdisc(
    kind: &str,
    words: &mut Words<'_>,
    context: &Context<'_>,
    dev: Option<&str>,
) -> Result<Option<Options<'static>>, TcError> {
    match kind {
        "htb" => htb(words).map(|h| Some(Options::Htb(h))),
        "tbf" => tbf(words, Rates::of(context, dev)),
        "bfifo" | "pfifo" | "pfifo_head_drop" => fifo(kind, words),
        "fq_codel" => fq_codel(words).map(|f| Some(Options::FqCodel(Box::new(f)))),
        "ingress" | "clsact" => {
            // `handle X` is taken and has no effect.
            while let Some(word) = words.next() {
                if word != "handle" {
                    return Err(TcError::unknown(word));
                }
                words.value()?;
            }
            Ok(None)
        }
        other => match words.next() {
            None => Ok(None),
            Some(option) => Err(TcError::new(format!(
                "Unknown qdisc \"{other}\", hence option \"{option}\" is unparsable"
            ))),
        },
    }
}

/// Options of a class.
pub(super) fn class(
    kind: &str,
    words: &mut Words<'_>,
    context: &Context<'_>,
    dev: Option<&str>,
) -> Result<Option<Options<'static>>, TcError> {
    match kind {
        "htb" => htb_class(words, Rates::of(context, dev)).map(|c| Some(Options::HtbClass(c))),
        other => Err(TcError::new(format!(
            "Error: Qdisc \"{other}\" is classless."
        ))),
    }
}

/// A value after a name, or `Illegal "name"`.
pub(super) fn value<T>(
    words: &mut Words<'_>,
    name: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, TcError> {
    read(words.value()?).ok_or_else(|| TcError::illegal(name))
}

fn htb(words: &mut Words<'_>) -> Result<Htb, TcError> {
    let mut htb = Htb::with_default_class(0);
    while let Some(word) = words.next() {
        match word {
            w if begins(w, "r2q") => {
                htb.rate2quantum = value(words, "r2q", |t| number::u32(t, 10))?;
            }
            w if begins(w, "default") => {
                htb.default = value(words, "default", |t| number::u32(t, 16))?;
            }
            w if begins(w, "debug") => {
                let digits = words
                    .value()?
                    .bytes()
                    .take(16)
                    .take_while(|b| (b'0'..=b'3').contains(b));
                htb.debug |= digits
                    .zip(0_u32..)
                    .fold(0, |d, (b, i)| d | u32::from(b - b'0') << (2 * i));
            }
            w if begins(w, "direct_qlen") => {
                let qlen = value(words, "direct_qlen", |t| number::u32(t, 10))?;
                // All ones is what tc itself takes for "not given".
                htb.direct_qlen = (qlen != u32::MAX).then_some(qlen);
            }
            w if begins(w, "offload") => htb.offload = true,
            other => return Err(TcError::unknown(other)),
        }
    }
    Ok(htb)
}

/// What a rate needs to be understood.
#[derive(Clone, Copy)]
pub(super) struct Rates {
    pub(super) rounding: TickRounding,
    /// The device's speed in Mbit/s, where that is known.
    speed: Option<u32>,
}

impl Rates {
    fn of(context: &Context<'_>, dev: Option<&str>) -> Self {
        let speed = dev.and_then(|d| context.speeds.get(d)).copied();
        Self {
            rounding: context.rounding,
            speed,
        }
    }

    /// A rate, or a percentage of the device's speed.
    pub(super) fn read(self, word: &str) -> Option<u64> {
        if word.contains('%') {
            return number::percent(word, self.speed?, self.rounding);
        }
        number::rate(word, self.rounding)
    }

    /// Of a percentage tc asks the device for its speed, which is not in the batch.
    pub(super) fn known(self, word: &str, name: &str) -> Result<(), TcError> {
        if word.contains('%') && self.speed.is_none() {
            return Err(TcError::new(format!(
                "\"{name}\" {word}: the device's speed is not known"
            )));
        }
        Ok(())
    }
}

/// A rate, said once.
pub(super) fn rate(
    words: &mut Words<'_>,
    place: &mut u64,
    name: &str,
    rates: Rates,
) -> Result<(), TcError> {
    let word = words.value()?;
    if *place != 0 {
        return Err(TcError::new(format!("Double \"{name}\" spec")));
    }
    rates.known(word, name)?;
    *place = rates.read(word).ok_or_else(|| TcError::illegal(name))?;
    Ok(())
}

/// Base-2 logarithm of a rate table's cell: 256 cells cover the MTU.
pub(super) fn cell_log(given: Option<u8>, mtu: u64) -> u8 {
    let mtu = if mtu == 0 { 2047 } else { mtu };
    given.unwrap_or_else(|| (0_u8..64).find(|log| mtu >> log <= 255).unwrap_or(0))
}

fn htb_class(words: &mut Words<'_>, rates: Rates) -> Result<HtbClass, TcError> {
    let rounding = rates.rounding;
    let (mut class, mut mtu, mut layer) = (HtbClass::default(), 1600_u32, 1_u32);
    let (mut mpu, mut overhead) = (0_u16, 0_u16);
    let (mut rate64, mut ceil64) = (0, 0);
    let (mut burst, mut cburst) = ((0_u64, None), (0_u64, None));
    // Only the later generation's tc keeps a burst in 64 bits, and a cburst not even that.
    let small =
        |t: &str| number::size_and_cell(t).filter(|(bytes, _)| *bytes <= u64::from(u32::MAX));
    let bucket = |t: &str| match rounding {
        TickRounding::Truncating => small(t),
        TickRounding::Ceil => number::size_and_cell(t),
    };
    while let Some(word) = words.next() {
        match word {
            w if begins(w, "prio") => class.prio = value(words, "prio", |t| number::u32(t, 10))?,
            w if begins(w, "mtu") => mtu = value(words, "mtu", |t| number::u32(t, 10))?,
            w if begins(w, "mpu") => mpu = value(words, "mpu", |t| number::u16(t, 10))?,
            w if begins(w, "overhead") => {
                overhead = value(words, "overhead", |t| number::u16(t, 10))?;
            }
            w if begins(w, "linklayer") => layer = value(words, "linklayer", stab::linklayer)?,
            w if begins(w, "quantum") => {
                class.quantum = value(words, "quantum", |t| number::u32(t, 10))?;
            }
            w if begins(w, "burst") || w == "buffer" || w == "maxburst" => {
                let cell = burst.1;
                burst = value(words, w, bucket)?;
                burst.1 = burst.1.or(cell);
            }
            w if begins(w, "cburst") || w == "cbuffer" || w == "cmaxburst" => {
                let cell = cburst.1;
                cburst = value(words, w, small)?;
                cburst.1 = cburst.1.or(cell);
            }
            "ceil" => rate(words, &mut ceil64, "ceil", rates)?,
            "rate" => rate(words, &mut rate64, "rate", rates)?,
            other => return Err(TcError::unknown(other)),
        }
    }
    if rate64 == 0 {
        return Err(TcError::new("\"rate\" is required."));
    }
    let ceil64 = if ceil64 == 0 { rate64 } else { ceil64 };
    let spec = |rate, cell| RateSpec {
        bytes_per_second: rate,
        overhead,
        mpu,
        linklayer: layer as u8,
        cell_log: cell_log(cell, u64::from(mtu)),
        cell_align: -1,
    };
    class.rate = spec(rate64, burst.1);
    class.ceil = spec(ceil64, cburst.1);
    let ticks = |rate, bytes| class_ticks(rounding, rate, bytes, mtu);
    (class.buffer, class.cbuffer) = (ticks(rate64, burst.0), ticks(ceil64, cburst.0));
    // What does not fit is all ones, which the later generation's tc minds in the burst alone.
    if rounding == TickRounding::Ceil && class.buffer == u32::MAX {
        return Err(TcError::new("htb: burst out of range"));
    }
    Ok(class)
}

/// The bucket of a class in ticks; of a burst that was not given, the bytes of one timer tick and a packet.
fn class_ticks(rounding: TickRounding, rate: u64, bytes: u64, mtu: u32) -> u32 {
    let bytes = match bytes {
        0 => rate / HZ + u64::from(mtu),
        given => given,
    };
    let bytes = match rounding {
        TickRounding::Ceil => bytes,
        TickRounding::Truncating => u64::from(bytes as u32),
    };
    rounding.ticks(rate, bytes).unwrap_or(u32::MAX)
}

/// A value said once, or `tbf: duplicate "name" specification`.
pub(super) fn once<T: Default + PartialEq>(
    words: &mut Words<'_>,
    place: &mut T,
    name: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<(), TcError> {
    let word = words.value()?;
    if *place != T::default() {
        return Err(TcError::new(format!(
            "tbf: duplicate \"{name}\" specification"
        )));
    }
    let illegal = || TcError::new(format!("tbf: illegal value for \"{name}\": \"{word}\""));
    *place = read(word).ok_or_else(illegal)?;
    Ok(())
}

fn fifo(kind: &str, words: &mut Words<'_>) -> Result<Option<Options<'static>>, TcError> {
    let mut limit = None;
    while let Some(word) = words.next() {
        if word != "limit" {
            return Err(TcError::new(format!(
                "{kind}: unknown parameter \"{word}\""
            )));
        }
        let text = words.value()?;
        let illegal = || TcError::new(format!("{kind}: Illegal value for \"limit\": \"{text}\""));
        limit = Some(number::size(text).ok_or_else(illegal)?);
    }
    Ok(limit.map(Options::Fifo))
}

fn fq_codel(words: &mut Words<'_>) -> Result<FqCodel, TcError> {
    let mut f = FqCodel::default();
    // What tc takes for "not given" where that is not the same as absent.
    let some = |v: u32| (v != 0).then_some(v);
    let all_but_ones = |v: u32| (v != u32::MAX).then_some(v);
    while let Some(word) = words.next() {
        let plain = |t: &str| number::u32(t, 0);
        match word {
            "limit" => f.limit = some(value(words, "limit", plain)?),
            "flows" => f.flows = some(value(words, "flows", plain)?),
            "quantum" => f.quantum = some(value(words, "quantum", plain)?),
            "drop_batch" => f.drop_batch = some(value(words, "drop_batch", plain)?),
            "target" => f.target = some(value(words, "target", number::time)?),
            "interval" => f.interval = some(value(words, "interval", number::time)?),
            "ce_threshold" => {
                f.ce_threshold = all_but_ones(value(words, "ce_threshold", number::time)?);
            }
            "memory_limit" => {
                f.memory_limit = all_but_ones(value(words, "memory_limit", number::size)?);
            }
            "ce_threshold_selector" => {
                let pair = value(words, "ce_threshold_selector", |t| {
                    let (value, mask) = t.split_once('/')?;
                    Some((number::u8(value, 0)?, number::u8(mask, 0)?))
                })?;
                (f.ce_threshold_selector, f.ce_threshold_mask) = (Some(pair.0), Some(pair.1));
            }
            "ecn" => f.ecn = Some(1),
            "noecn" => f.ecn = Some(0),
            other => return Err(TcError::unknown(other)),
        }
    }
    Ok(f)
}
