//! The store beside what the engine runs: what was lost of either comes back.

use crate::addresses::{Wanted, usual_gateway};
use crate::draft::Draft;
use crate::driver::Driver;
use crate::engine::{EngineView, Subnet};
use crate::names::{Attachment, PoolId, Retainer, counted};
use crate::options::sticky;
use crate::pools::{count, remake};
use crate::refusal::Refusal;
use ipam::claim::Holder;
use ipam::{Change, Ipam, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// What settling comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settlement {
    /// Pools of which more, or fewer, networks are counted now.
    pub counted: Vec<PoolId>,
    /// Addresses that the engine uses and the store knew nothing of; they are claimed now.
    pub adopted: Vec<IpAddr>,
    /// Addresses that the engine uses and that are another's in the store, or can't be had, with the reason.
    pub conflicts: Vec<(IpAddr, String)>,
    /// The changes that carry it out, in order.
    pub changes: Vec<Change<'static>>,
}

/// Since when the store counts more networks than the engine has, by pool. A plugin that begins anew counts from its beginning.
#[derive(Clone, Debug, Default)]
pub struct Excess {
    since: BTreeMap<PoolId, (u32, Timestamp)>,
}

impl Excess {
    /// Notes what is counted too much now; the pools of which that has been so, with one count, for the grace period.
    pub fn note(
        &mut self,
        now: Timestamp,
        excess: &[(PoolId, u32)],
        grace: Duration,
    ) -> BTreeSet<PoolId> {
        let before = std::mem::take(&mut self.since);
        let mut due = BTreeSet::new();
        for (id, count) in excess {
            let known = before
                .get(id)
                .filter(|(counted, _)| counted == count)
                .map(|(_, since)| *since);
            if known.is_some_and(|since| since < now && since.after(grace) <= now) {
                due.insert(id.clone());
            }
            self.since
                .insert(id.clone(), (*count, known.unwrap_or(now)));
        }
        due
    }
}

impl Driver {
    /// Whether an owner lives, by what the engine runs: one of its containers or networks has the address. Of owners that are not of
    /// this host's engine it says nothing.
    #[must_use]
    pub fn lives(&self, view: &EngineView, owner: &str) -> Option<bool> {
        Attachment::of_owner(&self.host, owner).map(|attachment| view.has(attachment))
    }

    /// Whether an owner is of this host's engine.
    #[must_use]
    pub fn owns(&self, owner: &str) -> bool {
        Attachment::of_owner(&self.host, owner).is_some()
    }

    /// Pools of which more networks are counted than the engine has, with the count: an answer to RequestPool was lost, or a
    /// ReleasePool.
    #[must_use]
    pub fn excess(&self, ipam: &Ipam, view: &EngineView) -> Vec<(PoolId, u32)> {
        let has = self.networks(ipam, view);
        let stored = self.stored(ipam).into_iter();
        stored
            .filter(|(id, count)| *count > has.get(id).copied().unwrap_or_default())
            .collect()
    }

    /// How many networks of the engine draw from each pool that the store knows.
    fn networks(&self, ipam: &Ipam, view: &EngineView) -> BTreeMap<PoolId, u32> {
        let mut counts = BTreeMap::new();
        for subnet in &view.subnets {
            if let Some(id) = id_of(ipam, subnet) {
                *counts.entry(id).or_default() += 1;
            }
        }
        counts
    }

    /// How many networks of this host the store counts, by pool.
    fn stored(&self, ipam: &Ipam) -> BTreeMap<PoolId, u32> {
        let mut counts = BTreeMap::new();
        for spec in ipam.pools().map(ipam::pool::PoolRef::spec) {
            for range in spec
                .labels
                .keys()
                .filter_map(|label| counted(&self.host, label))
            {
                let pool = spec.name.clone();
                let id = PoolId { pool, range };
                let count = count(spec, &self.host, &id);
                counts.insert(id, count);
            }
        }
        counts
    }

    /// Decides what brings the store in line with what the engine runs, and alters nothing. `due` are the pools whose count may be
    /// lowered ([`Excess`]); pools that were called about since the engine was looked at are `busy`, and left alone.
    ///
    /// Claims that nothing of the engine's uses any more are not ended here but by [collection](ipam::Ipam::decide_collection),
    /// with [`Driver::lives`].
    ///
    /// # Errors
    /// [`Refusal`] of a state that does not fit itself.
    pub fn settle(
        &self,
        ipam: &Ipam,
        view: &EngineView,
        due: &BTreeSet<PoolId>,
        busy: &dyn Fn(&str) -> bool,
    ) -> Result<Settlement, Refusal> {
        let mut out = Settlement::default();
        let mut draft = Draft::new(ipam);
        self.remake_pools(&mut draft, view, &mut out);
        let has = self.networks(&draft.ipam, view);
        let stored = self.stored(&draft.ipam);
        let all: BTreeSet<&PoolId> = has.keys().chain(stored.keys()).collect();
        for id in all.into_iter().filter(|id| !busy(&id.pool)) {
            let of = |counts: &BTreeMap<PoolId, u32>| counts.get(id).copied().unwrap_or_default();
            let (has, stored) = (of(&has), of(&stored));
            if has > stored || has < stored && due.contains(id) {
                // Of another name, a network may be counted all the same.
                self.set_count(&mut draft, id, has, &|attachment| view.has(attachment))?;
                out.counted.push(id.clone());
            }
        }
        for subnet in &view.subnets {
            let id = id_of(&draft.ipam, subnet).filter(|id| !busy(&id.pool));
            if let Some(id) = id {
                self.adopt(&mut draft, &id, subnet, &mut out)?;
            }
        }
        out.changes = draft.changes;
        Ok(out)
    }

    /// A pool of a network that is in no store any more was the engine's own idea of one: it is made again.
    fn remake_pools(&self, draft: &mut Draft, view: &EngineView, out: &mut Settlement) {
        let own = view.subnets.iter().filter(|subnet| subnet.own);
        for prefix in own.filter_map(|subnet| subnet.prefix) {
            let known = draft.ipam.pools().any(|pool| pool.spec().cidr == prefix);
            if known {
                continue;
            }
            // As much as was done of it stays, and is right by itself.
            if let Err(refusal) = remake(draft, prefix) {
                out.conflicts.push((prefix.first(), refusal.message));
            }
        }
    }

    /// The gateway of a network whose engine does not tell it, and of which the store knows none: most likely the first address.
    fn unknown_gateway(&self, draft: &Draft, id: &PoolId) -> Option<IpAddr> {
        let spec = draft.spec(&id.pool).ok()?;
        match spec.gateway.is_some() || self.known_gateway(&draft.ipam, id, spec).is_some() {
            true => None,
            false => usual_gateway(id, spec),
        }
    }

    /// Claims what the engine uses and nobody holds.
    fn adopt(
        &self,
        draft: &mut Draft,
        id: &PoolId,
        subnet: &Subnet,
        out: &mut Settlement,
    ) -> Result<(), Refusal> {
        let range = id.range;
        let endpoint = |address: &IpAddr| Attachment::Endpoint {
            address: *address,
            range,
        };
        let gateway = subnet.gateway.or_else(|| self.unknown_gateway(draft, id));
        let gateway = gateway.map(|address| Attachment::Gateway { address });
        let endpoints = subnet
            .auxiliary
            .iter()
            .chain(&subnet.endpoints)
            .map(endpoint);
        for attachment in gateway.into_iter().chain(endpoints) {
            let spec = draft.spec(&id.pool)?.clone();
            let address = attachment.address();
            let retainer = match attachment {
                Attachment::Gateway { address } if spec.gateway == Some(address) => continue,
                Attachment::Gateway { address } => Retainer::Gateway(address),
                Attachment::Endpoint { address, .. } => Retainer::Asked(address),
            };
            if let Some(Holder::Held(claim)) = draft.ipam.holder(address) {
                if !self.owns(claim.owner()) {
                    out.conflicts
                        .push((address, format!("it is held by {}", claim.owner())));
                }
                continue;
            }
            let wanted = Wanted {
                spec: &spec,
                attachment,
                retainer: retainer.workload(&self.host),
                retention: sticky(&spec),
            };
            match self.claim(&draft.ipam, &wanted) {
                Ok(changes) => {
                    draft.take_all(changes)?;
                    out.adopted.push(address);
                }
                Err(refusal) => out.conflicts.push((address, refusal.message)),
            }
        }
        Ok(())
    }
}

/// The pool of an engine's subnet, if the store has it.
fn id_of(ipam: &Ipam, subnet: &Subnet) -> Option<PoolId> {
    let prefix = subnet.prefix?;
    let pool = ipam.pools().find(|pool| pool.spec().cidr == prefix)?;
    let pool = pool.spec().name.clone();
    let range = subnet.range;
    Some(PoolId { pool, range })
}
