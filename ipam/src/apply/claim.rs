//! Claims: taking addresses, prolonging leases, giving addresses back.

use super::{ApplyError, unknown};
use crate::change::What;
use crate::cidr::{Family, number};
use crate::claim::{Kept, Origin, Place};
use crate::pool::cells::State;
use crate::pool::spec::{Affinity, Order, name_fits};
use crate::rng::hash;
use crate::state::{Claim, Ipam, Kind, NONE, Spot, Spots, Workload};
use crate::time::{Timestamp, nanos};
use alloc::borrow::Cow;

impl Ipam {
    pub(super) fn apply_claimed(&mut self, what: &What<'_>) -> Result<(), ApplyError> {
        let What::Claimed {
            owner,
            workload,
            host,
            sequence,
            until,
            kept,
            v4,
            v6,
        } = what
        else {
            return Ok(());
        };
        self.check_claimed(owner, workload.as_ref(), host.as_ref(), *kept)?;
        for (family, place) in [(Family::V4, v4), (Family::V6, v6)] {
            if let Some(place) = place {
                self.check_place(family, place, workload.as_deref())?;
            }
        }
        if v4.is_none() && v6.is_none() {
            return Err(bad_name("owner", owner, "claims nothing"));
        }
        self.make_claim(what, *sequence, until.unwrap_or(Timestamp::MAX), *kept);
        Ok(())
    }

    fn check_claimed(
        &self,
        owner: &str,
        workload: Option<&Cow<'_, str>>,
        host: Option<&Cow<'_, str>>,
        kept: Kept,
    ) -> Result<(), ApplyError> {
        for name in [Some(owner), workload.map(|w| &**w), host.map(|h| &**h)]
            .into_iter()
            .flatten()
        {
            name_fits(name).map_err(|_| bad_name("name", name, "does not fit"))?;
        }
        if self.owner(owner).is_some() {
            return Err(bad_name("owner", owner, "exists already"));
        }
        if workload.is_none() && kept != Kept::Ephemeral {
            return Err(bad_name("owner", owner, "keeps an address for no workload"));
        }
        Ok(())
    }

    /// Whether an address may go to a claim of a workload.
    fn check_place(
        &self,
        family: Family,
        place: &Place,
        workload: Option<&str>,
    ) -> Result<(), ApplyError> {
        let address = place.address;
        let refuse = |why| Err(ApplyError::Address { address, why });
        let pool = self
            .pool_at(place.pool.0)
            .ok_or(ApplyError::NoPool(place.pool))?;
        if Family::of(address) != family || !pool.spec.cidr.contains(address) {
            return refuse("is not of its pool");
        }
        if pool.spec.excludes(address).is_some() {
            return refuse("is excluded");
        }
        let Some(slot) = pool.slot(address) else {
            return Ok(());
        };
        match pool.state(slot) {
            State::Held(_) => refuse("is held"),
            State::Kept(w) if workload.is_none_or(|n| self.workload(n) != Some(w)) => {
                refuse("is kept for another workload")
            }
            State::Resting(_)
                if !matches!(place.origin, Origin::Early { .. } | Origin::Restored) =>
            {
                refuse("is resting")
            }
            _ => Ok(()),
        }
    }

    /// Everything was checked.
    fn make_claim(&mut self, what: &What<'_>, sequence: u64, until: Timestamp, kept: Kept) {
        let What::Claimed {
            owner,
            workload,
            host,
            v4,
            v6,
            ..
        } = what
        else {
            return;
        };
        let workload = workload
            .as_deref()
            .map_or(NONE, |w| self.intern_workload(w));
        let host = host.as_deref().map_or(NONE, |h| self.intern_host(h));
        let (kind, touched, name) = (Kind::from(kept), self.now, self.names.insert(owner));
        let (next, spots) = (NONE, Spots::EMPTY);
        let claim = Claim {
            sequence,
            touched,
            until,
            owner: name,
            workload,
            host,
            next,
            spots,
            kind,
        };
        let id = self.link_claim(claim, owner, kept);
        let mut spots = Spots::EMPTY;
        for place in [v4, v6].into_iter().flatten() {
            let spot = self.take_place(id, workload, host == NONE, place, kind);
            spots.set(Family::of(place.address), spot);
        }
        if let Some(claim) = self.claims.get_mut(id) {
            claim.spots = spots;
        }
    }

    /// Stores a claim and makes it known to index, workload and host; its slots are the caller's matter.
    pub(crate) fn link_claim(&mut self, mut claim: Claim, owner: &str, kept: Kept) -> u32 {
        let (workload, host, sequence) = (claim.workload, claim.host, claim.sequence);
        claim.next = self.workloads.get(workload).map_or(NONE, |w| w.head);
        let id = self.claims.insert(claim);
        let (seed, names, claims) = (self.seed, &self.names, &self.claims);
        self.by_owner
            .insert_unique(hash(seed, owner.as_bytes()), id, |&i| {
                hash(seed, claims.get(i).map_or(&[], |c| names.bytes(c.owner)))
            });
        if let Some(w) = self.workloads.get_mut(workload) {
            w.head = id;
            if let Kept::Sticky(ttl) = kept {
                w.ttl = nanos(ttl);
            }
        }
        if let Some(host) = self.hosts.get_mut(host) {
            host.uses += 1;
        }
        self.sequence = self.sequence.max(sequence);
        id
    }

    fn take_place(
        &mut self,
        claim: u32,
        workload: u32,
        hostless: bool,
        place: &Place,
        kind: Kind,
    ) -> Option<Spot> {
        let now = self.now;
        let pool = self.pool_at_mut(place.pool.0)?;
        let slot = pool.materialise(place.address)?;
        let spot = Spot {
            pool: place.pool.0,
            slot,
        };
        let chosen = place.origin == Origin::Fresh;
        let offset = number(place.address).saturating_sub(pool.spec.cidr.base());
        match pool.spec.order {
            Order::RoundRobin if place.origin != Origin::Reused => {
                pool.cursor = offset.saturating_add(1);
            }
            // Only what was chosen from the whole pool says that all below was given out.
            Order::Lru if chosen && (hostless || pool.spec.affinity == Affinity::Off) => {
                pool.cursor = pool.cursor.max(offset.saturating_add(1));
            }
            _ => {}
        }
        pool.hold(slot, claim, now);
        self.note_taken(workload, spot, Family::of(place.address), kind);
        Some(spot)
    }

    /// The workload's memory of an address that one of its claims now holds.
    fn note_taken(&mut self, id: u32, spot: Spot, family: Family, kind: Kind) {
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        if kind == Kind::Fixed {
            if !workload.fixed {
                // What was kept for a time only is not part of the reservation.
                self.unkeep_others(id, spot);
            }
            let known = self.kept_spots(id).any(|s| s == spot);
            let Some(workload) = self.workloads.get_mut(id) else {
                return;
            };
            workload.fixed = true;
            match workload.spots.get(family) {
                _ if known => {}
                None => workload.spots.set(family, Some(spot)),
                Some(_) => self.extra.entry(id).or_default().push(spot),
            }
            return;
        }
        if !workload.fixed && workload.spots.get(family) == Some(spot) {
            workload.spots.set(family, None);
            if workload.spots.is_empty() {
                self.forget_at(id, None);
            }
        }
    }

    /// Lets go of a sticky workload's kept addresses but one.
    fn unkeep_others(&mut self, id: u32, but: Spot) {
        let now = self.now;
        self.forget_at(id, None);
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        let spots = core::mem::replace(&mut workload.spots, Spots::EMPTY);
        for (_, spot) in spots.iter().filter(|&(_, s)| s != but) {
            self.rest_spot(spot, now);
        }
    }

    pub(crate) fn rest_spot(&mut self, spot: Spot, at: Timestamp) {
        let now = self.now;
        if let Some(pool) = self
            .pools
            .get_mut(spot.pool as usize)
            .and_then(Option::as_mut)
        {
            pool.let_rest(spot.slot, at, now);
            self.due = self.due.min(pool.next_due());
        }
    }

    pub(crate) fn intern_workload(&mut self, name: &str) -> u32 {
        if let Some(id) = self.workload(name) {
            return id;
        }
        let id = self.workloads.insert(Workload {
            ttl: 0,
            name: self.names.insert(name),
            head: NONE,
            spots: Spots::EMPTY,
            fixed: false,
        });
        let (seed, names, workloads) = (self.seed, &self.names, &self.workloads);
        self.by_workload
            .insert_unique(hash(seed, name.as_bytes()), id, |&i| {
                hash(seed, workloads.get(i).map_or(&[], |w| names.bytes(w.name)))
            });
        id
    }

    pub(super) fn apply_lease(
        &mut self,
        owner: &str,
        sequence: u64,
        next: u64,
        until: Option<Timestamp>,
    ) -> Result<(), ApplyError> {
        let id = self.checked_owner(owner, sequence)?;
        let now = self.now;
        if let Some(claim) = self.claims.get_mut(id) {
            claim.until = until.unwrap_or(Timestamp::MAX);
            claim.touched = now;
            claim.sequence = next;
        }
        self.suspects.remove(&id);
        self.sequence = self.sequence.max(next);
        Ok(())
    }

    pub(super) fn checked_owner(&self, owner: &str, sequence: u64) -> Result<u32, ApplyError> {
        let id = self.owner(owner).ok_or_else(|| unknown("owner", owner))?;
        let current = self.claims.get(id).map_or(0, |c| c.sequence);
        if current != sequence {
            let owner = crate::cidr::shortened(owner);
            return Err(ApplyError::Sequence {
                owner,
                given: sequence,
                current,
            });
        }
        Ok(id)
    }

    pub(super) fn apply_released(&mut self, owner: &str, sequence: u64) -> Result<(), ApplyError> {
        let id = self.checked_owner(owner, sequence)?;
        let Some(claim) = self.take_claim(id, owner) else {
            return Ok(());
        };
        for (family, spot) in claim.spots.iter() {
            self.give_back(&claim, family, spot);
        }
        self.drop_workload_if_idle(claim.workload);
        self.drop_host_if_idle(claim.host);
        Ok(())
    }

    /// Takes a claim out of the records, its index, its workload's chain and its host's count.
    pub(crate) fn take_claim(&mut self, id: u32, owner: &str) -> Option<Claim> {
        let hash = hash(self.seed, owner.as_bytes());
        if let Ok(entry) = self.by_owner.find_entry(hash, |&i| i == id) {
            entry.remove();
        }
        self.suspects.remove(&id);
        let claim = self.claims.remove(id)?;
        self.names.remove(claim.owner);
        self.unlink(claim.workload, id, claim.next);
        if let Some(host) = self.hosts.get_mut(claim.host) {
            host.uses = host.uses.saturating_sub(1);
        }
        Some(claim)
    }

    /// Takes a claim out of its workload's chain.
    fn unlink(&mut self, workload: u32, id: u32, next: u32) {
        let Some(w) = self.workloads.get_mut(workload) else {
            return;
        };
        if w.head == id {
            w.head = next;
            return;
        }
        let mut at = w.head;
        while let Some(claim) = self.claims.get_mut(at) {
            if claim.next == id {
                claim.next = next;
                return;
            }
            at = claim.next;
        }
    }

    /// An address after its claim: reserved ones stay with the workload, sticky ones for a time, unless the
    /// workload holds another of the family by now; the rest goes to rest.
    fn give_back(&mut self, claim: &Claim, family: Family, spot: Spot) {
        let (now, id) = (self.now, claim.workload);
        let reserved = self.workloads.get(id).is_some_and(|w| w.fixed);
        if reserved && self.kept_spots(id).any(|s| s == spot) {
            if let Some(pool) = self.pool_at_mut(spot.pool) {
                pool.keep(spot.slot, id, now);
            }
            return;
        }
        let draining = self.pool_at(spot.pool).is_none_or(|p| p.draining);
        let others = self.claims_of(id).any(|c| {
            self.claims
                .get(c)
                .is_some_and(|c| c.spots.get(family).is_some())
        });
        // On its way an address waits for the new host, whatever else the workload holds; what it let go of
        // besides does not take that one's place.
        let moving = self.moves.get(&id).and_then(|m| m.spots.get(family));
        if moving == Some(spot) && !reserved {
            return self.keep_sticky(id, family, spot);
        }
        let others = others || moving.is_some();
        if claim.kind != Kind::Sticky || reserved || draining || others {
            self.rest_spot(spot, now);
            return;
        }
        self.keep_sticky(id, family, spot);
    }

    /// A sticky workload will find this address again; the one it kept of the family goes.
    fn keep_sticky(&mut self, id: u32, family: Family, spot: Spot) {
        let now = self.now;
        let moving = self.moves.contains_key(&id);
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        let old = workload.spots.get(family);
        workload.spots.set(family, Some(spot));
        let until = Timestamp::from_nanos(now.as_nanos().saturating_add(workload.ttl));
        self.forget_at(id, (!moving).then_some(until));
        if let Some(pool) = self.pool_at_mut(spot.pool) {
            pool.keep(spot.slot, id, now);
        }
        if let Some(old) = old.filter(|&o| o != spot) {
            self.rest_spot(old, now);
        }
    }
}

pub(super) fn bad_name(what: &'static str, name: &str, state: &'static str) -> ApplyError {
    ApplyError::Name {
        what,
        name: crate::cidr::shortened(name),
        state,
    }
}
