//! Claims: taking addresses, prolonging leases, giving addresses back.

use super::making::{Making, tag_of};
use super::{ApplyError, unknown};
use crate::change::What;
use crate::cidr::Family;
use crate::claim::{Kept, Origin, Place};
use crate::identity::{DEFAULT_INTERFACE, Identity};
use crate::index::tag;
use crate::pool::cells::State;
use crate::pool::spec::name_fits;
use crate::state::{Claim, Ipam, Kind, NONE, Spot, Spots, Workload};
use crate::time::Timestamp;

impl Ipam {
    pub(super) fn apply_claimed(&mut self, what: &What<'_>) -> Result<(), ApplyError> {
        let What::Claimed {
            owner,
            workload,
            interface,
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
        for name in [Some(owner), host.as_ref()].into_iter().flatten() {
            name_fits(name).map_err(|_| bad_name("name", name, "does not fit"))?;
        }
        let identity = workload
            .as_deref()
            .map(|w| Identity::from((w, &**interface)));
        if let Some(Err((field, _))) = identity.map(Identity::check) {
            return Err(bad_name(
                field,
                workload.as_deref().unwrap_or_default(),
                "does not fit",
            ));
        }
        let named = |name| self.unfound(name);
        let making = Making {
            owner: self.named_owner(named(owner)),
            workload: identity.map(|i| self.named_workload(i)),
            interface,
            host: host.as_deref().map(|h| self.named_host(named(h))),
            sequence: *sequence,
            until: until.unwrap_or(Timestamp::MAX),
            kept: *kept,
            places: [*v4, *v6],
            slots: [NONE; 2],
        };
        self.check_claimed(&making)?;
        self.make_claim(&making);
        Ok(())
    }

    /// Whether the state allows a claim.
    pub(crate) fn check_claimed(&self, making: &Making<'_>) -> Result<(), ApplyError> {
        let odd = |state| Err(bad_name("owner", making.owner.name, state));
        if making.owner.id.is_some() {
            return odd("exists already");
        }
        if making.workload.is_none() && making.kept != Kept::Ephemeral {
            return odd("keeps an address for no workload");
        }
        let workload = making.workload.and_then(|w| w.id);
        for (family, place) in [Family::V4, Family::V6].into_iter().zip(&making.places) {
            if let Some(place) = place {
                self.check_place(family, place, workload)?;
            }
        }
        if making.places == [None, None] {
            return odd("claims nothing");
        }
        Ok(())
    }

    /// Whether an address may go to a claim of a workload.
    fn check_place(
        &self,
        family: Family,
        place: &Place,
        workload: Option<u32>,
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
            State::Kept(w) if workload != Some(w) => refuse("is kept for another workload"),
            State::Resting(_)
                if !matches!(place.origin, Origin::Early { .. } | Origin::Restored) =>
            {
                refuse("is resting")
            }
            _ => Ok(()),
        }
    }

    /// Gives a place, whose slot is this one unless it is [`NONE`], to a claim.
    pub(super) fn take_place(
        &mut self,
        claim: u32,
        workload: u32,
        hostless: bool,
        place: &Place,
        slot: u32,
        kind: Kind,
    ) -> Option<Spot> {
        let now = self.now;
        let pool = self.pool_at_mut(place.pool.0)?;
        let slot = match slot {
            NONE => pool.materialise(place.address)?,
            slot => slot,
        };
        debug_assert_eq!(pool.slot(place.address), Some(slot));
        let spot = Spot {
            pool: place.pool.0,
            slot,
        };
        pool.note_given(place.address, place.origin, hostless);
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
            if !workload.fixed() {
                // What was kept for a time only is not part of the reservation.
                self.unkeep_others(id, spot);
            }
            let known = self.kept_spots(id).any(|s| s == spot);
            let Some(workload) = self.workloads.get_mut(id) else {
                return;
            };
            workload.set_fixed(true);
            match workload.spots.get(family) {
                _ if known => {}
                None => workload.spots.set(family, Some(spot)),
                Some(_) => self.extra.entry(id).or_default().push(spot),
            }
            return;
        }
        if !workload.fixed() && workload.spots.get(family) == Some(spot) {
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

    pub(crate) fn intern_workload(&mut self, identity: Identity<'_>) -> u32 {
        let key = identity.key();
        let tag = tag(self.hashed(&key));
        match self.workload_at(tag, &key) {
            Some(id) => id,
            None => self.add_identity(tag, identity),
        }
    }

    /// A workload and interface that are not known yet.
    pub(crate) fn add_identity(&mut self, tag: u32, identity: Identity<'_>) -> u32 {
        if identity.interface != DEFAULT_INTERFACE {
            let interfaces = self.interfaces.entry(identity.workload.into());
            interfaces.or_default().insert(identity.interface.into());
        }
        self.add_workload(tag, &identity.key())
    }

    /// A workload that is not known yet, by its key.
    pub(crate) fn add_workload(&mut self, tag: u32, key: &str) -> u32 {
        let name = self.names.insert(key);
        let id = self.workloads.insert(Workload::new(name, tag));
        let workloads = &self.workloads;
        let tags = |w| workloads.get(w).map_or(0, |w| w.tag);
        self.by_workload.insert(tag, id, tags);
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
        self.end_claim(id, tag(self.hashed(owner)));
        Ok(())
    }

    /// Ends a claim, whose owner's tag this is.
    pub(crate) fn end_claim(&mut self, id: u32, tag: u32) {
        let Some(claim) = self.take_claim(id, tag) else {
            return;
        };
        for (family, spot) in claim.spots.iter() {
            self.give_back(&claim, family, spot);
        }
        self.drop_workload_if_idle(claim.workload);
        self.drop_host_if_idle(claim.host);
    }

    /// Takes a claim out of the records, its index, its workload's chain and its host's count.
    pub(crate) fn take_claim(&mut self, id: u32, tag: u32) -> Option<Claim> {
        let claim = self.claims.remove(id)?;
        let claims = &self.claims;
        self.by_owner.remove(tag, id, |c| tag_of(claims, c));
        if !self.suspects.is_empty() {
            self.suspects.remove(&id);
        }
        match self.claims.get_mut(claim.previous) {
            Some(previous) => previous.next = claim.next,
            None => {
                if let Some(w) = self.workloads.get_mut(claim.workload) {
                    w.set_head(claim.next);
                }
            }
        }
        if let Some(next) = self.claims.get_mut(claim.next) {
            next.previous = claim.previous;
        }
        if let Some(host) = self.hosts.get_mut(claim.host) {
            host.uses = host.uses.saturating_sub(1);
        }
        Some(claim)
    }

    /// An address after its claim: reserved ones stay with the workload, sticky ones for a time, unless the
    /// workload holds another of the family by now; the rest goes to rest.
    fn give_back(&mut self, claim: &Claim, family: Family, spot: Spot) {
        let id = claim.workload;
        let reserved = self.workloads.get(id).is_some_and(Workload::fixed);
        if reserved && self.kept_spots(id).any(|s| s == spot) {
            if let Some(pool) = self.pool_at_mut(spot.pool) {
                pool.keep_held(spot.slot, id);
            }
            return;
        }
        // Most are neither kept nor on their way.
        if claim.kind == Kind::Ephemeral && !reserved && self.moves.is_empty() {
            return self.let_go(spot);
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
        if claim.kind == Kind::Sticky && !reserved && !draining && !others {
            return self.keep_sticky(id, family, spot);
        }
        self.let_go(spot);
    }

    /// An address that a claim held goes to rest.
    #[inline]
    fn let_go(&mut self, spot: Spot) {
        let now = self.now;
        if let Some(Some(pool)) = self.pools.get_mut(usize::from(spot.pool)) {
            pool.let_go(spot.slot, now);
            self.due = self.due.min(pool.next_due());
        }
    }

    /// A sticky workload will find this address again; the one it kept of the family goes.
    fn keep_sticky(&mut self, id: u32, family: Family, spot: Spot) {
        let now = self.now;
        let moving = self.moves.contains_key(&id);
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        let (old, first) = (workload.spots.get(family), workload.spots.is_empty());
        workload.spots.set(family, Some(spot));
        let until = Timestamp::from_nanos(now.as_nanos().saturating_add(workload.ttl));
        // What kept nothing was to forget nothing.
        if !first {
            self.sticky.remove(id);
        }
        if !moving {
            self.due = self.due.min(self.sticky.add(id, until));
        }
        if let Some(pool) = self.pool_at_mut(spot.pool) {
            pool.keep_held(spot.slot, id);
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
