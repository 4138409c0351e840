//! Which addresses a request gets.

use super::errors::{ClaimError, Considered, NotHeld, WhyNot};
use crate::change::{Change, Reason, What};
use crate::cidr::{AddressRange, Family, number, shortened};
use crate::claim::{Families, Grant, Kept, Lease, Origin, Place, Request, Retention};
use crate::pool::blocks::{BlockState, NOBODY};
use crate::pool::cells::State;
use crate::pool::pick::{Asker, Dry, Start};
use crate::pool::spec::name_fits;
use crate::pool::{Pool, PoolId};
use crate::rng::{hash, mix};
use crate::state::{Ipam, Spot, end};
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::string::ToString;
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
struct Choice {
    place: Place,
    /// The generation of the block that the host takes with it.
    grab: Option<u64>,
}

impl Ipam {
    /// Decides a claim and carries it out. The same owner asking for the same again is given what it has.
    ///
    /// Cost: a few index and bitmap look-ups, whatever the fill; see the crate page.
    ///
    /// # Errors
    /// [`ClaimError`]; nothing was altered then.
    pub fn claim(&mut self, now: Timestamp, request: &Request<'_>) -> Result<Grant, ClaimError> {
        self.advance(now);
        let decision = self.decide_claim(request)?;
        for change in &decision.changes {
            // Decided on this very state.
            let applied = self.apply(change);
            debug_assert_eq!(applied, Ok(()), "{change}");
        }
        Ok(decision.grant)
    }

    /// Decides a claim at [`Ipam::now`] and alters nothing.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub fn decide_claim<'a>(&self, request: &Request<'a>) -> Result<Decision<'a>, ClaimError> {
        check_request(request)?;
        if let Some(id) = self.owner(request.owner) {
            return self.again(id, request);
        }
        let workload = request.workload.and_then(|w| self.workload(w));
        if let Some(error) = workload.and_then(|w| self.moving_error(w, request)) {
            return Err(error);
        }
        let mut changes = Vec::with_capacity(2);
        self.expire_blockers(workload, &mut changes);
        let mut choices: [Option<Choice>; 2] = [None, None];
        for family in [Family::V4, Family::V6] {
            if request.families.want(family) {
                choices[family as usize] = Some(self.choose(request, workload, family)?);
            }
        }
        self.reserve_ranges(request, workload, &mut changes)?;
        for choice in choices.iter().flatten() {
            self.take_block(request, choice, &mut changes);
        }
        let [v4, v6] = choices.map(|c| c.map(|c| c.place));
        Ok(self.finish_claim(request, v4, v6, changes))
    }

    fn finish_claim<'a>(
        &self,
        request: &Request<'a>,
        v4: Option<Place>,
        v6: Option<Place>,
        mut changes: Vec<Change<'a>>,
    ) -> Decision<'a> {
        let places = || [v4, v6].into_iter().flatten();
        let until = self.lease_end(request, places());
        let sequence = self.sequence.saturating_add(1);
        let leases = places().filter_map(|place| self.lease(place)).collect();
        let grant = Grant {
            sequence,
            until,
            leases,
        };
        let what = What::Claimed {
            owner: Cow::Borrowed(request.owner),
            workload: request.workload.map(Cow::Borrowed),
            host: request.host.map(Cow::Borrowed),
            sequence,
            until,
            kept: request.retention.into(),
            v4,
            v6,
        };
        changes.push(Change::new(self.now, what));
        Decision { grant, changes }
    }

    /// The end of a new lease: as asked for, else the shortest of the pools'.
    fn lease_end(
        &self,
        request: &Request<'_>,
        places: impl Iterator<Item = Place>,
    ) -> Option<Timestamp> {
        let pools = places
            .filter_map(|p| self.pool_at(p.pool.0)?.spec.lease)
            .min();
        request
            .lease
            .or(pools)
            .map(|lease| self.now.after(lease))
            .and_then(end)
    }

    /// An address with what is needed to use it.
    pub(crate) fn lease(&self, place: Place) -> Option<Lease> {
        let pool = self.pool_at(place.pool.0)?;
        Some(Lease {
            address: place.address,
            prefix_length: pool.spec.cidr.prefix(),
            pool: pool.name.clone(),
            gateway: pool.spec.gateway,
            vlan: pool.spec.vlan,
            bridge: pool.bridge.clone(),
            origin: place.origin,
        })
    }

    /// The owner has a claim: it is this one, or the request is another.
    fn again<'a>(&self, id: u32, request: &Request<'a>) -> Result<Decision<'a>, ClaimError> {
        let Some(claim) = self.claims.get(id) else {
            return Err(ClaimError::UnknownPool(shortened(request.owner)));
        };
        let owner = || shortened(request.owner);
        if let Some(what) = self.difference(id, request) {
            return Err(ClaimError::Different {
                owner: owner(),
                what,
            });
        }
        let places: Vec<Place> = self.places_of(id).collect();
        let leases = places.iter().filter_map(|&p| self.lease(p)).collect();
        if claim.until > self.now {
            let grant = Grant {
                sequence: claim.sequence,
                until: end(claim.until),
                leases,
            };
            return Ok(Decision {
                grant,
                changes: Vec::new(),
            });
        }
        // Its lease is over and nobody took the address: it goes on under a new token.
        let next = self.sequence.saturating_add(1);
        let until = self.lease_end(request, places.into_iter());
        let (owner, sequence) = (Cow::Borrowed(request.owner), claim.sequence);
        let what = What::Reissued {
            owner,
            sequence,
            next,
            until,
        };
        let changes = alloc::vec![Change::new(self.now, what)];
        Ok(Decision {
            grant: Grant {
                sequence: next,
                until,
                leases,
            },
            changes,
        })
    }

    /// The addresses of a claim.
    pub(crate) fn places_of(&self, claim: u32) -> impl Iterator<Item = Place> + '_ {
        let spots = self.claims.get(claim).map(|c| c.spots);
        spots
            .into_iter()
            .flat_map(crate::state::Spots::iter)
            .filter_map(|(_, spot)| {
                let address = self.pool_at(spot.pool)?.address(spot.slot);
                Some(Place {
                    pool: PoolId(spot.pool),
                    address,
                    origin: Origin::Reused,
                })
            })
    }

    /// In what an owner's claim does not answer a request.
    fn difference(&self, id: u32, request: &Request<'_>) -> Option<&'static str> {
        let claim = self.claims.get(id)?;
        if request.workload != self.workload_name(claim.workload) {
            return Some("workload");
        }
        if request.host != self.host_name(claim.host) {
            return Some("host");
        }
        if Kept::from(request.retention) != self.kept_of(claim) {
            return Some("retention");
        }
        for family in [Family::V4, Family::V6] {
            let spot = claim.spots.get(family);
            if request.families.want(family) != spot.is_some() {
                return Some("family");
            }
            let Some(pool) = spot.and_then(|s| self.pool_at(s.pool)) else {
                continue;
            };
            let named = request.pools.is_empty() || request.pools.contains(&&*pool.name);
            if !named || missing_label(pool, request).is_some() {
                return Some("pool");
            }
            let address = pool.address(spot?.slot);
            let asked = wanted(request, family);
            if asked.is_some_and(|a| a != address) {
                return Some("address");
            }
            if let Retention::Fixed(ranges) = request.retention {
                let mut ranges = ranges.iter().filter(|r| r.family() == family).peekable();
                if ranges.peek().is_some() && !ranges.any(|r| r.contains(address)) {
                    return Some("address");
                }
            }
        }
        None
    }

    fn moving_error(&self, workload: u32, request: &Request<'_>) -> Option<ClaimError> {
        let moving = self.moves.get(&workload)?;
        // A sticky workload may claim a second address while it moves: make before break.
        if !self.workloads.get(workload)?.fixed && !matches!(request.retention, Retention::Fixed(_))
        {
            return None;
        }
        Some(ClaimError::Moving {
            workload: self.workload_name(workload)?.to_string(),
            from: self.host_name(moving.from)?.to_string(),
            to: self.host_name(moving.to)?.to_string(),
        })
    }

    /// A workload's claims whose lease is over end first, so that it can have its addresses again.
    fn expire_blockers(&self, workload: Option<u32>, changes: &mut Vec<Change<'_>>) {
        let Some(workload) = workload else { return };
        for id in self.claims_of(workload) {
            let Some(claim) = self.claims.get(id).filter(|c| c.until <= self.now) else {
                continue;
            };
            let owner = Cow::Owned(self.owner_name(id).to_string());
            let what = What::Released {
                owner,
                sequence: claim.sequence,
                reason: Reason::Expired,
            };
            changes.push(Change::new(self.now, what));
        }
    }

    /// One family's address.
    fn choose(
        &self,
        request: &Request<'_>,
        workload: Option<u32>,
        family: Family,
    ) -> Result<Choice, ClaimError> {
        if let Some(address) = wanted(request, family) {
            let place = self.choose_asked(request, workload, address)?;
            return Ok(self.with_grab(request, place));
        }
        if let Some(place) = self.choose_fixed(request, workload, family)? {
            return Ok(self.with_grab(request, place));
        }
        if let Some(place) = workload.and_then(|w| self.choose_kept(request, w, family)) {
            return Ok(self.with_grab(request, place));
        }
        self.choose_free(request, family)
    }

    /// The address asked for.
    fn choose_asked(
        &self,
        request: &Request<'_>,
        workload: Option<u32>,
        address: IpAddr,
    ) -> Result<Place, ClaimError> {
        let unavailable = |why| ClaimError::Unavailable { address, why };
        let mut pools = self.pools.iter().enumerate();
        let found = pools.find_map(|(i, p)| {
            p.as_ref()
                .filter(|p| p.spec.cidr.contains(address))
                .map(|p| (i, p))
        });
        let (index, pool) = found.ok_or_else(|| unavailable(NotHeld::NoPool))?;
        let named = request.pools.is_empty() || request.pools.contains(&&*pool.name);
        if !named || missing_label(pool, request).is_some() {
            return Err(unavailable(NotHeld::NoPool));
        }
        let origin = self
            .takeable(index as u16, address, workload)
            .map_err(unavailable)?;
        Ok(Place {
            pool: PoolId(index as u16),
            address,
            origin,
        })
    }

    /// Whether a workload's claim may have this very address, and how it comes by it.
    fn takeable(
        &self,
        index: u16,
        address: IpAddr,
        workload: Option<u32>,
    ) -> Result<Origin, NotHeld> {
        let Some(pool) = self.pool_at(index) else {
            return Err(NotHeld::NoPool);
        };
        if let Some(what) = pool.spec.excludes(address) {
            return Err(NotHeld::Excluded(what));
        }
        let Some(slot) = pool.slot(address) else {
            return match (pool.draining, pool.has_room()) {
                (true, _) => Err(NotHeld::Draining),
                (_, false) => Err(NotHeld::NoSlots),
                _ => Ok(Origin::Asked),
            };
        };
        match pool.state(slot) {
            State::Kept(w) if Some(w) == workload && !self.gives_way(w) => Ok(Origin::Reused),
            State::Kept(w) => {
                let workload = self.workload_name(w).unwrap_or_default().to_string();
                Err(NotHeld::Kept { workload })
            }
            State::Held(c) => self.takeable_from(c, Spot { pool: index, slot }, workload),
            _ if pool.draining => Err(NotHeld::Draining),
            State::Resting(id) => {
                let released = pool.rest.get(id).map_or(self.now, |r| r.at);
                let until = released.after(pool.spec.quarantine);
                match pool.spec.early_reuse {
                    true => Ok(Origin::Early {
                        left: until.since(self.now),
                    }),
                    false => Err(NotHeld::Resting { until }),
                }
            }
            State::Blank | State::Queued(_) => Ok(Origin::Asked),
        }
    }

    /// Whether what a sticky workload keeps is about to be replaced: by what a claim of its whose lease is
    /// over, and which ends first, leaves behind; or it waits for the end of a move.
    fn gives_way(&self, workload: u32) -> bool {
        let sticky = self.workloads.get(workload).is_some_and(|w| !w.fixed);
        let moving = self.moves.contains_key(&workload);
        sticky && (moving || self.claims_of(workload).any(|c| self.is_over(c)))
    }

    /// A held address can be had by its own workload once the holder's lease is over.
    fn takeable_from(
        &self,
        holder: u32,
        spot: Spot,
        workload: Option<u32>,
    ) -> Result<Origin, NotHeld> {
        let Some(claim) = self.claims.get(holder) else {
            return Err(NotHeld::NoPool);
        };
        let stays = self.workloads.get(claim.workload).is_some_and(|w| w.fixed)
            && self.kept_spots(claim.workload).any(|s| s == spot);
        if claim.until <= self.now && workload == Some(claim.workload) && stays {
            return Ok(Origin::Reused);
        }
        Err(NotHeld::Held {
            owner: self.owner_name(holder).to_string(),
            host: self.host_name(claim.host).map(ToString::to_string),
            until: end(claim.until),
        })
    }

    /// An address of the ranges that a fixed claim names.
    fn choose_fixed(
        &self,
        request: &Request<'_>,
        workload: Option<u32>,
        family: Family,
    ) -> Result<Option<Place>, ClaimError> {
        let Retention::Fixed(ranges) = request.retention else {
            return Ok(None);
        };
        let mut refused = None;
        for range in ranges.iter().filter(|r| r.family() == family) {
            for address in crate::apply::workload::addresses(*range).take(1 << 16) {
                match self.choose_asked(request, workload, address) {
                    Ok(place) => return Ok(Some(place)),
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
        }
        refused.map_or(Ok(None), Err)
    }

    /// The address that the workload has reserved or kept.
    fn choose_kept(&self, request: &Request<'_>, workload: u32, family: Family) -> Option<Place> {
        let record = self.workloads.get(workload)?;
        if !record.fixed && self.moves.contains_key(&workload) {
            return None;
        }
        // A claim whose lease is over ends first, and what it held takes the place of what was kept.
        if !record.fixed && self.claims_of(workload).any(|c| self.is_over(c)) {
            return self.choose_expired(request, workload, family);
        }
        self.kept_spots(workload).find_map(|spot| {
            let pool = self.pool_at(spot.pool)?;
            let place = self.kept_place(request, workload, family, spot)?;
            (record.fixed || !pool.draining).then_some(place)
        })
    }

    /// Whether a claim's lease is over.
    pub(crate) fn is_over(&self, claim: u32) -> bool {
        self.claims.get(claim).is_some_and(|c| c.until <= self.now)
    }

    fn kept_place(
        &self,
        request: &Request<'_>,
        workload: u32,
        family: Family,
        spot: Spot,
    ) -> Option<Place> {
        let pool = self.pool_at(spot.pool)?;
        let named = request.pools.is_empty() || request.pools.contains(&&*pool.name);
        if pool.spec.cidr.family() != family || !named || missing_label(pool, request).is_some() {
            return None;
        }
        let mine = match pool.state(spot.slot) {
            State::Kept(w) => w == workload,
            State::Held(c) => self.takeable_from(c, spot, Some(workload)).is_ok(),
            _ => false,
        };
        let address = pool.address(spot.slot);
        mine.then_some(Place {
            pool: PoolId(spot.pool),
            address,
            origin: Origin::Reused,
        })
    }

    /// The address of a sticky workload's only claim, whose lease is over: what it will keep in a moment.
    fn choose_expired(
        &self,
        request: &Request<'_>,
        workload: u32,
        family: Family,
    ) -> Option<Place> {
        let mut claims = self.claims_of(workload).filter_map(|c| self.claims.get(c));
        let (first, second) = (claims.next()?, claims.next());
        if first.until > self.now || second.is_some() || first.kind != crate::state::Kind::Sticky {
            return None;
        }
        let spot = first.spots.get(family)?;
        let pool = self.pool_at(spot.pool)?;
        let named = request.pools.is_empty() || request.pools.contains(&&*pool.name);
        let fits = named && !pool.draining && missing_label(pool, request).is_none();
        let address = pool.address(spot.slot);
        fits.then_some(Place {
            pool: PoolId(spot.pool),
            address,
            origin: Origin::Reused,
        })
    }

    /// A free address of the first pool that has one for this host.
    fn choose_free(&self, request: &Request<'_>, family: Family) -> Result<Choice, ClaimError> {
        if let Some(choice) = self.choose_after(request, family) {
            return Ok(choice);
        }
        let asker = request.host.map(|host| self.asker(host));
        let draw = mix(self.seed ^ mix(self.sequence ^ (family as u64) << 63));
        let mut considered = Vec::new();
        let mut consider = |index: u16| -> Option<Choice> {
            let pool = self.pool_at(index)?;
            let asker = asker.map(|a| self.started_in(pool, a));
            match self.try_pool(pool, request, family, asker, draw) {
                Ok(pick) => {
                    let origin = pick
                        .early
                        .map_or(Origin::Fresh, |left| Origin::Early { left });
                    let (pool, address) = (PoolId(index), pick.address);
                    Some(Choice {
                        place: Place {
                            pool,
                            address,
                            origin,
                        },
                        grab: pick.grab,
                    })
                }
                Err(why) => {
                    considered.push(Considered {
                        pool: pool.name.to_string(),
                        why,
                    });
                    None
                }
            }
        };
        let found = if request.pools.is_empty() {
            self.pool_names.values().find_map(|id| consider(id.0))
        } else {
            let mut found = None;
            for name in request.pools {
                let id = self.pool_names.get(*name).copied();
                let id = id.ok_or_else(|| ClaimError::UnknownPool(shortened(name)))?;
                found = found.or_else(|| consider(id.0));
            }
            found
        };
        let owner = || shortened(request.owner);
        found.ok_or_else(|| ClaimError::Exhausted {
            owner: owner(),
            family,
            considered,
        })
    }

    /// The first free address after the one that the request names, through its pools and round again.
    fn choose_after(&self, request: &Request<'_>, family: Family) -> Option<Choice> {
        let after = request.after.filter(|&a| Family::of(a) == family)?;
        let index = |name: &&str| self.pool_names.get(*name).copied();
        let ids: Vec<PoolId> = match request.pools {
            [] => self.pool_names.values().copied().collect(),
            named => named.iter().filter_map(index).collect(),
        };
        let fits = |id: &PoolId| {
            self.pool_at(id.0)
                .is_some_and(|p| p.spec.cidr.contains(after))
        };
        let start = ids.iter().position(fits)?;
        let turns = ids
            .iter()
            .cycle()
            .skip(start)
            .take(ids.len() + 1)
            .enumerate();
        for (turn, &id) in turns {
            let Some(pool) = self.pool_at(id.0) else {
                continue;
            };
            let open = pool.spec.cidr.family() == family && !pool.draining;
            if !open || missing_label(pool, request).is_some() {
                continue;
            }
            let bounds = match turn {
                0 => Some((number(after).checked_add(1)?, pool.spec.cidr.last_number())),
                t if t == ids.len() => Some((pool.spec.cidr.base(), number(after))),
                _ => Some((pool.spec.cidr.base(), pool.spec.cidr.last_number())),
            };
            if let Some(address) = bounds.and_then(|(from, to)| pool.first_between(from, to)) {
                let place = Place {
                    pool: id,
                    address,
                    origin: Origin::Fresh,
                };
                return Some(self.with_grab(request, place));
            }
        }
        None
    }

    /// An address of one pool, or why there is none.
    fn try_pool(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        family: Family,
        asker: Option<Asker>,
        draw: u64,
    ) -> Result<crate::pool::pick::Pick, WhyNot> {
        if pool.spec.cidr.family() != family {
            return Err(WhyNot::Family);
        }
        if let Some(why) = missing_label(pool, request) {
            return Err(why);
        }
        if pool.draining {
            return Err(WhyNot::Draining);
        }
        pool.pick(asker, draw, self.now).map_err(|dry| {
            let usage = pool.usage();
            match dry {
                Dry::Blocks { limit } => WhyNot::Blocks {
                    limit,
                    free: usage.free,
                },
                Dry::Full => WhyNot::Full {
                    held: usage.held,
                    reserved: usage.reserved,
                    quarantined: usage.quarantined,
                    next: end(pool.next_due()),
                },
            }
        })
    }

    /// Who asks, as pools see it.
    fn asker(&self, host: &str) -> Asker {
        let known = self.host(host);
        let settings = known.and_then(|id| self.hosts.get(id)).map(|h| &h.settings);
        Asker {
            host: known.unwrap_or(NOBODY),
            start: Start::Hash(hash(self.seed, host.as_bytes())),
            block_limit: settings.and_then(|s| s.block_limit),
            draining: settings.is_some_and(|s| s.draining),
        }
    }

    /// The asker with its start in this pool, where its settings name one.
    fn started_in(&self, pool: &Pool, asker: Asker) -> Asker {
        let known = self.hosts.get(asker.host);
        let mut starts = known.into_iter().flat_map(|h| &h.settings.starts);
        let start = starts
            .find(|&&a| pool.spec.cidr.contains(a))
            .map(|&a| Start::At(a));
        Asker {
            start: start.unwrap_or(asker.start),
            ..asker
        }
    }

    /// An address that was not searched for: its block comes with it where it is nobody's.
    fn with_grab(&self, request: &Request<'_>, place: Place) -> Choice {
        let grab = request.host.and_then(|host| {
            self.pool_at(place.pool.0)?
                .grab_of(place.address, self.asker(host))
        });
        Choice { place, grab }
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
        let Some(pool) = self.pool_at(choice.place.pool.0) else {
            return;
        };
        let address = choice.place.address;
        let Ok(block) = crate::cidr::Cidr::containing(address, pool.spec.block_size) else {
            return;
        };
        let (pool, host, state) = (
            choice.place.pool,
            Cow::Borrowed(host),
            BlockState::Confirmed,
        );
        let what = What::BlockTaken {
            pool,
            block,
            host,
            state,
            generation,
        };
        changes.push(Change::new(self.now, what));
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
        let refuse = |r: &AddressRange, why| ClaimError::Unavailable {
            address: r.first(),
            why,
        };
        let mut parts = Vec::new();
        for range in ranges {
            let pool = self.pool_names.values().find(|id| {
                self.pool_at(id.0)
                    .is_some_and(|p| p.spec.cidr.contains(range.first()))
            });
            parts.push((*pool.ok_or_else(|| refuse(range, NotHeld::NoPool))?, *range));
        }
        if let Err(error) = self.check_reserved(name, &parts) {
            return Err(self.reserve_refusal(&error, ranges, workload));
        }
        let what = What::Reserved {
            workload: Cow::Borrowed(name),
            ranges: parts,
        };
        changes.push(Change::new(self.now, what));
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
        let mut pools = self.pools.iter();
        let pool = pools.position(|p| p.as_ref().is_some_and(|p| p.spec.cidr.contains(address)));
        let why = pool.and_then(|p| self.takeable(p as u16, address, workload).err());
        ClaimError::Unavailable {
            address,
            why: why.unwrap_or(NotHeld::NoPool),
        }
    }
}

/// The address of a family that a request asks for.
fn wanted(request: &Request<'_>, family: Family) -> Option<IpAddr> {
    request
        .addresses
        .iter()
        .copied()
        .find(|&a| Family::of(a) == family)
}

/// A label that a request asks for and a pool does not bear.
fn missing_label(pool: &Pool, request: &Request<'_>) -> Option<WhyNot> {
    request.labels.iter().find_map(|&(key, want)| {
        let have = pool.spec.labels.get(key);
        (have.map(|h| &**h) != Some(want)).then(|| WhyNot::Label {
            key: key.to_string(),
            want: want.to_string(),
            have: have.cloned(),
        })
    })
}

/// What can be refused without looking at the state.
fn check_request(request: &Request<'_>) -> Result<(), ClaimError> {
    let names = [
        ("owner", Some(request.owner)),
        ("workload", request.workload),
        ("host", request.host),
    ];
    for (field, name) in names {
        if let Some(name) = name {
            name_fits(name).map_err(|error| ClaimError::Name { field, error })?;
        }
    }
    if request.workload.is_none() && request.retention != Retention::Ephemeral {
        return Err(ClaimError::NeedsWorkload);
    }
    for (i, &address) in request.addresses.iter().enumerate() {
        let family = Family::of(address);
        let again = request
            .addresses
            .iter()
            .take(i)
            .any(|&a| Family::of(a) == family);
        if again || !request.families.want(family) {
            let wanted = match request.families {
                Families::V4 => "IPv4",
                Families::V6 => "IPv6",
                Families::Dual => "each family",
            };
            return Err(ClaimError::Addresses { address, wanted });
        }
    }
    Ok(())
}
