//! What is out of use and why: reserved, sticky, in quarantine.

use crate::identity::Identity;
use crate::pool::cells::State;
use crate::pool::released::List;
use crate::query::ClaimRef;
use crate::state::{Ipam, Spot};
use crate::time::Timestamp;
use crate::workloads::WHILE_MOVING;
use alloc::vec::Vec;
use core::net::IpAddr;

/// An address that a workload retains through one of its interfaces.
#[derive(Clone, Copy, Debug)]
pub struct Retained<'a> {
    /// The workload and interface.
    pub identity: Identity<'a>,
    /// The pool's name.
    pub pool: &'a str,
    /// The address.
    pub address: IpAddr,
    /// Whether it is reserved, for good; otherwise it is sticky, and nobody holds it.
    pub reserved: bool,
    /// Until when it is retained; `None` for a reservation, and for as long as a move takes.
    pub until: Option<Timestamp>,
    /// The claim of the workload that holds a reserved address.
    pub holder: Option<ClaimRef<'a>>,
}

/// An address in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarantined<'a> {
    /// The pool's name; `None` where the pool was removed.
    pub pool: Option<&'a str>,
    /// The address.
    pub address: IpAddr,
    /// Since when.
    pub since: Timestamp,
    /// Until when nobody else is given it.
    pub until: Timestamp,
}

impl Ipam {
    /// Everything that workloads retain: in order of workload, interface, reserved ones first, pool and address. Linear in
    /// workloads and what they retain, sorting aside.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.reserve(at(1), "shop/db-0", &["10.9.0.10".parse()?])?;
    /// let retained = ipam.retained();
    /// assert_eq!((retained[0].identity.workload, retained[0].reserved), ("shop/db-0", true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn retained(&self) -> Vec<Retained<'_>> {
        let all = self.workloads.ids().flat_map(|id| self.retained_by(id));
        let mut all: Vec<Retained<'_>> = all.collect();
        all.sort_by_key(|r| (r.identity, !r.reserved, r.pool, r.address));
        all
    }

    /// What is retained of one address, and by whom. Linear in what that workload retains.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.reserve(at(1), "shop/db-0", &["10.9.0.10".parse()?])?;
    /// assert!(ipam.retained_at("10.9.0.10".parse()?).is_some_and(|r| r.holder.is_none()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn retained_at(&self, address: IpAddr) -> Option<Retained<'_>> {
        let (_, pool) = self.pools.of_address(address)?;
        let workload = match pool.state(pool.slot(address)?) {
            State::Retained(workload) => workload,
            State::Held(claim) => self.claims.get(claim)?.workload,
            _ => return None,
        };
        self.retained_by(workload).find(|r| r.address == address)
    }

    fn retained_by(&self, id: u32) -> impl Iterator<Item = Retained<'_>> {
        let reserved = self.workloads.reserved(id).map(|spot| (spot, true, None));
        let sticky = self.workloads.sticky(id).map(|(spot, until)| {
            let until = Some(until).filter(|&u| u != WHILE_MOVING);
            (spot, false, until)
        });
        reserved
            .chain(sticky)
            .filter_map(move |(spot, reserved, until)| self.retained_as(id, spot, reserved, until))
    }

    fn retained_as(
        &self,
        id: u32,
        spot: Spot,
        reserved: bool,
        until: Option<Timestamp>,
    ) -> Option<Retained<'_>> {
        let pool = self.pools.get(spot.pool)?;
        let holder = match pool.state(spot.slot) {
            State::Held(claim) => self.claim_ref(claim),
            _ => None,
        };
        Some(Retained {
            identity: self.workloads.identity(id)?,
            pool: pool.name(),
            address: pool.address(spot.slot),
            reserved,
            until,
            holder,
        })
    }

    /// The addresses reserved to a workload, held or not, in the order in which they were.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.reserve(at(1), "shop/db-0", &["10.9.0.10-10.9.0.12".parse()?])?;
    /// assert_eq!(ipam.reserved_for("shop/db-0").count(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserved_for<'w>(
        &self,
        workload: impl Into<Identity<'w>>,
    ) -> impl Iterator<Item = IpAddr> {
        let known = self.workload(workload.into()).into_iter();
        let spots = known.flat_map(|id| self.workloads.reserved(id));
        spots.filter_map(|s| Some(self.pools.get(s.pool)?.address(s.slot)))
    }

    /// Every address in quarantine, those of removed pools too, in order of address. Linear, sorting aside.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// ipam.release(at(2), "container-1/eth0", grant.sequence)?;
    /// assert_eq!(ipam.quarantined()[0].until, at(62));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn quarantined(&self) -> Vec<Quarantined<'_>> {
        let pools = self.pools.iter().flat_map(|(_, pool)| {
            pool.released()
                .iter(List::Quarantine)
                .map(|(_, entry)| Quarantined {
                    pool: Some(pool.name()),
                    address: pool.address(entry.slot),
                    since: entry.at,
                    until: entry.at.after(pool.spec().quarantine),
                })
        });
        let departed = self
            .departed
            .iter()
            .filter(|entry| entry.until > self.now())
            .map(|entry| Quarantined {
                pool: None,
                address: entry.address,
                since: entry.at,
                until: entry.until,
            });
        let mut all: Vec<Quarantined<'_>> = pools.chain(departed).collect();
        all.sort_unstable_by_key(|q| q.address);
        all
    }
}
