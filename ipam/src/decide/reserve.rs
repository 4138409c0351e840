//! Reservations: what a workload has whether it runs or not.

use super::errors::ReserveError;
use crate::apply::ApplyError;
use crate::apply::workload::addresses;
use crate::change::{Change, ChangeKind};
use crate::cidr::{AddressRange, Family, number};
use crate::identity::Identity;
use crate::state::Ipam;
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::IpAddr;

impl Ipam {
    /// Decides that addresses are reserved to a workload, whether it is running or not.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let change = ipam.decide_reserve("shop/db-0", &["10.9.0.10-10.9.0.12".parse()?])?;
    /// ipam.apply(&change)?;
    /// assert!(ipam.is_reserved("shop/db-0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReserveError`]: outside all pools, or held by, retained for or quarantined after others.
    pub fn decide_reserve<'a>(
        &self,
        workload: impl Into<Identity<'a>>,
        ranges: &[AddressRange],
    ) -> Result<Change<'a>, ReserveError> {
        let identity = workload.into();
        let mut parts = Vec::with_capacity(ranges.len());
        for &range in ranges {
            let pool = self.pools.of_address(range.first());
            let (id, _) = pool.ok_or(ReserveError::NoPool(range))?;
            parts.push((id, range));
        }
        if parts.is_empty() {
            return Err(ReserveError::Nothing);
        }
        self.check_reserved(identity, &parts)?;
        let kind = ChangeKind::Reserved {
            workload: Cow::Borrowed(identity.workload),
            interface: Cow::Borrowed(identity.interface),
            ranges: parts,
        };
        Ok(Change::new(self.now(), kind))
    }

    /// [`Ipam::decide_reserve`], carried out.
    ///
    /// ```
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp};
    ///
    /// let at = Timestamp::from_secs;
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.reserve(at(1), "shop/db-0", &["10.9.0.10-10.9.0.12".parse()?])?;
    /// let grant = ipam.claim(at(2), &Request::new("container-1/eth0").workload("shop/db-0"))?;
    /// assert_eq!(grant.address(), Some("10.9.0.10".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReserveError`].
    pub fn reserve<'a>(
        &mut self,
        now: Timestamp,
        workload: impl Into<Identity<'a>>,
        ranges: &[AddressRange],
    ) -> Result<(), ReserveError> {
        self.advance(now);
        let change = self.decide_reserve(workload, ranges)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// Decides that reservations of a workload end: all of them, or those of some ranges. Who holds one of the addresses
    /// keeps it until released, by a claim that stays fixed (repeated, it is answered; another fixed one of the same
    /// workload and interface is refused); the others go into quarantine, as it does once released.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.reserve(at(1), "shop/db-0", &["10.9.0.10-10.9.0.12".parse()?])?;
    /// let change = ipam.decide_unreserve("shop/db-0", &["10.9.0.11".parse()?])?;
    /// ipam.apply(&change)?;
    /// assert_eq!(ipam.reserved_for("shop/db-0").count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the workload has no reservation or is moving, or nothing of a range is reserved to it.
    pub fn decide_unreserve<'a>(
        &self,
        workload: impl Into<Identity<'a>>,
        ranges: &[AddressRange],
    ) -> Result<Change<'a>, ApplyError> {
        let identity = workload.into();
        self.check_unreserved(identity, ranges)?;
        Ok(self.unreserved(identity, ranges.to_vec()))
    }

    fn unreserved<'a>(&self, identity: Identity<'a>, ranges: Vec<AddressRange>) -> Change<'a> {
        let kind = ChangeKind::Unreserved {
            workload: Cow::Borrowed(identity.workload),
            interface: Cow::Borrowed(identity.interface),
            ranges,
        };
        Change::new(self.now(), kind)
    }

    /// Ends a workload's reservation, all of it; [`Ipam::decide_unreserve`], carried out.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.reserve(at(1), "shop/db-0", &["10.9.0.10-10.9.0.12".parse()?])?;
    /// ipam.unreserve(at(2), "shop/db-0")?;
    /// assert!(!ipam.is_reserved("shop/db-0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the workload has no reservation or is moving.
    pub fn unreserve<'a>(
        &mut self,
        now: Timestamp,
        workload: impl Into<Identity<'a>>,
    ) -> Result<(), ApplyError> {
        self.unreserve_ranges(now, workload, &[])
    }

    /// Ends the reservation of some addresses; [`Ipam::decide_unreserve`], carried out.
    ///
    /// ```
    /// use ipam::{Ipam, PoolSpec, Timestamp};
    ///
    /// let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// ipam.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.reserve(now, "shop/web-0", &["10.9.0.10-10.9.0.12".parse()?])?;
    /// ipam.unreserve_ranges(now, "shop/web-0", &["10.9.0.11".parse()?])?;
    /// assert_eq!(ipam.reserved_for("shop/web-0").count(), 2);
    /// // Instead of what is reserved now.
    /// ipam.replace_reservation(now, "shop/web-0", &["10.9.0.20".parse()?])?;
    /// assert!(ipam.reserved_for("shop/web-0").eq(["10.9.0.20".parse::<std::net::IpAddr>()?]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Ipam::decide_unreserve`].
    pub fn unreserve_ranges<'a>(
        &mut self,
        now: Timestamp,
        workload: impl Into<Identity<'a>>,
        ranges: &[AddressRange],
    ) -> Result<(), ApplyError> {
        self.advance(now);
        let change = self.decide_unreserve(workload, ranges)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// Decides that these addresses are reserved to a workload, and no others any more. Who holds one of the others
    /// keeps it until released, as with [`Ipam::decide_unreserve`].
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.reserve(at(1), "shop/db-0", &["10.9.0.10".parse()?])?;
    /// let changes = ipam.decide_replace_reservation("shop/db-0", &["10.9.0.20".parse()?])?;
    /// ipam.apply_all(&changes)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Ipam::decide_reserve`].
    pub fn decide_replace_reservation<'a>(
        &self,
        workload: impl Into<Identity<'a>>,
        ranges: &[AddressRange],
    ) -> Result<Vec<Change<'a>>, ReserveError> {
        let identity = workload.into();
        let mut changes = Vec::from([self.decide_reserve(identity, ranges)?]);
        // As many as one reservation may have, at the most.
        let wanted: BTreeSet<IpAddr> = ranges.iter().flat_map(|&r| addresses(r)).collect();
        let known = self.workload(identity).into_iter();
        let reserved = known.flat_map(|id| self.workloads.reserved(id));
        let reserved = reserved.filter_map(|s| Some(self.pools.get(s.pool)?.address(s.slot)));
        let mut others: Vec<IpAddr> = reserved.filter(|a| !wanted.contains(a)).collect();
        others.sort_unstable();
        if !others.is_empty() {
            changes.push(self.unreserved(identity, joined(&others)));
        }
        Ok(changes)
    }

    /// [`Ipam::decide_replace_reservation`], carried out.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.reserve(at(1), "shop/db-0", &["10.9.0.10".parse()?])?;
    /// ipam.replace_reservation(at(2), "shop/db-0", &["10.9.0.20".parse()?])?;
    /// assert!(ipam.reserved_for("shop/db-0").eq(["10.9.0.20".parse::<std::net::IpAddr>()?]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReserveError`].
    pub fn replace_reservation<'a>(
        &mut self,
        now: Timestamp,
        workload: impl Into<Identity<'a>>,
        ranges: &[AddressRange],
    ) -> Result<(), ReserveError> {
        self.advance(now);
        let changes = self.decide_replace_reservation(workload, ranges)?;
        self.carry_out(&changes);
        Ok(())
    }
}

/// The fewest ranges of some addresses in order.
fn joined(addresses: &[IpAddr]) -> Vec<AddressRange> {
    let mut ranges: Vec<AddressRange> = Vec::new();
    for &address in addresses {
        let next = |r: &AddressRange| {
            let follows = number(r.last()).checked_add(1) == Some(number(address));
            r.family() == Family::of(address) && follows
        };
        let longer = ranges.last().filter(|r| next(r)).map(|r| r.first());
        match longer.and_then(|first| AddressRange::new(first, address).ok()) {
            Some(longer) => {
                ranges.pop();
                ranges.push(longer);
            }
            None => ranges.push(address.into()),
        }
    }
    ranges
}
