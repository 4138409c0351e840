//! Power of two choices by weight: requests under way over weight, and a peak-sensitive average of latency.

use alloc::vec::Vec;
use core::time::Duration;

use super::orphans::Orphans;
use super::picker::{Picker, Request};
use super::weighted_random::WeightedRandom;
use crate::builder::builder;
use crate::duration::nanos;
use crate::health::CallOutcome;
use crate::rng::{self, Xoshiro256PlusPlus};
use crate::time::Timestamp;
use rand::Rng;

/// How latency is averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PeakEwma {
    /// A sample's weight falls to 1/e in this time (linkerd2-proxy: 10 s), and so does an average that no sample
    /// renews: who was slow once is tried again. The latter fades in 12 ms at the least.
    pub decay: Duration,
    /// The latency of a slot that was never sampled (linkerd2-proxy: 300 ms).
    #[cfg_attr(feature = "serde", serde(alias = "unknown"))]
    pub default_latency: Duration,
}

builder!(PeakEwma {
    with_decay: decay: Duration,
    with_default_latency: default_latency: Duration,
});

impl Default for PeakEwma {
    fn default() -> Self {
        Self {
            decay: Duration::from_secs(10),
            default_latency: Duration::from_millis(300),
        }
    }
}

/// One slot as this handle sees it; small, since picks touch slots at random.
#[derive(Clone, Copy, Debug)]
struct Load {
    under_way: u32,
    /// Average latency in nanoseconds, as of the last sample; what is assumed before the first.
    latency: f32,
    /// 1 / weight.
    share: f32,
    /// The tick of the last sample, or of the first draw when there was none yet; 0 before either. Odd after a failure,
    /// until calls that end well have made up for it.
    since: u32,
}

impl Load {
    /// The average as it is now, to 6 %: a float's bits are nearly its logarithm (in straight lines between powers
    /// of two), and decay takes the same from a logarithm each tick. `fade` is that, in units of 2^-16.
    fn now(&self, tick: u32, fade: u64) -> f32 {
        let bits = u64::from(self.latency.to_bits());
        let faded = (u64::from(passed(self.since, tick)) * fade) >> 16;
        f32::from_bits(bits.saturating_sub(faded) as u32)
    }
}

/// Times are in ticks of 2^16 ns (65 us), which wrap after 78 hours; more than half of that is time that went
/// back, and counts as none. Ticks are even.
const TICK: u32 = 16;

fn tick(now: Timestamp) -> u32 {
    ((now.as_nanos() >> TICK) as u32 & !1).max(2)
}

/// A failed call counts as one that took so many times as long as calls usually take, so many times that of the one
/// before if it failed, too, up to so many times the usual.
const FAILED: f32 = 2.0;
const FAILED_MOST: f32 = 256.0;

fn passed(since: u32, tick: u32) -> u32 {
    (tick.wrapping_sub(since) as i32).max(0) as u32
}

/// Power of two choices (p2c): draws two slots at random by weight and takes the better one, by what this handle has under
/// way. Handles of several threads share weights (see [`super::SharedWeights`]), not counts, and so no cache lines.
///
/// A coin decides between the two. Its odds are their latencies', and lean to the one with less under way for
/// its weight, in proportion to the difference. A difference is 0 on average between equal endpoints,
/// whatever their weights, so these share by weight; a strict comparison would not do: a slot whose fair part
/// is a tenth of a request at a time always looks either idle or overloaded, and would be chosen nearly
/// always or never. The lean is such that a difference of three standard deviations of a Poisson count decides
/// outright. O(1).
///
/// ```
/// use core::time::Duration;
/// use discovery_core::health::CallOutcome;
/// use discovery_core::pick::{P2c, PeakEwma, Request};
/// use discovery_core::{Picker, Timestamp};
///
/// let mut picker = P2c::new(&[100, 100], PeakEwma::default(), 7);
/// let (now, took) = (Timestamp::from_secs(1), Duration::from_millis(3));
/// let slot = picker.pick(&Request::new(now)).expect("somebody has weight");
/// assert_eq!(picker.under_way(slot), 1);
/// picker.ended(slot, now.after(took), took, CallOutcome::Ok);
/// assert_eq!(picker.under_way(slot), 0);
/// ```
#[doc(alias = "power of two choices")]
#[doc(alias = "choices")]
#[doc(alias = "least request")]
#[derive(Clone, Debug)]
pub struct P2c<R = Xoshiro256PlusPlus> {
    table: WeightedRandom<R>,
    loads: Vec<Load>,
    /// 1 / decay, per tick; and what a tick takes from a float's bits, in units of 2^-16.
    rate: f32,
    fade: u64,
    unknown: f32,
    /// A running average of requests under way per weight, over the slots drawn, and the inverse of its root
    /// as of the last time the countdown ended.
    level: f32,
    inverse: f32,
    countdown: u32,
    /// What calls that end well take, over all slots; 0 before the first.
    usual: f32,
    orphans: Orphans,
}

impl P2c {
    /// A handle with nothing under way, which draws from the seed's stream `p2c`. Give each handle a seed of its own, or all
    /// of them choose alike.
    #[must_use]
    pub fn new(weights: &[u32], ewma: PeakEwma, seed: u64) -> Self {
        Self::with_rng(weights, ewma, rng::stream(seed, "p2c"))
    }
}

impl<R: Rng> P2c<R> {
    /// A handle with nothing under way, which draws from the caller's generator.
    #[must_use]
    pub fn with_rng(weights: &[u32], ewma: PeakEwma, rng: R) -> Self {
        let rate = 1.0 / (nanos(ewma.decay) >> TICK).max(1) as f32;
        // One power of e, in a float's bits.
        const PER_E: f32 = (1u64 << 23) as f32 * core::f32::consts::LOG2_E;
        let mut p2c = Self {
            table: WeightedRandom::with_rng(weights, rng),
            loads: Vec::new(),
            rate,
            // 2^31 ticks times this must fit 64 bits.
            fade: ((rate * PER_E * 65_536.0) as u64).min(1 << 32),
            unknown: nanos(ewma.default_latency).max(1) as f32,
            level: 0.0,
            inverse: 0.0,
            countdown: 0,
            usual: 0.0,
            orphans: Orphans::default(),
        };
        p2c.loads = weights.iter().map(|&w| p2c.load(w)).collect();
        p2c
    }

    fn load(&self, weight: u32) -> Load {
        Load {
            under_way: 0,
            latency: self.unknown,
            share: 1.0 / weight.max(1) as f32,
            since: 0,
        }
    }

    /// Requests under way to a slot.
    #[must_use]
    pub fn under_way(&self, slot: usize) -> u32 {
        self.loads.get(slot).map_or(0, |l| l.under_way)
    }

    /// No division and no branch that a coin decides: the processor works on several picks at a time.
    fn better(&mut self, one: usize, two: usize, tick: u32) -> usize {
        let (Some(&(mut a)), Some(&(mut b))) = (self.loads.get(one), self.loads.get(two)) else {
            return one;
        };
        if a.since.min(b.since) == 0 {
            (a, b) = (self.met(one, a, tick), self.met(two, b, tick));
        }
        let (slow_a, slow_b) = (a.now(tick, self.fade), b.now(tick, self.fade));
        let (mut la, mut lb) = (a.under_way as f32 * a.share, b.under_way as f32 * b.share);
        if (a.since | b.since) & 1 == 1 {
            (la, lb) = idle_by_failing(&a, la, &b, lb);
        }
        if self.countdown & 7 == 0 {
            self.level += (la + lb - 2.0 * self.level) * (1.0 / 256.0);
        }
        // 24 bits are all that an f32 holds.
        let draw = (self.table.bits() >> 40) as u32 as f32 * (1.0 / 16_777_216.0);
        // The lighter one's mean count is `level * weight`; per weight, a count shows a deviation of the
        // mean's root, or of the mean itself where that is less.
        let root = inverse_root(a.share.max(b.share));
        let lean = (root * root).min(root * self.inverse) * (1.0 / 6.0);
        let both = slow_a + slow_b;
        let first = draw * both < slow_b + lean * (lb - la) * both;
        core::hint::select_unpredictable(first, one, two)
    }

    /// From its first draw on an assumed latency decays, until there is a sample.
    #[cold]
    fn met(&mut self, slot: usize, mut load: Load, tick: u32) -> Load {
        if load.since == 0 {
            load.since = tick;
            if let Some(place) = self.loads.get_mut(slot) {
                *place = load;
            }
        }
        load
    }

    /// Now and then: the average moves slowly.
    fn count_down(&mut self) {
        if self.countdown == 0 {
            self.countdown = 256;
            self.inverse = 1.0 / libm::sqrtf(self.level.max(1e-12));
        }
        self.countdown -= 1;
    }
}

/// Who fails at once has nothing under way for that: no reason to lean to it.
#[cold]
fn idle_by_failing(a: &Load, la: f32, b: &Load, lb: f32) -> (f32, f32) {
    let least = |own: &Load, l: f32, other: f32| if own.since & 1 == 1 { l.max(other) } else { l };
    (least(a, la, lb), least(b, lb, la))
}

/// `1 / sqrt(x)` to 4 %: minus half the exponent. It only scales how far odds lean.
fn inverse_root(x: f32) -> f32 {
    f32::from_bits(0x5F37_59DF_u32.wrapping_sub(x.to_bits() >> 1))
}

impl<R: Rng> P2c<R> {
    fn choose(&mut self, one: usize, two: usize, request: &Request) -> usize {
        self.count_down();
        let taken = if one == two {
            one
        } else {
            self.better(one, two, tick(request.now))
        };
        if let Some(load) = self.loads.get_mut(taken) {
            load.under_way = load.under_way.saturating_add(1);
        }
        taken
    }

    /// The same slot was drawn twice. If its calls fail it must not win for want of another.
    fn other(
        &mut self,
        one: usize,
        draw: impl Fn(&mut WeightedRandom<R>) -> Option<usize>,
    ) -> usize {
        let failed = self.loads.get(one).is_some_and(|l| l.since & 1 == 1);
        let draws = if failed { 4 } else { 0 };
        let mut others = (0..draws).filter_map(|_| draw(&mut self.table));
        others.find(|&two| two != one).unwrap_or(one)
    }

    /// One sample. A latency above the average replaces it at once, one below draws it down with a weight that falls
    /// with the time since the last sample.
    fn sample(&mut self, slot: usize, now: Timestamp, latency: Duration, failed: bool) {
        let (rate, fade, unknown) = (self.rate, self.fade, self.unknown);
        let usual = if self.usual > 0.0 {
            self.usual
        } else {
            unknown
        };
        let Some(load) = self.loads.get_mut(slot) else {
            return;
        };
        let (mut sample, tick) = (nanos(latency).max(1) as f32, tick(now));
        if failed {
            let again = if load.since & 1 == 1 { FAILED } else { 1.0 };
            let own = load.now(tick, fade) * again;
            let most = load.latency.max(usual * FAILED_MOST);
            sample = sample.max(own.max(usual * FAILED).min(most));
        }
        // What is only assumed weighs nothing: no sample came yet.
        let assumed = load.latency == unknown;
        load.latency = if sample >= load.latency || assumed || failed {
            sample
        } else {
            let x = passed(load.since, tick) as f32 * rate;
            // Samples come often: the first terms of the series are exact to a millionth there.
            let kept = if x < 0.015 {
                1.0 - x + 0.5 * x * x
            } else {
                libm::expf(-x)
            };
            sample + (load.latency - sample) * kept
        };
        // What calls that ended well since have not made up for counts on.
        let still = load.since & 1 == 1 && load.latency > usual * FAILED;
        load.since = tick | u32::from(failed || still);
        if !failed {
            let part = if self.usual > 0.0 { 1.0 / 64.0 } else { 1.0 };
            self.usual += (sample - self.usual) * part;
        }
    }

    /// Whether the request that ends is the present endpoint's; then it is no longer under way.
    fn end(&mut self, slot: usize, now: Timestamp, latency: Duration) -> bool {
        if self.orphans.take(slot, now, latency) {
            return false;
        }
        if let Some(load) = self.loads.get_mut(slot) {
            load.under_way = load.under_way.saturating_sub(1);
        }
        true
    }
}

impl<R: Rng> Picker for P2c<R> {
    fn pick(&mut self, request: &Request) -> Option<usize> {
        let (one, mut two) = self.table.pair()?;
        if one == two {
            two = self.other(one, |table| table.pick(&Request::default()));
        }
        Some(self.choose(one, two, request))
    }

    fn pick_except(&mut self, request: &Request, tried: &[usize]) -> Option<usize> {
        let one = self.table.pick_except(request, tried)?;
        let mut two = self.table.draw_except(tried)?;
        if one == two {
            two = self.other(one, |table| table.draw_except(tried));
        }
        Some(self.choose(one, two, request))
    }

    /// A slot that had no weight begins without a latency: what it was is long ago. Its requests under way stay counted.
    fn set_weight(&mut self, slot: usize, weight: u32) {
        let before = self.table.weight(slot);
        self.table.set_weight(slot, weight);
        while self.loads.len() < self.table.slots() {
            self.loads.push(self.load(0));
        }
        let new = self.load(weight);
        if let Some(load) = self.loads.get_mut(slot) {
            load.share = new.share;
            if before == 0 && weight > 0 {
                (load.latency, load.since) = (new.latency, 0);
            }
        }
    }

    fn weight(&self, slot: usize) -> u32 {
        self.table.weight(slot)
    }

    fn slots(&self) -> usize {
        self.table.slots()
    }

    /// Peak-EWMA: a latency above the average replaces it at once, one below draws it down with a weight
    /// that falls with the time since the last sample.
    fn done(&mut self, slot: usize, now: Timestamp, latency: Duration) {
        if self.end(slot, now, latency) {
            self.sample(slot, now, latency, false);
        }
    }

    /// A failure counts as at least twice what calls usually take, each further one in a row as twice the one
    /// before, up to 256 times.
    fn ended(&mut self, slot: usize, now: Timestamp, latency: Duration, outcome: CallOutcome) {
        if self.end(slot, now, latency) {
            self.sample(slot, now, latency, outcome != CallOutcome::Ok);
        }
    }

    fn free(&mut self, slot: usize, now: Timestamp) {
        self.set_weight(slot, 0);
        let vacant = self.load(0);
        if let Some(load) = self.loads.get_mut(slot) {
            let former = core::mem::replace(load, vacant);
            self.orphans.add(slot, former.under_way, now);
        }
    }
}
