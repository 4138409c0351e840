//! How a service's traffic is divided over its members: who is used, and what part of its weight.
//!
//! Regions stand side by side: each counts as a priority of Envoy's in what it can carry and in whether it panics
//! ([`Capacity`], the one implementation of both), but none comes before another, so traffic goes by weight to what
//! is healthy anywhere. Only hosts count in these verdicts; warm-up and drains move weights, and with them the
//! division among those that are used.

use alloc::vec::Vec;

use crate::effect::Mode;
use crate::engine::class::{Class, Counted};
use crate::locality::{Capacity, PriorityHealth, PriorityRules};

/// The members of one region, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Region {
    region: u32,
    good: Sum,
    degraded: Sum,
    failed: Sum,
}

/// Hosts and their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    hosts: u32,
    weight: u64,
}

impl Region {
    fn sum(&mut self, class: Class) -> Option<&mut Sum> {
        match class {
            Class::Out | Class::Pending | Class::Fallback => None,
            Class::Failed => Some(&mut self.failed),
            Class::Degraded => Some(&mut self.degraded),
            Class::Good => Some(&mut self.good),
        }
    }

    fn health(&self) -> PriorityHealth {
        let [healthy, degraded, failed] =
            [self.good, self.degraded, self.failed].map(|s| u64::from(s.hosts));
        PriorityHealth {
            hosts: healthy + degraded + failed,
            healthy,
            degraded,
            excluded: 0,
        }
    }

    fn available(&self) -> u32 {
        self.good.hosts + self.degraded.hosts
    }
}

/// How many members are of which class, and what they weigh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Tally {
    /// Regions that have or had members, in order of ids.
    regions: Vec<Region>,
    fallback: u32,
}

impl Tally {
    /// Counts a member anew; whether hosts, not only weights, moved.
    pub(in crate::engine) fn shift(&mut self, from: Counted, to: Counted) -> bool {
        let moved = (from.class, from.region) != (to.class, to.region);
        if !moved {
            if from.weight != to.weight {
                self.count(from, |sum, weight| {
                    sum.weight = sum.weight.saturating_sub(weight) + u64::from(to.weight);
                });
            }
            return false;
        }
        self.count(from, |sum, weight| {
            sum.hosts = sum.hosts.saturating_sub(1);
            sum.weight = sum.weight.saturating_sub(weight);
        });
        self.count(to, |sum, weight| {
            sum.hosts = sum.hosts.saturating_add(1);
            sum.weight = sum.weight.saturating_add(weight);
        });
        let last = |class| u32::from(class == Class::Fallback);
        self.fallback = self.fallback.saturating_sub(last(from.class)) + last(to.class);
        true
    }

    fn count(&mut self, c: Counted, change: impl Fn(&mut Sum, u64)) {
        if matches!(c.class, Class::Out | Class::Pending | Class::Fallback) {
            return;
        }
        let found = self.regions.binary_search_by_key(&c.region, |r| r.region);
        let at = found.unwrap_or_else(|at| {
            let new = Region {
                region: c.region,
                ..Region::default()
            };
            self.regions.insert(at, new);
            at
        });
        if let Some(sum) = self.regions.get_mut(at).and_then(|r| r.sum(c.class)) {
            change(sum, u64::from(c.weight));
        }
    }

    /// Whether both count alike; regions that had members once do not matter.
    #[cfg(feature = "testing")]
    pub(in crate::engine) fn same(&self, other: &Self) -> bool {
        let filled = |r: &&Region| r.health().hosts > 0;
        self.fallback == other.fallback
            && self
                .regions
                .iter()
                .filter(filled)
                .eq(other.regions.iter().filter(filled))
    }

    /// How traffic is divided from now on. O(regions).
    pub(in crate::engine) fn divide(&self, panic_percent: u8) -> Division {
        let rules = PriorityRules {
            panic_percent: u32::from(panic_percent),
            ..PriorityRules::default()
        };
        let regions = || self.regions.iter().filter(|r| r.health().hosts > 0);
        if regions().all(|r| r.available() == 0) && self.fallback > 0 {
            return Division::whole(Mode::LastResort);
        }
        if regions().next().is_none() {
            return Division::default();
        }
        let capacity = Capacity::of(regions().map(Region::health), &rules);
        let panics = |r: &&Region| capacity.panics(&r.health(), &rules);
        if regions().all(|r| panics(&r)) {
            return Division::whole(Mode::Panic);
        }
        if regions().all(|r| r.available() == 0) {
            return Division::default();
        }
        let mut division = self.healthy_and_degraded(capacity, &rules);
        // Those without anybody available carry nothing: what they could spread is nothing.
        for r in regions().filter(panics).filter(|r| r.available() > 0) {
            let degraded = division.degraded.map_or(0, |p| p.of(r.degraded.weight));
            let carried = division.healthy.of(r.good.weight) + degraded;
            let all = r.good.weight + r.degraded.weight + r.failed.weight;
            let part = Part::new(u128::from(carried), u128::from(all));
            division.panicking.push((r.region, part));
            division.mode = Mode::Panic;
        }
        division
    }

    /// Degraded hosts get what the healthy ones of all regions cannot carry, as Envoy gives it to them.
    fn healthy_and_degraded(&self, capacity: Capacity, rules: &PriorityRules) -> Division {
        let sum = |of: fn(&Region) -> u64| self.regions.iter().map(of).sum::<u64>();
        let (good, degraded) = (sum(|r| r.good.weight), sum(|r| r.degraded.weight));
        if capacity.healthy >= 100 || degraded == 0 {
            return Division::whole(Mode::Normal);
        }
        if good == 0 {
            return Division::whole(Mode::Degraded);
        }
        let parts = self
            .regions
            .iter()
            .map(|r| capacity.parts(&r.health(), rules));
        let (most, given) = parts.fold((100, 0), |(most, given), (h, d)| {
            (most - h.min(most), given + d)
        });
        let percent = given.min(most);
        if percent == 0 {
            return Division::whole(Mode::Normal);
        }
        // The lighter side's weights are scaled down to make the percentages come out.
        let one = u128::from(percent) * u128::from(good);
        let other = u128::from(100 - percent) * u128::from(degraded);
        Division {
            healthy: Part::new(other, one),
            degraded: Some(Part::new(one, other)),
            ..Division::whole(Mode::Degraded)
        }
    }
}

/// A part of a weight, at most all of it.
///
/// Rounded to 1 part in 64 and better, so that weights which move a little (a warm-up) do not move everybody's part
/// at each step; what it is follows from the present weights alone, not from how they came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Part(u64);

impl Part {
    const BITS: u32 = 40;
    const ALL: Self = Self(1 << Self::BITS);
    /// Leading bits that are kept.
    const KEPT: u32 = 7;

    fn new(given: u128, of: u128) -> Self {
        if given >= of {
            return Self::ALL;
        }
        let part = ((given << Self::BITS) / of.max(1)) as u64;
        let dropped = (u64::BITS - part.leading_zeros()).saturating_sub(Self::KEPT);
        let half = (1 << dropped) >> 1;
        Self(((part + half) >> dropped) << dropped)
    }

    fn of(self, weight: u64) -> u64 {
        ((u128::from(weight) * u128::from(self.0)) >> Self::BITS) as u64
    }

    /// The part of a weight that is in use: never 0 unless the weight is.
    pub(in crate::engine) fn in_use(self, weight: u32) -> u32 {
        (self.of(u64::from(weight)) as u32).max(u32::from(weight > 0))
    }
}

/// Who is used, and with what part of its weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Division {
    pub(in crate::engine) mode: Mode,
    healthy: Part,
    /// `None` while degraded hosts are not needed.
    degraded: Option<Part>,
    /// Regions that panic while others do not: what they carry is spread over all their members.
    panicking: Vec<(u32, Part)>,
}

impl Default for Division {
    fn default() -> Self {
        Self::whole(Mode::Empty)
    }
}

impl Division {
    /// Everybody that the mode uses, with all of its weight.
    fn whole(mode: Mode) -> Self {
        Self {
            mode,
            healthy: Part::ALL,
            degraded: (mode != Mode::Normal).then_some(Part::ALL),
            panicking: Vec::new(),
        }
    }

    /// Whether it can change when weights do, though hosts do not.
    pub(in crate::engine) fn follows_weights(&self) -> bool {
        self.mode == Mode::Degraded || !self.panicking.is_empty()
    }

    /// The part of its weight that a member is given; `None` when it is not used.
    pub(in crate::engine) fn part(&self, class: Class, region: u32) -> Option<Part> {
        match self.mode {
            Mode::Empty => None,
            Mode::LastResort => (class == Class::Fallback).then_some(Part::ALL),
            Mode::Normal | Mode::Degraded => self.ordinary(class),
            Mode::Panic if matches!(class, Class::Out | Class::Pending | Class::Fallback) => None,
            Mode::Panic if self.panicking.is_empty() => Some(Part::ALL),
            Mode::Panic => {
                let spread = self.panicking.iter().find(|(r, _)| *r == region);
                spread
                    .map(|(_, part)| *part)
                    .or_else(|| self.ordinary(class))
            }
        }
    }

    fn ordinary(&self, class: Class) -> Option<Part> {
        match class {
            Class::Good => Some(self.healthy),
            Class::Degraded => self.degraded,
            _ => None,
        }
    }
}
