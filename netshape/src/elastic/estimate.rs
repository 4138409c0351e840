//! From what a class used to what it would use. Demand can't be seen: a class at its limit uses just that. So one that
//! comes near its limit, or has a queue, is taken to want twice as much, until it no longer takes what it is given.

use super::divide::Claim;
use super::entitlement::Entitlement;
use crate::unit::Rate;

/// What a class without an allocation is taken to use when it has a queue, in bit/s.
const START: u64 = 64_000;

/// What was measured of one class in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What it sent, as a rate.
    pub sent: Rate,
    /// Bytes that wait in its leaf now.
    pub backlog: u32,
    /// How often it had to wait for its limit in the interval.
    pub overlimits: u32,
}

impl Usage {
    /// A class that sent at this rate, without a queue.
    #[must_use]
    pub const fn sent(rate: Rate) -> Self {
        Self {
            sent: rate,
            backlog: 0,
            overlimits: 0,
        }
    }

    /// Sets the bytes that wait in its leaf now.
    #[must_use]
    pub const fn with_backlog(mut self, bytes: u32) -> Self {
        self.backlog = bytes;
        self
    }

    /// Sets how often it had to wait for its limit.
    #[must_use]
    pub const fn with_overlimits(mut self, overlimits: u32) -> Self {
        self.overlimits = overlimits;
        self
    }
}

/// One class's state; an absent one wants nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    pub(super) present: bool,
    weight: u32,
    guarantee: u64,
    pub(super) ceiling: u64,
    pub(super) allocated: u64,
    /// Whether it was part of a division.
    pub(super) settled: bool,
    /// Demand assumed, in bit/s, with room to grow; never above the ceiling.
    pub(super) estimate: u64,
    /// The estimate that was last divided by.
    pub(super) divided: u64,
    /// Its fair share without credit, as of the last division.
    pub(super) share: u64,
    /// Bits saved below the guarantee.
    pub(super) credit: u64,
    /// Whether credit lifted its last allocation.
    pub(super) lifted: bool,
}

impl Class {
    pub(super) fn set(&mut self, terms: &Entitlement) {
        self.present = true;
        self.weight = terms.weight.max(1);
        self.ceiling = terms.ceiling.bits();
        self.guarantee = terms.guarantee.bits().min(self.ceiling);
        // A newcomer is taken to want its guarantee until it shows what it wants.
        self.estimate = self.estimate.max(self.guarantee).min(self.ceiling);
        self.credit = self.credit.min(self.guarantee);
    }

    /// What it may reach: HTB gives it its guarantee whatever others borrow.
    pub(super) fn reach(&self) -> u64 {
        self.allocated.max(self.guarantee)
    }

    /// What it claims: as much of its guarantee as it wants, and its estimate in all.
    pub(super) fn claim(&self) -> Claim {
        Claim {
            floor: self.guarantee.min(self.estimate),
            cap: self.estimate,
            weight: self.weight.max(1),
        }
    }

    /// Whether the estimate has changed by more than a sixteenth since it was divided by.
    pub(super) fn moved(&self) -> bool {
        self.estimate.abs_diff(self.divided) > self.divided >> 4
    }

    /// Takes in one interval of `nanos`.
    pub(super) fn observe(&mut self, usage: &Usage, nanos: u64, credit_seconds: u64) {
        let sent = usage.sent.bits();
        let limit = self.reach();
        // Within a sixteenth of its limit; or held up at more than half of it; or a queue of a sixteenth of a second.
        let near = sent.saturating_add(limit >> 4) >= limit;
        let held = usage.overlimits > 0 && sent >= limit / 2;
        let queued = u64::from(usage.backlog).saturating_mul(128) > limit;
        let wants = if (sent > 0 && (near || held)) || queued {
            // One that has nothing yet must start somewhere.
            sent.max(limit)
                .max(START)
                .saturating_mul(2)
                .max(self.guarantee)
        } else {
            // A quarter more than it used leaves room to be seen growing.
            sent.saturating_add(sent / 4)
        };
        let wants = wants.min(self.ceiling);
        // Up at once, down by halves: who pauses for a second does not lose its place.
        self.estimate = if wants >= self.estimate {
            wants
        } else {
            self.estimate - (self.estimate - wants).div_ceil(2)
        };
        if credit_seconds > 0 {
            self.save(sent, nanos, credit_seconds);
        }
    }

    /// Saves what stays below the guarantee, spends what goes above the fair share.
    fn save(&mut self, sent: u64, nanos: u64, seconds: u64) {
        let bits = |rate: u64| {
            if nanos == 1_000_000_000 {
                return rate;
            }
            let bits = u128::from(rate) * u128::from(nanos) / 1_000_000_000;
            u64::try_from(bits).unwrap_or(u64::MAX)
        };
        if sent < self.guarantee {
            let most = self.guarantee.saturating_mul(seconds);
            self.credit = self
                .credit
                .saturating_add(bits(self.guarantee - sent))
                .min(most);
        } else if sent > self.share {
            self.credit = self.credit.saturating_sub(bits(sent - self.share));
        }
    }
}
