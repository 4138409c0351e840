//! The kernel counts bursts in ticks of 64 ns: the time that the burst's bytes take at the rate. `tc` has computed them in
//! two ways, and a plan must say which, or it will see differences where there are none.

/// `/proc/net/psched` says 1000 ns a µs against 64 ns a tick: 15.625 ticks a µs (`PSCHED_SHIFT` 6).
const TICKS_PER_US: f64 = 15.625;

/// Microseconds in a second, tc's `TIME_UNITS_PER_SEC`.
const US_PER_SECOND: f64 = 1_000_000.0;

/// The greatest difference between what two tcs make of one number of bytes: one cuts to whole microseconds, 15.625 ticks, and
/// then down to a tick, the other goes up to one.
pub(crate) const ROUNDING: u32 = 17;

/// The most bytes of a bucket at a rate in byte/s: 2^32 ticks are all that the kernel's field holds (274.9 s; less two, which
/// are all ones to tc and rounding), 2^32 bytes all that tc reads.
pub(crate) fn most_bytes(rate: u64) -> u64 {
    bytes_of_ticks(rate, u32::MAX - 2).min(u32::MAX.into())
}

/// How `tc` rounds a burst to ticks.
///
/// ```
/// use netshape::tc::TickRounding;
///
/// let rate = 6_250_000; // byte/s
/// assert_eq!(TickRounding::Truncating.ticks(rate, 1_600), Some(4_000));
/// assert_eq!(TickRounding::Truncating.ticks(rate, 1_601), Some(4_000));
/// assert_eq!(TickRounding::Ceil.ticks(rate, 1_601), Some(4_003));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "era")]
#[doc(alias = "psched")]
pub enum TickRounding {
    /// iproute2 up to 6.14: whole microseconds first, then whole ticks, both rounded down, in 32 bits that wrap.
    #[default]
    Truncating,
    /// iproute2 from 6.15: one rounding up; as of 7.1 in 64 bits, so that what does not fit 32 is refused.
    Ceil,
}

impl TickRounding {
    /// Ticks that `bytes` take at `rate` byte/s, as tc of this generation computes them (in doubles, as tc does, since the
    /// bytes on the wire must be the same; IEEE arithmetic gives the same result on every machine). `None` where tc
    /// 7.1 says "burst out of range", or where the rate is zero.
    #[must_use]
    pub fn ticks(self, rate: u64, bytes: u64) -> Option<u32> {
        if rate == 0 {
            return None;
        }
        let us = US_PER_SECOND * (bytes as f64 / rate as f64);
        match self {
            // A double to `unsigned int` goes through 64 bits on x86-64 and keeps the lower half.
            Self::Truncating => {
                let us = us as u64 as u32;
                Some((f64::from(us) * TICKS_PER_US) as u64 as u32)
            }
            Self::Ceil => {
                let exact = us * TICKS_PER_US;
                let floor = exact as u64;
                let ticks = if (floor as f64) < exact {
                    floor.checked_add(1)?
                } else {
                    floor
                };
                u32::try_from(ticks).ok()
            }
        }
    }

    /// Bytes that tc of this generation must be told so that `ticks` come out at `rate` byte/s: the roundest such number, or the
    /// nearest below where no number of bytes gives exactly these ticks (the flag is then false).
    #[must_use]
    pub fn bytes(self, rate: u64, ticks: u32) -> (u64, bool) {
        let Some(low) = self.first(rate, ticks) else {
            return (bytes_of_ticks(rate, ticks), false);
        };
        if self.ticks(rate, low) != Some(ticks) {
            return (low.saturating_sub(1), false);
        }
        let next = ticks.checked_add(1).and_then(|t| self.first(rate, t));
        let high = next.map_or(low, |n| n.saturating_sub(1));
        // What tc reads has 32 bits, and so have the ticks that the other generation's tc makes of it.
        let high = high.min(most_bytes(rate)).max(low);
        (roundest(low, high), true)
    }

    /// The least number of bytes that take at least `ticks`.
    fn first(self, rate: u64, ticks: u32) -> Option<u64> {
        let near = bytes_of_ticks(rate, ticks);
        // One microsecond's bytes either side covers both roundings.
        let margin = rate / 500_000 + 2;
        let (mut low, mut high) = (near.saturating_sub(margin), near.saturating_add(margin));
        // Without the end of 32 bits, at which the one generation starts again and the other gives up.
        let us = |bytes: u64| US_PER_SECOND * (bytes as f64 / rate as f64);
        let reaches = |bytes: u64| match self {
            Self::Truncating => (us(bytes) as u64 as f64 * TICKS_PER_US) as u64 >= ticks.into(),
            Self::Ceil => us(bytes) * TICKS_PER_US > f64::from(ticks) - 1.0,
        };
        if rate == 0 || !reaches(high) {
            return None;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if reaches(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(low)
    }
}

/// The multiple of the largest unit that people use within a range; its lower end where there is none.
fn roundest(low: u64, high: u64) -> u64 {
    let units = [1 << 20, 1_000_000, 128 << 10, 1 << 10, 1_000, 100, 10];
    let within = |unit: &u64| {
        Some(low.div_ceil(*unit).saturating_mul(*unit)).filter(|m| *m <= high && *m > 0)
    };
    units.iter().find_map(within).unwrap_or(low)
}

/// Bytes that `ticks` stand for at `rate` byte/s, rounded down. For display; [`TickRounding::bytes`] is exact.
#[must_use]
pub fn bytes_of_ticks(rate: u64, ticks: u32) -> u64 {
    let bytes = (u128::from(ticks) * 64 * u128::from(rate)) / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Whether two rates in byte/s are one to the kernel.
pub(crate) const fn same_rate(a: u64, b: u64) -> bool {
    if a == b {
        return true;
    }
    // Below 2^33 byte/s no bit of the 32 is lost, so that what is further apart is not the same.
    let greater = if a > b { a } else { b };
    if greater < 1 << 33 && a.abs_diff(b) > greater >> 20 {
        return false;
    }
    let ((a, by), (b, by_too)) = (time_of_a_byte(a), time_of_a_byte(b));
    a == b && by == by_too
}

/// `psched_ratecfg_precompute`: nanoseconds that a byte takes, as a number and by how many bits that is shifted.
const fn time_of_a_byte(rate: u64) -> (u64, u32) {
    if rate == 0 {
        return (1, 0);
    }
    let (mut factor, mut shift) = (1_000_000_000_u64, 0);
    loop {
        let number = factor / rate;
        if number & (1 << 31) != 0 || factor & (1 << 63) != 0 {
            return (number, shift);
        }
        factor <<= 1;
        shift += 1;
    }
}
