//! Claims: taking addresses, prolonging leases, giving addresses back.

use super::draft::Draft;
use super::{ApplyError, unknown};
use crate::change::ChangeKind;
use crate::cidr::Family;
use crate::claim::{Origin, Place, RetentionKind};
use crate::identity::Identity;
use crate::index::tag;
use crate::pool::cells::State;
use crate::pool::spec::name_fits;
use crate::state::{Ipam, Kind, NONE, Spot};
use crate::store::MOST_COUNT;
use crate::time::Timestamp;

impl Ipam {
    pub(super) fn apply_claimed(&mut self, kind: &ChangeKind<'_>) -> Result<(), ApplyError> {
        let ChangeKind::Claimed {
            owner,
            workload,
            interface,
            host,
            sequence,
            until,
            retention,
            v4,
            v6,
        } = kind
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
        let unfound = self.unfound(owner);
        let workload = identity.map(|i| self.unfound_workload(i));
        self.prefetch_names(unfound, workload);
        let host = host.as_deref().map(|h| self.named_host(self.unfound(h)));
        let draft = Draft {
            owner: self.named_owner(unfound),
            workload: workload.map(|w| self.named_workload(w, interface)),
            interface,
            host,
            sequence: *sequence,
            until: until.unwrap_or(Timestamp::MAX),
            retention: *retention,
            places: [*v4, *v6],
        };
        self.check_claimed(&draft)?;
        self.make_claim(&draft);
        Ok(())
    }

    /// Whether the state allows a claim.
    pub(crate) fn check_claimed(&self, draft: &Draft<'_>) -> Result<(), ApplyError> {
        let odd = |state| Err(bad_name("owner", draft.owner.name, state));
        if draft.owner.id.is_some() {
            return odd("exists already");
        }
        if draft.workload.is_none() && draft.retention != RetentionKind::Ephemeral {
            return odd("retains an address for no workload");
        }
        let workload = draft.workload.and_then(|w| w.id);
        for (family, place) in [Family::V4, Family::V6].into_iter().zip(&draft.places) {
            if let Some(place) = place {
                self.check_place(family, place, workload)?;
            }
        }
        if draft.places == [None, None] {
            return odd("claims nothing");
        }
        if draft.sequence > MOST_COUNT {
            return odd("would have a sequence that no store takes: all are used up");
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
        let refuse = |reason| Err(ApplyError::Address { address, reason });
        let pool = self
            .pools
            .get(place.pool.0)
            .ok_or(ApplyError::NoPool(place.pool))?;
        if Family::of(address) != family || !pool.spec().cidr.contains(address) {
            return refuse("is not of its pool");
        }
        if pool.spec().excludes(address).is_some() {
            return refuse("is excluded");
        }
        let Some(slot) = pool.slot(address) else {
            return Ok(());
        };
        match pool.state(slot) {
            State::Held(_) => refuse("is held"),
            State::Retained(w) if workload != Some(w) => refuse("is retained for another workload"),
            State::Quarantined(_)
                if !matches!(place.origin, Origin::Early { .. } | Origin::Restored) =>
            {
                refuse("is in quarantine")
            }
            _ => Ok(()),
        }
    }

    /// Gives a place to a claim.
    pub(super) fn take_place(
        &mut self,
        claim: u32,
        workload: u32,
        hostless: bool,
        place: &Place,
        kind: Kind,
    ) -> Option<Spot> {
        let now = self.now();
        let pool = self.pools.get_mut(place.pool.0)?;
        let slot = pool.materialise(place.address)?;
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
        if id == NONE {
            return;
        }
        let reserved = self.is_reserved_to(id, spot);
        match reserved {
            true => self.set_reserved_idle(id, spot, false),
            false => self.workloads.unretain(id, family, spot),
        }
        if kind == Kind::Fixed {
            self.workloads.begin_reservation(id);
            if !reserved {
                self.add_reserved(id, family, spot);
            }
        }
    }

    pub(crate) fn intern_workload(&mut self, identity: Identity<'_>) -> u32 {
        let key = identity.key();
        let tag = tag(self.hashed(&key));
        match self.workloads.find(tag, &key) {
            Some(id) => id,
            None => self.workloads.insert(tag, identity),
        }
    }

    pub(super) fn apply_lease(
        &mut self,
        owner: &str,
        sequence: u64,
        next: u64,
        until: Option<Timestamp>,
    ) -> Result<(), ApplyError> {
        let id = self.checked_owner(owner, sequence)?;
        if next > MOST_COUNT {
            let state = "would have a sequence that no store takes: all are used up";
            return Err(bad_name("owner", owner, state));
        }
        let until = until.unwrap_or(Timestamp::MAX);
        self.claims.renew(id, next, until, self.now());
        self.tokens.note(next);
        Ok(())
    }

    pub(super) fn checked_owner(&self, owner: &str, sequence: u64) -> Result<u32, ApplyError> {
        self.checked_tagged(tag(self.hashed(owner)), owner, sequence)
    }

    /// As [`Ipam::checked_owner`], of an owner whose tag is known.
    #[inline]
    pub(super) fn checked_tagged(
        &self,
        tag: u32,
        owner: &str,
        sequence: u64,
    ) -> Result<u32, ApplyError> {
        let id = self.claims.find(tag, owner);
        let id = id.ok_or_else(|| unknown("owner", owner))?;
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
}

pub(super) fn bad_name(field: &'static str, name: &str, state: &'static str) -> ApplyError {
    ApplyError::Name {
        field,
        name: crate::cidr::shortened(name),
        state,
    }
}
