//! Claims out of their records.

use super::{MOST_COUNT, Restorer};
use crate::cidr::Family;
use crate::claim::RetentionKind;
use crate::claims::NewClaim;
use crate::identity::Identity;
use crate::index::tag;
use crate::pool::PoolId;
use crate::pool::cells::State;
use crate::pool::spec::name_fits;
use crate::state::{NONE, Spot, Spots};
use crate::store::damage::RejectedRecord;
use crate::store::record::Record;
use crate::time::Timestamp;
use core::net::IpAddr;

impl Restorer {
    pub(super) fn add_claim(
        &mut self,
        record: Record<'_>,
        key: &str,
    ) -> Result<(), RejectedRecord> {
        let Record::Claim {
            owner,
            workload,
            interface,
            host,
            sequence,
            touched,
            until,
            retention,
            addresses,
            suspect,
        } = record
        else {
            return Ok(());
        };
        for name in [Some(&owner), host.as_ref()].into_iter().flatten() {
            name_fits(name).map_err(|e| RejectedRecord::new(key, name, e))?;
        }
        let identity = workload
            .as_deref()
            .map(|w| Identity::from((w, &*interface)));
        if let Some(identity) = identity {
            let fits = identity.check();
            fits.map_err(|(_, e)| RejectedRecord::new(key, identity, e))?;
        }
        let odd = |reason: &str| RejectedRecord::new(key, &owner, reason);
        if sequence > MOST_COUNT {
            return Err(odd(
                "has a sequence further than anything can have been counted",
            ));
        }
        let named = self.ipam.named_owner(self.ipam.unfound(&owner));
        if named.id.is_some() {
            return Err(odd("has another claim"));
        }
        let known = identity.and_then(|i| self.ipam.workload(i));
        let spots = self.claimed_spots(&addresses, known, key, &owner)?;
        if spots.is_empty() || (workload.is_none() && retention != RetentionKind::Ephemeral) {
            return Err(odd("holds nothing, or retains it for nobody"));
        }
        let holder = identity.map_or(NONE, |i| {
            known.unwrap_or_else(|| self.ipam.intern_workload(i))
        });
        let host = host.as_deref().map_or(NONE, |h| self.ipam.intern_host(h));
        let id = self.ipam.link_claim(&NewClaim {
            owner: &owner,
            tag: tag(named.hash),
            sequence,
            touched,
            until: until.unwrap_or(Timestamp::MAX),
            workload: holder,
            host,
            spots,
            retention,
        });
        self.hold(spots, id, holder);
        if let Some(suspect) = suspect {
            self.ipam.claims.restore_suspect(id, suspect);
        }
        Ok(())
    }

    /// The slots of a claim's addresses, each of which it may hold, at most one of each family.
    fn claimed_spots(
        &mut self,
        addresses: &[(PoolId, IpAddr)],
        workload: Option<u32>,
        key: &str,
        owner: &str,
    ) -> Result<Spots, RejectedRecord> {
        let mut spots = Spots::EMPTY;
        for &(id, address) in addresses {
            let spot = self.claimable((id, address), workload, key)?;
            if spots.get(Family::of(address)).is_some() {
                let reason = "has two addresses of one family";
                return Err(RejectedRecord::new(key, owner, reason));
            }
            spots.set(Family::of(address), Some(spot));
        }
        Ok(spots)
    }

    /// A restored claim of this workload holds its addresses.
    fn hold(&mut self, spots: Spots, claim: u32, workload: u32) {
        let now = self.ipam.now();
        for (_, spot) in spots.iter() {
            if let Some(pool) = self.ipam.pools.get_mut(spot.pool) {
                pool.hold(spot.slot, claim, now);
            }
            self.ipam.set_reserved_idle(workload, spot, false);
        }
    }

    /// The slot of an address that this workload's claim may hold: nobody's, or reserved to it.
    fn claimable(
        &mut self,
        place: (PoolId, IpAddr),
        workload: Option<u32>,
        key: &str,
    ) -> Result<Spot, RejectedRecord> {
        let reserved = self.ipam.pools.get(place.0.0).and_then(|p| {
            let slot = p.slot(place.1)?;
            let State::Retained(w) = p.state(slot) else {
                return None;
            };
            let fixed = self.ipam.workloads.has_reservation(w);
            (Some(w) == workload && fixed).then_some(Spot {
                pool: place.0.0,
                slot,
            })
        });
        reserved.map_or_else(|| self.vacant(place, key), Ok)
    }
}
