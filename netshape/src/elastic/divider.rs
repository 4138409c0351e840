//! Re-division of shared capacity, once an interval, from what was measured.

use super::divide::Claim;
use super::divide::Scratch;
use super::divide::divide;
use super::entitlement::Entitlement;
use super::estimate::Class;
use super::estimate::Usage;
use crate::policy::{Direction, Slot};
use crate::unit::Rate;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

/// How readily allocations change, and how much credit can be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "hysteresis")]
pub struct ElasticConfig {
    /// An allocation stays as it is while the new one differs by less than a 2^-`deadband_shift` part of it.
    pub deadband_shift: u32,
    /// Seconds of its guarantee that a class can have saved up as credit; 0 turns credits off.
    pub credit_seconds: u32,
}

impl Default for ElasticConfig {
    fn default() -> Self {
        Self {
            deadband_shift: 4,
            credit_seconds: 10,
        }
    }
}

impl ElasticConfig {
    /// Sets the deadband: a 2^-`deadband_shift` part of an allocation.
    #[must_use]
    pub const fn with_deadband_shift(mut self, deadband_shift: u32) -> Self {
        self.deadband_shift = deadband_shift;
        self
    }

    /// Sets how many seconds of its guarantee a class can save up; 0 turns credits off.
    #[must_use]
    pub const fn with_credit_seconds(mut self, credit_seconds: u32) -> Self {
        self.credit_seconds = credit_seconds;
        self
    }
}

/// One allocation that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllocationChange {
    /// The container whose allocation it is.
    pub slot: Slot,
    /// What it could reach ([`Elastic::allocation`]).
    pub from: Rate,
    /// What it may reach now.
    pub to: Rate,
}

impl fmt::Display for AllocationChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slot, from, to } = self;
        write!(f, "slot {}: {from} to {to}", slot.index())
    }
}

/// Divides one capacity among classes. Everything is kept in buffers that are used again: a step allocates nothing once
/// they have grown.
///
/// ```
/// use core::time::Duration;
/// use netshape::elastic::{Elastic, ElasticConfig, Entitlement, Usage};
/// use netshape::{Capabilities, Container, Direction, Host, Rate, Shape};
///
/// # let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
/// # let shape = Shape::new(Rate::mbit(20), Rate::mbit(100))?;
/// # let [a, b] = ["a", "b"].map(|id| {
/// #     host.insert(Container::new(id, id).unwrap().with_shape(Direction::Egress, shape)).unwrap()
/// # });
/// let mut elastic = Elastic::new(Rate::mbit(100), ElasticConfig::default());
/// for slot in [a, b] {
///     elastic.set(slot, host.entitlement(slot, Direction::Egress)); // 20 to 100 Mbit/s
/// }
/// // `a` uses all that it is given, `b` nothing: what is spare goes to `a`.
/// let mut used = [Usage::default(); 2];
/// for _ in 0..8 {
///     used[a.index()] = Usage::sent(elastic.allocation(a).unwrap()).with_backlog(9_000);
///     elastic.step(Duration::from_secs(1), &used);
/// }
/// assert!(elastic.allocation(a) > Some(Rate::mbit(90)));
/// assert!(elastic.allocated() <= elastic.capacity());
/// elastic.apply_to(&mut host, Direction::Egress); // the next plan changes the classes in place
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Elastic {
    config: ElasticConfig,
    capacity: u64,
    classes: Vec<Class>,
    /// Classes whose terms are set.
    present: usize,
    /// Sum of all allocations.
    allocated: u128,
    /// Membership, terms or capacity changed since the last division.
    stale: bool,
    claims: Vec<Claim>,
    share: Vec<u64>,
    target: Vec<u64>,
    scratch: Scratch,
    changes: Vec<AllocationChange>,
}

impl Elastic {
    /// A divider of `capacity` without classes.
    #[must_use]
    pub const fn new(capacity: Rate, config: ElasticConfig) -> Self {
        Self {
            config,
            capacity: capacity.bits(),
            classes: Vec::new(),
            present: 0,
            allocated: 0,
            stale: true,
            claims: Vec::new(),
            share: Vec::new(),
            target: Vec::new(),
            scratch: Scratch::new(),
            changes: Vec::new(),
        }
    }

    /// Changes the capacity, as of the next step.
    pub fn set_capacity(&mut self, capacity: Rate) {
        self.stale |= self.capacity != capacity.bits();
        self.capacity = capacity.bits();
    }

    /// The capacity that is divided.
    #[must_use]
    pub const fn capacity(&self) -> Rate {
        Rate::from_bits(self.capacity)
    }

    /// Sets what a class is entitled to, or removes the class. A new class has no allocation before the next step.
    pub fn set(&mut self, slot: Slot, terms: Option<Entitlement>) {
        while self.classes.len() <= slot.index() && terms.is_some() {
            self.classes.push(Class::default());
        }
        let Some(class) = self.classes.get_mut(slot.index()) else {
            return;
        };
        self.present -= usize::from(class.present);
        match terms {
            Some(terms) => {
                class.set(&terms);
                self.present += 1;
            }
            None => {
                self.allocated -= u128::from(class.allocated);
                *class = Class::default();
            }
        }
        self.stale = true;
    }

    /// Gives a class that was set what it had before, from another divider say. It is taken to use that until it is seen to use less.
    pub fn resume(&mut self, slot: Slot, allocation: Rate) {
        let Some(class) = self.classes.get_mut(slot.index()).filter(|c| c.present) else {
            return;
        };
        let allocation = allocation.bits().min(class.ceiling);
        self.allocated = self.allocated - u128::from(class.allocated) + u128::from(allocation);
        class.allocated = allocation;
        class.estimate = class.estimate.max(allocation);
        class.settled = true;
    }

    /// What a class may reach now: what division gave it, and its guarantee at the least. What it does not use of that may have
    /// been given to others meanwhile, so that these do not add up to [`Elastic::allocated`].
    #[must_use]
    pub fn allocation(&self, slot: Slot) -> Option<Rate> {
        let class = self.classes.get(slot.index()).filter(|c| c.present);
        class.map(|c| Rate::from_bits(c.reach()))
    }

    /// The demand that is estimated for a class.
    #[must_use]
    pub fn estimate(&self, slot: Slot) -> Option<Rate> {
        self.classes
            .get(slot.index())
            .filter(|c| c.present)
            .map(|c| Rate::from_bits(c.estimate))
    }

    /// Sum of what division gave: never over the capacity, as long as the guarantees fit in.
    #[must_use]
    pub fn allocated(&self) -> Rate {
        Rate::from_bits(u64::try_from(self.allocated).unwrap_or(u64::MAX))
    }

    /// How many classes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.present
    }

    /// Whether there are no classes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// One interval: takes what each slot used in it (`usage` is indexed by [`Slot::index`]; what is missing used
    /// nothing) and returns the allocations that change. O(n), no allocation of memory in the steady state.
    pub fn step(&mut self, interval: Duration, usage: &[Usage]) -> &[AllocationChange] {
        self.changes.clear();
        let nanos = u64::try_from(interval.as_nanos())
            .unwrap_or(u64::MAX)
            .max(1);
        let credit = u64::from(self.config.credit_seconds);
        let (mut short, mut moved, mut spent, mut owed) = (false, false, false, false);
        let none = Usage::default();
        for (i, class) in self.classes.iter_mut().enumerate() {
            if class.present {
                class.observe(usage.get(i).unwrap_or(&none), nanos, credit);
                short |= class.estimate > class.allocated;
                // However little it lacks: a guarantee is not a matter of hysteresis.
                owed |= class.claim().floor > class.allocated;
                moved |= class.moved();
                // Whoever was lifted by credit comes down when that is used up.
                spent |= class.lifted && class.credit == 0;
            }
        }
        if self.stale || spent || owed || (short && moved) {
            self.divide();
        }
        &self.changes
    }

    /// Writes every current allocation into a host ([`Host::allocate`](crate::Host::allocate)), so that its next plan carries them
    /// out. Returns how many classes changed. O(n).
    pub fn apply_to(&self, host: &mut crate::policy::Host, direction: Direction) -> usize {
        let classes = (0_u32..).map(Slot).zip(&self.classes);
        let divided = classes.filter(|(_, c)| c.present && c.settled);
        divided
            .filter(|(slot, c)| host.allocate(*slot, direction, Some(Rate::from_bits(c.reach()))))
            .count()
    }

    /// Divides anew and gathers the changes.
    fn divide(&mut self) {
        self.stale = false;
        let id = |i: usize| i as u64;
        // First what is wanted, in guarantees and fair shares.
        self.claims.clear();
        self.claims.extend(self.classes.iter().map(Class::claim));
        divide(
            self.capacity,
            &self.claims,
            id,
            &mut self.scratch,
            &mut self.share,
        );
        self.spend_credits();
        // Then what is left, so that nobody is held below what nobody else wants.
        for ((class, claim), share) in self
            .classes
            .iter_mut()
            .zip(&mut self.claims)
            .zip(&self.share)
        {
            class.divided = class.estimate;
            *claim = Claim {
                floor: *share,
                cap: class.ceiling.max(*share),
                ..*claim
            };
        }
        divide(
            self.capacity,
            &self.claims,
            id,
            &mut self.scratch,
            &mut self.target,
        );
        self.settle();
    }

    /// Who has saved credit and is still short may take up to half of what the others have above their guarantees.
    fn spend_credits(&mut self) {
        let mut budget = 0_u64;
        let mut any = false;
        for ((class, claim), share) in self
            .classes
            .iter_mut()
            .zip(&mut self.claims)
            .zip(&self.share)
        {
            class.share = *share;
            class.lifted = false;
            let floor = claim.floor;
            let credit = class.credit.min(claim.cap.saturating_sub(*share));
            any |= credit > 0;
            if credit == 0 {
                budget = budget.saturating_add(share.saturating_sub(floor));
            }
            *claim = Claim {
                floor: 0,
                cap: credit,
                ..*claim
            };
        }
        if !any || budget < 2 {
            return;
        }
        let id = |i: usize| i as u64;
        divide(
            budget / 2,
            &self.claims,
            id,
            &mut self.scratch,
            &mut self.target,
        );
        for ((class, claim), extra) in self
            .classes
            .iter_mut()
            .zip(&mut self.claims)
            .zip(&self.target)
        {
            let wanted = class.claim();
            class.lifted = *extra > 0;
            let floor = match extra {
                0 => wanted.floor,
                extra => class.share.saturating_add(*extra).min(wanted.cap),
            };
            *claim = Claim { floor, ..wanted };
        }
        divide(
            self.capacity,
            &self.claims,
            id,
            &mut self.scratch,
            &mut self.share,
        );
    }

    /// From targets to allocations: what is near enough stays, if all of that fits in.
    fn settle(&mut self) {
        let deadband = self.config.deadband_shift.min(63);
        // `now` above `target` may stay only while there is room; below, only while it covers what is wanted.
        let stays = |class: &Class, share: u64, target: u64, above: bool| {
            let near = class.allocated.abs_diff(target) <= class.allocated >> deadband;
            let covers = class.allocated >= share && class.allocated <= class.ceiling;
            near && covers && (above || class.allocated <= target)
        };
        let mut above = true;
        for _ in 0..2 {
            let all = self.classes.iter().zip(&self.share).zip(&self.target);
            let sum: u128 = all
                .map(|((c, s), t)| {
                    u128::from(if stays(c, *s, *t, above) {
                        c.allocated
                    } else {
                        *t
                    })
                })
                .sum();
            if sum <= u128::from(self.capacity) {
                break;
            }
            above = false;
        }
        self.allocated = 0;
        let all = self.classes.iter_mut().zip(&self.share).zip(&self.target);
        for (i, ((class, share), target)) in all.enumerate() {
            if class.present && class.allocated != *target && !stays(class, *share, *target, above)
            {
                let slot = Slot(u32::try_from(i).unwrap_or(u32::MAX));
                let from = Rate::from_bits(class.reach());
                class.allocated = *target;
                let to = Rate::from_bits(class.reach());
                // What is below a guarantee is its owner's to take at any time, so nothing changes for it.
                if from != to || !class.settled {
                    self.changes.push(AllocationChange { slot, from, to });
                }
            }
            class.settled |= class.present;
            self.allocated += u128::from(class.allocated);
        }
    }
}
