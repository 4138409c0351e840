//! One family's address: the one asked for, the workload's own, or a free one of the first pool that has one.

use super::claim::Choice;
use super::errors::{ClaimError, Considered, PoolReason, UnavailableReason};
use super::request::{missing_label, wanted};
use crate::apply::draft::Named;
use crate::cidr::{Family, number, shortened};
use crate::claim::{Origin, Place, Request, Retention};
use crate::pool::blocks::NOBODY;
use crate::pool::cells::State;
use crate::pool::pick::{Draw, Exhausted, Pick, Requester, Start};
use crate::pool::released::List;
use crate::pool::{Pool, PoolId};
use crate::state::{Ipam, Spot, end};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

impl Ipam {
    /// One family's address.
    pub(super) fn choose(
        &self,
        request: &Request<'_>,
        workload: Option<u32>,
        requester: Option<Requester>,
        family: Family,
    ) -> Result<Choice, ClaimError> {
        if let Some(address) = wanted(request, family) {
            let place = self.choose_asked(request, workload, address)?;
            return Ok(self.with_grab(requester, place));
        }
        if let Some(place) = self.choose_fixed(request, workload, family)? {
            return Ok(self.with_grab(requester, place));
        }
        if let Some(place) = workload.and_then(|w| self.choose_retained(request, w, family)) {
            return Ok(self.with_grab(requester, place));
        }
        self.choose_free(request, requester, family)
    }

    /// The address asked for.
    fn choose_asked(
        &self,
        request: &Request<'_>,
        workload: Option<u32>,
        address: IpAddr,
    ) -> Result<Place, ClaimError> {
        let unavailable = |reason| ClaimError::Unavailable { address, reason };
        let found = self.pools.of_address(address);
        let (id, pool) = found.ok_or_else(|| unavailable(UnavailableReason::NoPool))?;
        let named = request.pools.is_empty() || request.pools.contains(&pool.name());
        if !named || missing_label(pool, request).is_some() {
            return Err(unavailable(UnavailableReason::NoPool));
        }
        let origin = self.takeable(id, address, workload).map_err(unavailable)?;
        Ok(Place {
            pool: id,
            address,
            origin,
        })
    }

    /// Whether a workload's claim may have this very address, and how it comes by it.
    pub(super) fn takeable(
        &self,
        id: PoolId,
        address: IpAddr,
        workload: Option<u32>,
    ) -> Result<Origin, UnavailableReason> {
        let Some(pool) = self.pools.get(id.0) else {
            return Err(UnavailableReason::NoPool);
        };
        if let Some(reason) = pool.spec().excludes(address) {
            return Err(UnavailableReason::Excluded(reason));
        }
        if pool.is_frozen(address) {
            return Err(UnavailableReason::Damaged);
        }
        let Some(slot) = pool.slot(address) else {
            return match (pool.draining(), pool.has_room()) {
                (true, _) => Err(UnavailableReason::Draining),
                (_, false) => Err(UnavailableReason::NoSlots),
                _ => Ok(Origin::Asked),
            };
        };
        let spot = Spot { pool: id.0, slot };
        match pool.state(slot) {
            State::Retained(w) if Some(w) == workload && !self.gives_way(w, spot) => {
                Ok(Origin::Reused)
            }
            State::Retained(w) => {
                let identity = self.workloads.identity(w).map(|i| i.to_string());
                let workload = identity.unwrap_or_default();
                Err(UnavailableReason::Retained { workload })
            }
            State::Held(c) => self.takeable_from(c, spot, workload),
            _ if pool.draining() => Err(UnavailableReason::Draining),
            State::Quarantined(id) => {
                let released = pool
                    .released()
                    .get(List::Quarantine, id)
                    .map_or(self.now(), |r| r.at);
                let until = released.after(pool.spec().quarantine);
                match pool.spec().early_reuse && !released.is_ahead_of(self.now()) {
                    true => Ok(Origin::Early {
                        left: until.since(self.now()),
                    }),
                    false => Err(UnavailableReason::Quarantined { until }),
                }
            }
            State::Blank | State::Queued(_) => Ok(Origin::Asked),
        }
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

    pub(super) fn draw(&self, family: Family) -> Draw {
        Draw {
            seed: self.seed(),
            turn: self.tokens.latest() ^ (family as u64) << 63,
        }
    }

    /// A free address of the first pool that has one for this host.
    fn choose_free(
        &self,
        request: &Request<'_>,
        requester: Option<Requester>,
        family: Family,
    ) -> Result<Choice, ClaimError> {
        if let Some(choice) = self.choose_after(request, requester, family) {
            return Ok(choice);
        }
        let mut considered = Vec::new();
        let mut consider = |id: PoolId| -> Option<Choice> {
            let pool = self.pools.get(id.0)?;
            match self.try_pool(pool, request, family, requester) {
                Ok(pick) => Some(chosen(id, pick)),
                Err(reason) => {
                    let pool = pool.name().to_string();
                    considered.push(Considered { pool, reason });
                    None
                }
            }
        };
        let found = if request.pools.is_empty() {
            self.pools.by_name().find_map(consider)
        } else {
            let mut found = None;
            for name in request.pools {
                let id = self.pools.named(name);
                let id = id.ok_or_else(|| ClaimError::UnknownPool(shortened(name)))?;
                found = found.or_else(|| consider(id));
            }
            found
        };
        found.ok_or_else(|| ClaimError::Exhausted {
            owner: shortened(request.owner),
            family,
            considered,
        })
    }

    /// The first free address after the one that the request names, through its pools and round again.
    fn choose_after(
        &self,
        request: &Request<'_>,
        requester: Option<Requester>,
        family: Family,
    ) -> Option<Choice> {
        let after = request.after.filter(|&a| Family::of(a) == family)?;
        let ids: Vec<PoolId> = match request.pools {
            [] => self.pools.by_name().collect(),
            named => named.iter().filter_map(|n| self.pools.named(n)).collect(),
        };
        let fits = |id: &PoolId| {
            self.pools
                .get(id.0)
                .is_some_and(|p| p.spec().cidr.contains(after))
        };
        let start = ids.iter().position(fits)?;
        let turns = ids
            .iter()
            .cycle()
            .skip(start)
            .take(ids.len() + 1)
            .enumerate();
        for (turn, &id) in turns {
            let Some(pool) = self.pools.get(id.0) else {
                continue;
            };
            let open = pool.spec().cidr.family() == family && !pool.draining();
            if !open || missing_label(pool, request).is_some() {
                continue;
            }
            let bounds = match turn {
                0 => Some((
                    number(after).checked_add(1)?,
                    pool.spec().cidr.last_number(),
                )),
                t if t == ids.len() => Some((pool.spec().cidr.base(), number(after))),
                _ => Some((pool.spec().cidr.base(), pool.spec().cidr.last_number())),
            };
            if let Some(address) = bounds.and_then(|(from, to)| pool.first_between(from, to)) {
                let place = Place {
                    pool: id,
                    address,
                    origin: Origin::Fresh,
                };
                return Some(self.with_grab(requester, place));
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
        requester: Option<Requester>,
    ) -> Result<Pick, PoolReason> {
        if pool.spec().cidr.family() != family {
            return Err(PoolReason::Family);
        }
        if let Some(reason) = missing_label(pool, request) {
            return Err(reason);
        }
        if pool.draining() {
            return Err(PoolReason::Draining);
        }
        let requester = requester.map(|a| self.started_in(pool, a));
        pool.pick(requester, self.draw(family), self.now())
            .map_err(|exhausted| {
                let usage = pool.usage();
                match exhausted {
                    Exhausted::Blocks { limit } => PoolReason::Blocks {
                        limit,
                        free: usage.free,
                    },
                    Exhausted::Full => PoolReason::Full {
                        held: usage.held,
                        reserved: usage.reserved,
                        quarantined: usage.quarantined,
                        next: end(pool.next_due()),
                    },
                }
            })
    }

    /// The requester, as pools see it.
    pub(super) fn requester(&self, host: Named<'_>) -> Requester {
        let settings = host.id.and_then(|id| self.hosts.settings(id));
        Requester {
            host: host.id.unwrap_or(NOBODY),
            start: Start::Hash(host.hash),
            block_limit: settings.and_then(|s| s.block_limit),
            draining: settings.is_some_and(|s| s.draining),
        }
    }

    /// The requester with its start in this pool, where its settings name one.
    fn started_in(&self, pool: &Pool, requester: Requester) -> Requester {
        let known = self.hosts.settings(requester.host);
        let mut starts = known.into_iter().flat_map(|h| &h.starts);
        let start = starts
            .find(|&&a| pool.spec().cidr.contains(a))
            .map(|&a| Start::At(a));
        Requester {
            start: start.unwrap_or(requester.start),
            ..requester
        }
    }

    /// An address that was not searched for: its block comes with it where it is nobody's.
    fn with_grab(&self, requester: Option<Requester>, place: Place) -> Choice {
        let grab = requester.and_then(|requester| {
            self.pools
                .get(place.pool.0)?
                .grab_of(place.address, requester)
        });
        Choice { place, grab }
    }
}

/// What a pool picked.
fn chosen(pool: PoolId, pick: Pick) -> Choice {
    let early = pick.early.map(|left| Origin::Early { left });
    let place = Place {
        pool,
        address: pick.address,
        origin: early.unwrap_or(Origin::Fresh),
    };
    Choice {
        place,
        grab: pick.grab,
    }
}
