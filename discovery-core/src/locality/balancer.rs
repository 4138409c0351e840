//! One caller's view of a service: priorities, their loads, and a picker for each.

use alloc::vec::Vec;

use super::load::{Loads, PriorityHealth, PriorityRules, by_warm_share, health, priority_loads};
use super::member::{EndpointHealth, MAX_PRIORITIES, Member};
use crate::effect::Mode;
use crate::health::CallOutcome;
use crate::pick::{LowDiscrepancy, Picker, Request};
use crate::time::Timestamp;
use core::time::Duration;

/// The endpoints of one priority, by how they are used: each kind of use has its own picker.
#[derive(Clone, Debug)]
struct Level<P> {
    /// Hosts.
    health: PriorityHealth,
    /// Weights now and when warm: of the healthy ones, the degraded ones, all that may be used.
    warm_shares: [(u64, u64); 3],
    healthy: P,
    degraded: P,
    all: P,
}

/// Priorities over pickers: divides a caller's requests over priorities as [`priority_loads`] says, and within
/// one by the picker.
///
/// Health counts hosts, so warm-up and drains neither start a panic nor bring in failing ones. They move load among
/// what is healthy: a priority that recovered, or a region that is drained, carries as much as 1.4 times
/// ([`PriorityRules::overprovisioning_percent`]) the part of its weight that it has, against the priority that has
/// most, and the rest stays with the others meanwhile. So load returns, and leaves, without a step.
///
/// ```
/// use discovery_core::locality::{Balancer, EndpointHealth, Member, PriorityRules};
/// use discovery_core::pick::{LowDiscrepancy, Request};
///
/// let mut balancer = Balancer::new(PriorityRules::default(), 7, |seed| LowDiscrepancy::new(&[], seed));
/// let member = |priority, health| Member { priority, base: 100, weight: 100, health };
/// balancer.set(0, Some(member(0, EndpointHealth::Healthy)));
/// balancer.set(1, Some(member(1, EndpointHealth::Healthy)));
/// assert_eq!(balancer.pick(&Request::default()), Some(0)); // near before far
/// balancer.set(0, Some(member(0, EndpointHealth::Failing)));
/// assert_eq!(balancer.pick(&Request::default()), Some(1)); // failed over
/// ```
#[derive(Clone, Debug)]
pub struct Balancer<P, F = fn(u64) -> P> {
    rules: PriorityRules,
    make: F,
    seed: u64,
    members: Vec<Member>,
    levels: Vec<Level<P>>,
    loads: Loads,
    /// The latest time told.
    now: Timestamp,
    /// By slot, requests under way by the kind of picker that gave them to it.
    under_way: Vec<[u32; 3]>,
    /// Which level and kind comes next: two shares a level.
    shares: LowDiscrepancy,
}

impl<P: Picker, F: Fn(u64) -> P> Balancer<P, F> {
    /// A balancer without endpoints; `make` makes an empty picker of a seed. (A `Balancer<P>` in a signature is
    /// one whose `make` captures nothing.)
    #[must_use]
    pub fn new(rules: PriorityRules, seed: u64, make: F) -> Self {
        let loads = priority_loads(&[], &rules);
        let shares = LowDiscrepancy::new(&[], seed);
        let (members, levels) = (Vec::new(), Vec::new());
        Self {
            rules,
            make,
            seed,
            members,
            levels,
            loads,
            now: Timestamp::ZERO,
            under_way: Vec::new(),
            shares,
        }
    }

    /// Says how the endpoint in a slot counts from now on; `None` when it is gone, and the slot's next endpoint inherits
    /// nothing of it ([`Picker::free`]). O(priorities) and the picker's change of weight. Allocates for the division, not by pick.
    pub fn set(&mut self, slot: usize, member: Option<Member>) {
        let gone = member.is_none();
        let mut member = member.unwrap_or_default();
        member.priority = member.priority.min(MAX_PRIORITIES as u32 - 1);
        if slot >= self.members.len() {
            self.members.resize(slot + 1, Member::default());
            self.under_way.resize(slot + 1, [0; 3]);
        }
        while self.levels.len() <= member.priority as usize {
            let seed = self.seed ^ (self.levels.len() as u64) << 32;
            let [healthy, degraded, all] = [1, 2, 3].map(|kind| (self.make)(seed ^ kind));
            self.levels.push(Level {
                health: PriorityHealth::default(),
                warm_shares: [(0, 0); 3],
                healthy,
                degraded,
                all,
            });
        }
        let Some(place) = self.members.get_mut(slot) else {
            return;
        };
        let before = core::mem::replace(place, member);
        if gone || before.priority != member.priority {
            self.free(slot, before.priority);
        }
        self.put(slot, &member);
        self.count(&before, false);
        self.count(&member, true);
        self.divide();
    }

    /// The pickers of a priority are done with a slot.
    fn free(&mut self, slot: usize, priority: u32) {
        if let Some(counts) = self.under_way.get_mut(slot) {
            *counts = [0; 3];
        }
        if let Some(level) = self.levels.get_mut(priority as usize) {
            for picker in [&mut level.healthy, &mut level.degraded, &mut level.all] {
                picker.free(slot, self.now);
            }
        }
    }

    fn put(&mut self, slot: usize, m: &Member) {
        let Some(level) = self.levels.get_mut(m.priority as usize) else {
            return;
        };
        let when = |used: bool| if used { m.weight } else { 0 };
        level
            .healthy
            .set_weight(slot, when(m.health == EndpointHealth::Healthy));
        level
            .degraded
            .set_weight(slot, when(m.health == EndpointHealth::Degraded));
        level
            .all
            .set_weight(slot, when(m.health != EndpointHealth::Excluded));
    }

    fn count(&mut self, m: &Member, add: bool) {
        let Some(level) = self
            .levels
            .get_mut(m.priority as usize)
            .filter(|_| m.weight > 0)
        else {
            return;
        };
        let change = |sum: &mut u64, by: u64| {
            *sum = if add {
                *sum + by
            } else {
                sum.saturating_sub(by)
            };
        };
        change(&mut level.health.hosts, 1);
        let [healthy, degraded, all] = &mut level.warm_shares;
        let warm = |(now, whole): &mut (u64, u64)| {
            change(now, u64::from(m.weight));
            change(whole, u64::from(m.base.max(m.weight)));
        };
        match m.health {
            EndpointHealth::Excluded => return change(&mut level.health.excluded, 1),
            EndpointHealth::Failing => {}
            EndpointHealth::Degraded => {
                change(&mut level.health.degraded, 1);
                warm(degraded);
            }
            EndpointHealth::Healthy => {
                change(&mut level.health.healthy, 1);
                warm(healthy);
            }
        }
        warm(all);
    }

    fn divide(&mut self) {
        // Nobody here uses those that are excluded, not even in total panic: no load goes by their number.
        let counted = |level: &Level<P>| PriorityHealth {
            hosts: level.health.hosts.saturating_sub(level.health.excluded),
            excluded: 0,
            ..level.health
        };
        let hosts: Vec<PriorityHealth> = self.levels.iter().map(counted).collect();
        self.loads = priority_loads(&hosts, &self.rules);
        let warm_shares = |kind: usize| -> Vec<(u64, u64)> {
            let of = |level: &Level<P>| level.warm_shares.get(kind).copied().unwrap_or_default();
            self.levels.iter().map(of).collect()
        };
        let able = |well: fn(&PriorityHealth) -> u64| -> Vec<u64> {
            hosts
                .iter()
                .map(|p| health(p, well(p), &self.rules))
                .collect()
        };
        let (loads, rules) = (&self.loads, &self.rules);
        let total_panic = loads.panic.iter().all(|&p| p);
        let healthy = match total_panic {
            true => {
                let able: Vec<u64> = loads.healthy.iter().map(|&l| u64::from(l)).collect();
                by_warm_share(&loads.healthy, &able, &warm_shares(2), rules)
            }
            false => by_warm_share(&loads.healthy, &able(|p| p.healthy), &warm_shares(0), rules),
        };
        let degraded = by_warm_share(
            &loads.degraded,
            &able(|p| p.degraded),
            &warm_shares(1),
            rules,
        );
        for (i, (healthy, degraded)) in healthy.into_iter().zip(degraded).enumerate() {
            for (share, weight) in [(2 * i, healthy), (2 * i + 1, degraded)] {
                if self.shares.weight(share) != weight {
                    self.shares.set_weight(share, weight);
                }
            }
        }
    }

    /// How load is divided, by hosts: where warm-up or a drain keeps a priority from carrying its part, some of it
    /// goes to others meanwhile.
    #[must_use]
    pub fn loads(&self) -> &Loads {
        &self.loads
    }

    /// Who serves, for this caller: [`Mode::Empty`] means that [`Balancer::pick`] gives nobody, any other that it gives
    /// somebody. O(priorities).
    #[must_use]
    pub fn mode(&self) -> Mode {
        let used = |p: &PriorityHealth| p.hosts.saturating_sub(p.excluded) > 0;
        let well = |p: &PriorityHealth| p.healthy > 0 || p.degraded > 0;
        let total_panic = self.loads.panic.iter().all(|&p| p);
        let serves = |l: &Level<P>| well(&l.health) || (total_panic && used(&l.health));
        if !self.levels.iter().any(serves) {
            return Mode::Empty;
        }
        let loads = self.loads.healthy.iter().zip(&self.loads.degraded);
        let mut panics = loads.zip(&self.loads.panic);
        if panics.any(|((h, d), &panics)| panics && h + d > 0) {
            return Mode::Panic;
        }
        match self.loads.degraded.iter().any(|&d| d > 0) {
            true => Mode::Degraded,
            false => Mode::Normal,
        }
    }

    /// The health of each priority, in hosts.
    pub fn health(&self) -> impl Iterator<Item = PriorityHealth> + '_ {
        self.levels.iter().map(|l| l.health)
    }

    /// The slot of the next request; `None` when nothing may be used ([`Mode::Empty`]): nobody is healthy or degraded and
    /// has weight, and either panic is off or nobody fails. One healthy host of however many is enough.
    pub fn pick(&mut self, request: &Request) -> Option<usize> {
        let share = self.shares.pick(&Request::default())?;
        self.pick_from(share, request, &[])
    }

    /// The slot of a retry: none of those tried already; `None` when no other may be used. Where the priority whose turn
    /// it is has no other, the best that has one serves, whatever its load, but for those that panic without any.
    pub fn pick_except(&mut self, request: &Request, tried: &[usize]) -> Option<usize> {
        let share = self.shares.pick(&Request::default())?;
        if let Some(slot) = self.pick_from(share, request, tried) {
            return Some(slot);
        }
        let usable = |b: &Self, at: usize| {
            let loads = [&b.loads.healthy, &b.loads.degraded];
            let loaded = loads.iter().any(|l| l.get(at).is_some_and(|&l| l > 0));
            loaded || b.loads.panic.get(at) == Some(&false)
        };
        (0..2 * self.levels.len()).find_map(|other| match usable(self, other / 2) {
            true => self.pick_from(other, request, tried),
            false => None,
        })
    }

    fn pick_from(&mut self, share: usize, request: &Request, tried: &[usize]) -> Option<usize> {
        self.now = self.now.max(request.now);
        let at = share / 2;
        let panic = self.loads.panic.get(at).copied().unwrap_or(false);
        let level = self.levels.get_mut(at)?;
        let kind = if panic { ALL } else { share % 2 };
        let picker = level.picker(kind);
        let slot = match tried {
            [] => picker.pick(request),
            _ => picker.pick_except(request, tried),
        }?;
        let counts = self.under_way.get_mut(slot);
        if let Some(n) = counts.and_then(|c| c.get_mut(kind)) {
            *n = n.saturating_add(1);
        }
        Some(slot)
    }

    /// A request that was given to a slot is over, and well.
    pub fn done(&mut self, slot: usize, now: Timestamp, latency: Duration) {
        self.ended(slot, now, latency, CallOutcome::Ok);
    }

    /// A request that was given to a slot is over, in whatever way; see [`Picker::ended`].
    pub fn ended(&mut self, slot: usize, now: Timestamp, latency: Duration, outcome: CallOutcome) {
        self.now = self.now.max(now);
        let (Some(member), Some(counts)) = (self.members.get(slot), self.under_way.get_mut(slot))
        else {
            return;
        };
        // When the kind of use has changed since, the former kind's requests end first.
        let panic = self.loads.panic.get(member.priority as usize) == Some(&true);
        let present = match member.health {
            _ if panic => ALL,
            EndpointHealth::Degraded => 1,
            _ => 0,
        };
        let former = [0, 1, ALL].into_iter().filter(|&kind| kind != present);
        let mut kinds = former.chain([present]);
        let kind = kinds.find(|&kind| counts.get(kind).is_some_and(|&n| n > 0));
        let kind = kind.unwrap_or(present);
        if let Some(n) = counts.get_mut(kind) {
            *n = n.saturating_sub(1);
        }
        if let Some(level) = self.levels.get_mut(member.priority as usize) {
            level.picker(kind).ended(slot, now, latency, outcome);
        }
    }
}

/// The kind of use that is neither healthy (0) nor degraded (1) only.
const ALL: usize = 2;

impl<P> Level<P> {
    fn picker(&mut self, kind: usize) -> &mut P {
        match kind {
            0 => &mut self.healthy,
            1 => &mut self.degraded,
            _ => &mut self.all,
        }
    }
}
