//! One caller's view of a service: priorities, their loads, and a picker for each.

use alloc::vec::Vec;

use super::load::{Loads, PriorityHealth, PriorityRules, priority_loads};
use crate::endpoint::{Endpoint, Status};
use crate::pick::{Golden, Picker, Request};
use crate::time::Timestamp;
use core::time::Duration;

/// The most priorities.
pub const MAX_PRIORITIES: usize = 64;

/// How one endpoint counts for a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// 0 is best. At most [`MAX_PRIORITIES`] - 1; more counts as that.
    pub priority: u32,
    /// Weight when warm, in the units of `weight`.
    pub base: u32,
    /// Weight now: warm-up and a centre's drain taken off.
    pub weight: u32,
    /// How it fares.
    pub fare: Fare,
}

/// How an endpoint fares, in Envoy's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fare {
    /// Neither used nor counted: draining, not ready, not yet checked.
    #[default]
    Excluded,
    /// Used in panic only.
    Failing,
    /// Used when the healthy ones do not suffice.
    Degraded,
    /// Used.
    Healthy,
}

impl Member {
    /// An endpoint of an engine, at a priority for this caller (see [`super::locality_priority`]). Draining is
    /// excluded, as in Envoy: a planned drain must not look like a failure and start a panic; unless the
    /// engine gives it weight all the same, as the last resort of its service ([`crate::Mode::LastResort`]).
    #[must_use]
    pub fn of(endpoint: &Endpoint<'_>, priority: u32) -> Self {
        let c = endpoint.conditions;
        let leaving = endpoint.draining || c.terminating || !c.ready;
        let fare = match endpoint.status {
            _ if leaving && endpoint.weight > 0 => Fare::Healthy,
            _ if leaving => Fare::Excluded,
            Status::Unknown => Fare::Excluded,
            _ if endpoint.ejected => Fare::Failing,
            Status::Failing => Fare::Failing,
            Status::Degraded => Fare::Degraded,
            Status::Passing => Fare::Healthy,
        };
        let base = endpoint.base_weight.saturating_mul(1000);
        let warm = u64::from(endpoint.base_weight) * u64::from(endpoint.warm_permille);
        let warm = u32::try_from(warm).unwrap_or(u32::MAX);
        // Failing or degraded ones have no weight in use; in panic they count with what warm-up allows.
        let weight = if endpoint.weight > 0 {
            endpoint.weight
        } else {
            warm
        };
        Self {
            priority,
            base,
            weight,
            fare,
        }
    }
}

/// The endpoints of one priority, by how they are used: each kind of use has its own picker.
#[derive(Clone, Debug)]
struct Level<P> {
    health: PriorityHealth,
    healthy: P,
    degraded: P,
    all: P,
}

/// Priorities over pickers: divides a caller's requests over priorities as [`priority_loads`] says, and within
/// one by the picker. Health counts by weight as it is now, warm-up included, so load returns to a recovered
/// priority as fast as its endpoints warm up, without a step.
#[derive(Clone, Debug)]
pub struct Balancer<P, F = fn(u64) -> P> {
    rules: PriorityRules,
    make: F,
    seed: u64,
    members: Vec<Member>,
    levels: Vec<Level<P>>,
    loads: Loads,
    /// Which level and kind comes next: two shares a level.
    shares: Golden,
}

impl<P: Picker, F: Fn(u64) -> P> Balancer<P, F> {
    /// A balancer without endpoints; `make` makes an empty picker of a seed. (A `Balancer<P>` in a signature is
    /// one whose `make` captures nothing.)
    #[must_use]
    pub fn new(rules: PriorityRules, seed: u64, make: F) -> Self {
        let loads = priority_loads(&[], &rules);
        let shares = Golden::new(&[], seed);
        let (members, levels) = (Vec::new(), Vec::new());
        Self {
            rules,
            make,
            seed,
            members,
            levels,
            loads,
            shares,
        }
    }

    /// Says how the endpoint in a slot counts from now on; `None` when it is gone. O(priorities) and the
    /// picker's change of weight. Allocates for the division, not by pick.
    pub fn set(&mut self, slot: usize, member: Option<Member>) {
        let mut member = member.unwrap_or_default();
        member.priority = member.priority.min(MAX_PRIORITIES as u32 - 1);
        if slot >= self.members.len() {
            self.members.resize(slot + 1, Member::default());
        }
        while self.levels.len() <= member.priority as usize {
            let seed = self.seed ^ (self.levels.len() as u64) << 32;
            let [healthy, degraded, all] = [1, 2, 3].map(|kind| (self.make)(seed ^ kind));
            self.levels.push(Level {
                health: PriorityHealth::default(),
                healthy,
                degraded,
                all,
            });
        }
        let Some(place) = self.members.get_mut(slot) else {
            return;
        };
        let before = core::mem::replace(place, member);
        if before.priority != member.priority {
            self.put(
                slot,
                &Member {
                    priority: before.priority,
                    ..Member::default()
                },
            );
        }
        self.put(slot, &member);
        self.count(&before, false);
        self.count(&member, true);
        self.divide();
    }

    fn put(&mut self, slot: usize, m: &Member) {
        let Some(level) = self.levels.get_mut(m.priority as usize) else {
            return;
        };
        let when = |used: bool| if used { m.weight } else { 0 };
        level
            .healthy
            .set_weight(slot, when(m.fare == Fare::Healthy));
        level
            .degraded
            .set_weight(slot, when(m.fare == Fare::Degraded));
        level.all.set_weight(slot, when(m.fare != Fare::Excluded));
    }

    fn count(&mut self, m: &Member, add: bool) {
        let Some(level) = self.levels.get_mut(m.priority as usize) else {
            return;
        };
        let change = |sum: &mut u64, by: u32| {
            *sum = if add {
                *sum + u64::from(by)
            } else {
                sum.saturating_sub(u64::from(by))
            };
        };
        change(&mut level.health.hosts, m.base);
        match m.fare {
            Fare::Excluded => change(&mut level.health.excluded, m.base),
            Fare::Failing => {}
            Fare::Degraded => change(&mut level.health.degraded, m.weight.min(m.base)),
            Fare::Healthy => change(&mut level.health.healthy, m.weight.min(m.base)),
        }
    }

    fn divide(&mut self) {
        let health: Vec<PriorityHealth> = self.levels.iter().map(|l| l.health).collect();
        self.loads = priority_loads(&health, &self.rules);
        let both = self.loads.healthy.iter().zip(&self.loads.degraded);
        for (i, (&healthy, &degraded)) in both.enumerate() {
            self.shares.set_weight(2 * i, healthy);
            self.shares.set_weight(2 * i + 1, degraded);
        }
    }

    /// How load is divided now.
    #[must_use]
    pub fn loads(&self) -> &Loads {
        &self.loads
    }

    /// The health of each priority, in thousandths of weight.
    pub fn health(&self) -> impl Iterator<Item = PriorityHealth> + '_ {
        self.levels.iter().map(|l| l.health)
    }

    /// The slot of the next request; `None` when nothing may be used.
    pub fn pick(&mut self, request: &Request) -> Option<usize> {
        let share = self.shares.pick(&Request::default())?;
        let at = share / 2;
        let panic = self.loads.panic.get(at).copied().unwrap_or(false);
        let level = self.levels.get_mut(at)?;
        let picker = match (panic, share % 2) {
            (true, _) => &mut level.all,
            (false, 0) => &mut level.healthy,
            (false, _) => &mut level.degraded,
        };
        picker.pick(request)
    }

    /// A request that was given to a slot is over.
    pub fn done(&mut self, slot: usize, now: Timestamp, latency: Duration) {
        let Some(priority) = self.members.get(slot).map(|m| m.priority as usize) else {
            return;
        };
        if let Some(level) = self.levels.get_mut(priority) {
            level.healthy.done(slot, now, latency);
            level.degraded.done(slot, now, latency);
            level.all.done(slot, now, latency);
        }
    }
}
