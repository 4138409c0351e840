//! The words of `tbf`.

use super::error::TcError;
use super::kinds::{Rates, cell_log, once, value};
use super::words::{Words, begins};
use super::{number, stab};
use crate::netlink::Options;
use crate::object::{RateSpec, Tbf};
use crate::ticks::TickRounding;
use alloc::boxed::Box;
use alloc::format;

/// What is said of a TBF.
#[derive(Default)]
struct TbfWords {
    limit: u32,
    latency: u32,
    buffer: u32,
    mtu: u32,
    mpu: u32,
    overhead: u16,
    rate: u64,
    peak: u64,
    rate_cell: Option<u8>,
    peak_cell: Option<u8>,
    layer: u32,
}

impl TbfWords {
    fn read(words: &mut Words<'_>, rates: Rates) -> Result<Self, TcError> {
        let mut t = Self {
            layer: 1,
            ..Self::default()
        };
        while let Some(word) = words.next() {
            match word {
                w if begins(w, "limit") => {
                    t.one_bound(t.latency != 0)?;
                    once(words, &mut t.limit, "limit", number::size)?;
                }
                w if begins(w, "latency") => {
                    t.one_bound(t.limit != 0)?;
                    once(words, &mut t.latency, "latency", number::time)?;
                }
                w if begins(w, "burst") || w == "buffer" || w == "maxburst" => {
                    let cell = &mut t.rate_cell;
                    once(words, &mut t.buffer, "buffer/burst/maxburst", |x| {
                        bytes_of_ticks(x, cell)
                    })?;
                }
                "mtu" | "minburst" => {
                    let cell = &mut t.peak_cell;
                    once(words, &mut t.mtu, "mtu/minburst", |x| {
                        bytes_of_ticks(x, cell)
                    })?;
                }
                "mpu" => once(words, &mut t.mpu, "mpu", number::size)?,
                "rate" => {
                    rates.known(words.peek().unwrap_or(""), "rate")?;
                    once(words, &mut t.rate, "rate", |x| rates.read(x))?;
                }
                w if begins(w, "peakrate") => {
                    rates.known(words.peek().unwrap_or(""), "peakrate")?;
                    once(words, &mut t.peak, "peakrate", |x| rates.read(x))?;
                }
                w if begins(w, "overhead") => {
                    once(words, &mut t.overhead, "overhead", |x| number::u16(x, 10))?;
                }
                w if begins(w, "linklayer") => {
                    t.layer = value(words, "linklayer", stab::linklayer)?;
                }
                other => return Err(TcError::new(format!("tbf: unknown parameter \"{other}\""))),
            }
        }
        Ok(t)
    }

    fn one_bound(&self, other: bool) -> Result<(), TcError> {
        let text = "tbf: specifying both \"latency\" and \"limit\" is not allowed";
        if other {
            Err(TcError::new(text))
        } else {
            Ok(())
        }
    }

    fn complete(&self) -> Result<(), TcError> {
        let text = match self {
            Self { rate: 0, .. } => "tbf: the \"rate\" parameter is mandatory.",
            Self { buffer: 0, .. } => "tbf: the \"burst\" parameter is mandatory.",
            Self { mtu: 0, peak, .. } if *peak != 0 => {
                "tbf: when \"peakrate\" is specified, \"mtu\" must also be specified."
            }
            Self {
                limit: 0,
                latency: 0,
                ..
            } => "tbf: either \"limit\" or \"latency\" is required.",
            _ => return Ok(()),
        };
        Err(TcError::new(text))
    }

    /// Latency as bytes: what waits that long at the rate, and the bucket. In doubles, as tc computes it.
    fn limit(&self) -> u32 {
        if self.limit != 0 {
            return self.limit;
        }
        let waits = |rate: u64, bucket: u32| {
            rate as f64 * f64::from(self.latency) / 1_000_000.0 + f64::from(bucket)
        };
        let (limit, peak) = (waits(self.rate, self.buffer), waits(self.peak, self.mtu));
        let least = if self.peak != 0 && peak < limit {
            peak
        } else {
            limit
        };
        // A double to `unsigned int`: the lower half of 64 bits.
        least as u64 as u32
    }
}

/// A size with a cell, in 32 bits.
fn bytes_of_ticks(text: &str, cell: &mut Option<u8>) -> Option<u32> {
    let (bytes, given) = number::size_and_cell(text)?;
    *cell = given.or(*cell);
    u32::try_from(bytes).ok()
}

pub(super) fn tbf(
    words: &mut Words<'_>,
    rates: Rates,
) -> Result<Option<Options<'static>>, TcError> {
    let rounding = rates.rounding;
    let t = TbfWords::read(words, rates)?;
    t.complete()?;
    let spec = |rate, cell| RateSpec {
        bytes_per_second: rate,
        overhead: t.overhead,
        mpu: t.mpu as u16,
        linklayer: t.layer as u8,
        cell_log: cell_log(cell, u64::from(t.mtu)),
        cell_align: -1,
    };
    let ticks = |rate: u64, bytes: u32| {
        // tc takes the rate cut to 32 bits here; the kernel goes by the bytes.
        let ticks = rounding.ticks(rate.min(u64::from(u32::MAX)), u64::from(bytes));
        ticks.filter(|t| rounding == TickRounding::Truncating || *t != u32::MAX)
    };
    let buffer = ticks(t.rate, t.buffer);
    let buffer = buffer.ok_or_else(|| TcError::new("tbf: burst out of range"))?;
    let mut tbf = Tbf {
        rate: spec(t.rate, t.rate_cell),
        peak: RateSpec::default(),
        limit: t.limit(),
        buffer,
        mtu: 0,
        burst: Some(t.buffer),
        pburst: None,
    };
    if t.peak != 0 {
        tbf.peak = spec(t.peak, t.peak_cell);
        // A time that does not fit is all ones; tc minds only the burst's.
        tbf.mtu = ticks(t.peak, t.mtu).unwrap_or(u32::MAX);
        tbf.pburst = Some(t.mtu);
    }
    Ok(Some(Options::Tbf(Box::new(tbf))))
}
