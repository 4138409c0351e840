//! Which addresses a request gets.

use super::errors::{ClaimError, UnavailableReason};
use super::request::{check_names, check_request, lease_of};
use crate::apply::draft::{Draft, Named};
use crate::change::{Change, ChangeKind};
use crate::cidr::{AddressRange, Family};
use crate::claim::{Grant, Lease, Place, Request, Retention};
use crate::identity::Identity;
use crate::pool::blocks::BlockState;
use crate::pool::spec::name_fits;
use crate::state::{Ipam, end};
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::net::IpAddr;

/// What a claim would be given, and the changes that give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What the claim gets once the changes are applied.
    pub grant: Grant,
    /// To be applied in this order; none when the owner has the claim already.
    pub changes: Vec<Change<'a>>,
}

/// One address on its way into a decision.
pub(super) struct Choice {
    pub(super) place: Place,
    /// The generation of the block that the host takes with it.
    pub(super) grab: Option<u64>,
}

/// A claim decided, before it is put into changes.
enum Decided<'a> {
    /// The owner has it already.
    Again(Decision<'a>),
    /// It is to be made, once what must change before it is carried out.
    New(Draft<'a>),
}

impl Ipam {
    /// Decides a claim and carries it out. The same owner asking for the same again is given what it has.
    ///
    /// Cost: a few index and bitmap look-ups, whatever the fill; see the crate page.
    ///
    /// ```
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp};
    ///
    /// let at = Timestamp::from_secs;
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").workload("shop/web-0").host("h1");
    /// let grant = ipam.claim(at(1), &request)?;
    /// let again = ipam.claim(at(2), &request)?; // asking again gives what it has
    /// assert_eq!((again.address(), again.sequence), (grant.address(), grant.sequence));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClaimError`]; nothing was altered then.
    pub fn claim(&mut self, now: Timestamp, request: &Request<'_>) -> Result<Grant, ClaimError> {
        self.advance(now);
        let mut before = Vec::new();
        match self.decide(request, &mut before)? {
            Decided::Again(decision) => {
                self.carry_out(&decision.changes);
                Ok(decision.grant)
            }
            Decided::New(mut draft) => {
                let grant = self.grant(&draft);
                if !before.is_empty() {
                    self.carry_out(&before);
                    draft = self.refreshed(&draft);
                }
                debug_assert_eq!(self.check_claimed(&draft), Ok(()));
                self.make_claim(&draft);
                Ok(grant)
            }
        }
    }

    /// Decides a claim at [`Ipam::now`] and alters nothing.
    ///
    /// ```
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp};
    ///
    /// let at = Timestamp::from_secs;
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let decision = ipam.decide_claim(&Request::new("container-1/eth0"))?;
    /// assert_eq!(ipam.claim_count(), 0);
    /// ipam.apply_all(&decision.changes)?; // here, or wherever the same state is kept
    /// assert_eq!(ipam.claim_count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClaimError`].
    pub fn decide_claim<'a>(&self, request: &Request<'a>) -> Result<Decision<'a>, ClaimError> {
        let mut before = Vec::new();
        let decided = self.decide(request, &mut before)?;
        Ok(self.decision(decided, before))
    }

    /// Decides a claim; what must change before it is made goes to `before`.
    fn decide<'a>(
        &self,
        request: &Request<'a>,
        before: &mut Vec<Change<'a>>,
    ) -> Result<Decided<'a>, ClaimError> {
        let owner = self.fitting("owner", request.owner)?;
        check_names(request)?;
        let workload = request
            .workload
            .map(|w| self.unfound_workload(Identity::from((w, request.interface))));
        self.prefetch_names(owner, workload);
        let host = match request.host {
            Some(name) => Some(self.fitting("host", name)?),
            None => None,
        };
        check_request(request)?;
        let host = host.map(|h| self.named_host(h));
        let owner = self.named_owner(owner);
        if let Some(id) = owner.id {
            return self.again(id, request).map(Decided::Again);
        }
        let workload = workload.map(|w| self.named_workload(w, request.interface));
        let choices = self.choose_all(request, workload.and_then(|w| w.id), host, before)?;
        let [v4, v6] = &choices;
        let places = [v4.as_ref().map(|c| c.place), v6.as_ref().map(|c| c.place)];
        let begins = self.beginning(workload.and_then(|w| w.id), places.iter().flatten());
        Ok(Decided::New(Draft {
            owner,
            workload,
            interface: request.interface,
            host,
            sequence: self.tokens.next(),
            until: self.lease_end(request, places.iter().flatten(), begins),
            retention: request.retention.into(),
            places,
        }))
    }

    /// The addresses of a claim, and the changes that must come before it.
    fn choose_all<'a>(
        &self,
        request: &Request<'a>,
        workload: Option<u32>,
        host: Option<Named<'_>>,
        before: &mut Vec<Change<'a>>,
    ) -> Result<[Option<Choice>; 2], ClaimError> {
        if let Some(known) = workload {
            if let Some(error) = self.moving_error(known, request) {
                return Err(error);
            }
            if let Some(error) = self.held_error(known, request) {
                return Err(error);
            }
            self.expire_blockers(known, before);
        }
        let requester = host.map(|h| self.requester(h));
        let choose = |family| match request.families.want(family) {
            true => self.choose(request, workload, requester, family).map(Some),
            false => Ok(None),
        };
        let choices = [choose(Family::V4)?, choose(Family::V6)?];
        self.reserve_ranges(request, workload, before)?;
        for choice in choices.iter().flatten() {
            self.take_block(request, choice, before);
        }
        Ok(choices)
    }

    /// A request's name with its hash, if it can be stored and printed; not looked up yet.
    fn fitting<'a>(&self, field: &'static str, name: &'a str) -> Result<Named<'a>, ClaimError> {
        name_fits(name).map_err(|error| ClaimError::Name { field, error })?;
        let hash = self.hashed(name);
        let id = None;
        Ok(Named { name, hash, id })
    }

    /// What was decided, as changes.
    fn decision<'a>(&self, decided: Decided<'a>, before: Vec<Change<'a>>) -> Decision<'a> {
        let draft = match decided {
            Decided::Again(decision) => return decision,
            Decided::New(draft) => draft,
        };
        let [v4, v6] = draft.places;
        let kind = ChangeKind::Claimed {
            owner: Cow::Borrowed(draft.owner.name),
            workload: draft.workload.map(|w| Cow::Borrowed(w.name)),
            interface: Cow::Borrowed(draft.interface),
            host: draft.host.map(|h| Cow::Borrowed(h.name)),
            sequence: draft.sequence,
            until: end(draft.until),
            retention: draft.retention,
            v4,
            v6,
        };
        let mut changes = before;
        // Nearly always the only one: `push` alone would make room for four.
        changes.reserve_exact(1);
        changes.push(Change::new(self.now(), kind));
        Decision {
            grant: self.grant(&draft),
            changes,
        }
    }

    #[inline]
    fn grant(&self, draft: &Draft<'_>) -> Grant {
        let mut leases = Vec::with_capacity(draft.places.iter().flatten().count());
        for place in draft.places.iter().flatten() {
            if let Some(pool) = self.pools.get(place.pool.0) {
                leases.push(lease_of(pool, place));
            }
        }
        Grant {
            sequence: draft.sequence,
            until: end(draft.until),
            leases,
        }
    }

    /// The end of a lease that begins then: as asked for, else the shortest of the pools'; [`Timestamp::MAX`] of none.
    #[inline]
    pub(super) fn lease_end<'p>(
        &self,
        request: &Request<'_>,
        places: impl Iterator<Item = &'p Place>,
        begins: Timestamp,
    ) -> Timestamp {
        let mut lease = request.lease;
        if lease.is_none() {
            for place in places {
                let pool = self.pools.get(place.pool.0);
                if let Some(its) = pool.and_then(|p| p.spec().lease) {
                    lease = Some(lease.map_or(its, |l| l.min(its)));
                }
            }
        }
        lease.map_or(Timestamp::MAX, |lease| begins.after(lease))
    }

    /// An address with what is needed to use it.
    pub(crate) fn lease(&self, place: Place) -> Option<Lease> {
        Some(lease_of(self.pools.get(place.pool.0)?, &place))
    }

    /// The change that gives a host the block of an address it takes.
    fn take_block<'a>(
        &self,
        request: &Request<'a>,
        choice: &Choice,
        changes: &mut Vec<Change<'a>>,
    ) {
        let (Some(host), Some(generation)) = (request.host, choice.grab) else {
            return;
        };
        let Some(pool) = self.pools.get(choice.place.pool.0) else {
            return;
        };
        let address = choice.place.address;
        let Ok(block) = crate::cidr::Cidr::containing(address, pool.spec().block_size) else {
            return;
        };
        let (pool, host, state) = (
            choice.place.pool,
            Cow::Borrowed(host),
            BlockState::Confirmed,
        );
        let kind = ChangeKind::BlockTaken {
            pool,
            block,
            host,
            state,
            generation,
        };
        changes.push(Change::new(self.now(), kind));
    }

    /// A fixed claim that names ranges reserves all of them first.
    fn reserve_ranges<'a>(
        &self,
        request: &Request<'a>,
        workload: Option<u32>,
        changes: &mut Vec<Change<'a>>,
    ) -> Result<(), ClaimError> {
        let (Retention::Fixed(ranges), Some(name)) = (request.retention, request.workload) else {
            return Ok(());
        };
        if ranges.is_empty() {
            return Ok(());
        }
        let refuse = |r: &AddressRange, reason| ClaimError::Unavailable {
            address: r.first(),
            reason,
        };
        let mut parts = Vec::new();
        for range in ranges {
            let pool = self.pools.of_address(range.first());
            let (id, _) = pool.ok_or_else(|| refuse(range, UnavailableReason::NoPool))?;
            parts.push((id, *range));
        }
        let identity = (name, request.interface).into();
        if let Err(error) = self.check_reserved(identity, &parts) {
            return Err(self.reserve_refusal(&error, ranges, workload));
        }
        let kind = ChangeKind::Reserved {
            workload: Cow::Borrowed(name),
            interface: Cow::Borrowed(request.interface),
            ranges: parts,
        };
        changes.push(Change::new(self.now(), kind));
        Ok(())
    }

    /// What stands in the way of a reservation, as a claim's error.
    fn reserve_refusal(
        &self,
        error: &crate::apply::ApplyError,
        ranges: &[AddressRange],
        workload: Option<u32>,
    ) -> ClaimError {
        use crate::apply::ApplyError;
        let address = match error {
            ApplyError::Address { address, .. } => Some(*address),
            _ => ranges.first().map(|r| r.first()),
        };
        let address = address.unwrap_or(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED));
        let pool = self.pools.of_address(address);
        let reason = pool.and_then(|(id, _)| self.takeable(id, address, workload).err());
        ClaimError::Unavailable {
            address,
            reason: reason.unwrap_or(UnavailableReason::NoPool),
        }
    }
}
