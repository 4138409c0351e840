//! What hosts know: which containers run on them, and which addresses these use.

use crate::setup::{GRACE, STICKY, Setup};
use crate::world::{Operation, World};
use ipam::claim::Families;
use ipam::rng::{Xoshiro256PlusPlus, stream};
use ipam::store::Sent;
use ipam::{Grant, Request, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// How an owner's address is retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Ephemeral,
    Sticky,
    Fixed,
}

/// Where a container's address stands, as its host's agent sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is no container.
    Gone,
    /// It waits for its address: asked for or not, answered or not.
    Starting,
    /// It uses its address.
    Running(Held),
    /// It uses it no longer, and that is to be said.
    Stopping { sequence: u64 },
}

/// An address in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) sequence: u64,
    /// When the host stops using it by its monotonic clock, unless it is renewed.
    pub(crate) stop_at: Timestamp,
    /// When it is to be renewed.
    pub(crate) renew_at: Timestamp,
}

/// One container, by the name of its owner.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) families: Families,
    pub(crate) workload: Option<String>,
    pub(crate) keep: Keep,
    pub(crate) state: State,
}

/// Who lived when somebody looked.
#[derive(Clone, Debug)]
pub(crate) struct CensusTaken {
    /// By the time that who looked goes by.
    pub(crate) began: Timestamp,
    /// By the true time.
    pub(crate) at: Timestamp,
    pub(crate) living: BTreeSet<String>,
}

/// How a host talks to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriverKind {
    /// The whole state at hand.
    Whole,
    /// A few records for each operation.
    Part,
    /// The allocator of one host, which keeps what it read.
    Host,
}

/// One host. What is in here outlives the agent's process.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) kind: DriverKind,
    pub(crate) slots: BTreeMap<String, Slot>,
    /// Releases that were sent, and may come again.
    pub(crate) late: Vec<(String, u64)>,
    /// Milliseconds that its clock is ahead.
    pub(crate) clock: i64,
    pub(crate) up: bool,
    pub(crate) cut_until: Timestamp,
    pub(crate) stalled_until: Timestamp,
    /// Counts its futures: what was meant for another is not for this one.
    pub(crate) life: u32,
    pub(crate) operation: Operation,
    pub(crate) census: Option<CensusTaken>,
    /// Owners that its censuses missed, since when: for the bug that collects by name.
    pub(crate) missing: BTreeMap<String, Timestamp>,
    /// When a census last left this host out.
    pub(crate) left_out: Timestamp,
    pub(crate) rng: Xoshiro256PlusPlus,
}

impl Host {
    /// The host with this number; after the last one comes the operator, on whom nothing runs.
    pub(crate) fn new(setup: &Setup, number: usize) -> Self {
        let operator = number == setup.hosts;
        let name = match operator {
            true => "operator".to_owned(),
            false => format!("h{number}"),
        };
        let mut rng = stream(setup.seed, &name);
        let kinds = [
            DriverKind::Whole,
            DriverKind::Part,
            DriverKind::Host,
            DriverKind::Host,
        ];
        let drawn = *crate::setup::pick(&mut rng, &kinds);
        let kind = if operator { DriverKind::Whole } else { drawn };
        let mut slots = BTreeMap::new();
        for i in 0..setup.plain {
            let workload = (i > 0).then(|| format!("{name}-w{i}"));
            let keep = if i > 1 { Keep::Sticky } else { Keep::Ephemeral };
            slots.insert(format!("{name}/c{i}"), Slot::new(setup, workload, keep));
        }
        for i in 0..setup.movable {
            let keep = if i % 2 == 0 {
                Keep::Sticky
            } else {
                Keep::Fixed
            };
            slots.insert(
                format!("{name}/m{i}"),
                Slot::new(setup, Some(format!("m{i}")), keep),
            );
        }
        if operator {
            slots.clear();
        }
        Self {
            kind,
            slots,
            late: Vec::new(),
            clock: 0,
            up: !operator,
            cut_until: Timestamp::ZERO,
            stalled_until: Timestamp::ZERO,
            life: 0,
            operation: Operation::default(),
            census: None,
            missing: BTreeMap::new(),
            left_out: Timestamp::ZERO,
            rng,
            name,
        }
    }
}

impl Slot {
    fn new(setup: &Setup, workload: Option<String>, keep: Keep) -> Self {
        Self {
            families: setup.families,
            workload,
            keep,
            state: State::Gone,
        }
    }

    /// What its container asks for.
    pub(crate) fn request<'a>(&'a self, owner: &'a str, host: &'a str) -> Request<'a> {
        let mut request = Request::new(owner).host(host).families(self.families);
        request.workload = self.workload.as_deref();
        match self.keep {
            Keep::Ephemeral => request,
            Keep::Sticky => request.sticky(STICKY),
            Keep::Fixed => request.fixed(&[]),
        }
    }

    /// What it uses at a time, by the host's monotonic clock.
    pub(crate) fn used(&self, now: Timestamp) -> Option<&Held> {
        match &self.state {
            State::Running(held) if now < held.stop_at => Some(held),
            _ => None,
        }
    }
}

impl World {
    /// What a host's monotonic clock shows: it was started some other time ago.
    pub(crate) fn monotonic(&self, host: usize) -> Timestamp {
        self.now.after(Duration::from_secs(1_000) * host as u32)
    }

    /// What a host's wall clock says.
    pub(crate) fn clock(&self, host: usize) -> Timestamp {
        let ahead = i128::from(self.hosts[host].clock) * 1_000_000;
        let nanos = i128::from(self.now.as_nanos()) + ahead;
        Timestamp::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// A grant was answered to a claim that was sent at `sent` by the monotonic clock, at `told` by the other one. The agent
    /// uses it; what it had before must have been the same, if it could still be used.
    pub(crate) fn granted(
        &mut self,
        host: usize,
        owner: &str,
        grant: &Grant,
        (sent, told): (Timestamp, Timestamp),
    ) {
        let told = Sent {
            store: told,
            monotonic: sent,
        };
        let lasts = ipam::store::Held::granted(grant, told, self.setup.margin());
        let held = Held {
            addresses: grant.leases.iter().map(|lease| lease.address).collect(),
            sequence: grant.sequence,
            stop_at: lasts.usable_until.unwrap_or(Timestamp::MAX),
            renew_at: lasts.renew_at.unwrap_or(sent.after(GRACE / 3)),
        };
        self.note(host, || {
            format!("{owner} has {:?} ({})", held.addresses, held.sequence)
        });
        self.sign_of_life(owner, held.sequence, sent);
        let now = self.now;
        let Some(slot) = self.hosts[host].slots.get_mut(owner) else {
            return;
        };
        let before = slot.used(now).cloned();
        slot.state = State::Running(held.clone());
        if let Some(before) = before
            && (before.sequence, &before.addresses) != (held.sequence, &held.addresses)
        {
            let had = (before.addresses, before.sequence);
            self.checks.fail(|| {
                format!(
                    "{owner} claimed again and was given {held:?} instead of {had:?}, which it uses"
                )
            });
        }
        if now < held.stop_at {
            self.check_users(host, owner, &held.addresses);
        }
    }

    /// No address is used by two hosts at once, as their agents see it.
    fn check_users(&mut self, host: usize, owner: &str, addresses: &[IpAddr]) {
        for other in &self.hosts {
            for (name, slot) in &other.slots {
                let used = slot.used(self.now).map_or(&[][..], |held| &held.addresses);
                let both = used.iter().find(|a| addresses.contains(a));
                if let Some(address) = both.filter(|_| name != owner) {
                    let me = &self.hosts[host].name;
                    let line = format!(
                        "{address} is used by {name} on {} and by {owner} on {me}",
                        other.name
                    );
                    return self.checks.fail(|| line);
                }
            }
        }
    }

    /// Whether some container is using an address by this claim.
    pub(crate) fn uses(&self, owner: &str, sequence: u64) -> bool {
        let slots = self.hosts.iter().filter_map(|host| host.slots.get(owner));
        let mut used = slots.filter_map(|slot| slot.used(self.now));
        used.any(|held| held.sequence == sequence)
    }

    /// Takes a census: all whose containers run or start, now and then without a host that could not be asked. A host is only left
    /// out while its containers have given a sign of life since they were last missed: those that are missed for a grace
    /// period without one are collected, and rightly so.
    pub(crate) fn take_census(
        &mut self,
        began: Timestamp,
        leave_out: Option<usize>,
    ) -> CensusTaken {
        let now = self.now;
        let leave_out = leave_out.filter(|&out| {
            let other = &self.hosts[out];
            let mut used = other
                .slots
                .iter()
                .filter_map(|(o, s)| Some((o, s.used(now)?)));
            let settled = other.left_out.after(CENSUS_LASTS * 2) < now;
            settled && used.all(|(owner, held)| !self.checks.is_suspected(owner, held.sequence))
        });
        if let Some(out) = leave_out {
            self.hosts[out].left_out = now;
            self.count("host missed by a census");
        }
        let living = |(owner, slot): (&String, &Slot)| {
            let lives = matches!(slot.state, State::Starting | State::Running(_));
            lives.then(|| owner.clone())
        };
        let asked = self
            .hosts
            .iter()
            .enumerate()
            .filter(|(i, _)| Some(*i) != leave_out);
        let living = asked.flat_map(|(_, h)| h.slots.iter().filter_map(living));
        CensusTaken {
            began,
            at: now,
            living: living.collect(),
        }
    }
}

/// How long after it was taken a census may still be used: an operation and a stalled message included.
pub(crate) const CENSUS_LASTS: Duration = Duration::from_secs(50);
