//! A workload's way from host to host with its address: never may both use it.

use super::claim::Decision;
use super::errors::{ClaimError, MoveError};
use crate::change::{Change, ChangeKind};
use crate::cidr::shortened;
use crate::claim::Grant;
use crate::identity::Identity;
use crate::state::{Ipam, Kind, end};
use crate::time::Timestamp;
use crate::workloads::Move;
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Ipam {
    /// Notes that a workload leaves `from` for `to` with its fixed or sticky address. From now on no
    /// other host is given the address; the old owner goes on using it until it releases it.
    ///
    /// ```
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp};
    ///
    /// let at = Timestamp::from_secs;
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").workload("shop/web-0").host("h1").fixed(&[]);
    /// let first = ipam.claim(at(1), &request)?;
    /// ipam.begin_move(at(2), "shop/web-0", "h1", "h2")?;
    /// ipam.release(at(3), "container-1/eth0", first.sequence)?;
    /// let second = ipam.finish_move(at(4), "shop/web-0", "container-2/eth0")?;
    /// assert_eq!(second.address(), first.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MoveError`].
    pub fn begin_move<'a>(
        &mut self,
        now: Timestamp,
        workload: impl Into<Identity<'a>>,
        from: &'a str,
        to: &'a str,
    ) -> Result<(), MoveError> {
        self.advance(now);
        let change = self.decide_begin_move(workload, from, to)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// Gives the moving address to a new owner on the new host, once the old owner has released it or its
    /// lease is over.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").workload("shop/web-0").host("h1").fixed(&[]);
    /// let first = ipam.claim(at(1), &request)?;
    /// ipam.begin_move(at(2), "shop/web-0", "h1", "h2")?;
    /// // The old owner still uses the address.
    /// assert!(ipam.finish_move(at(3), "shop/web-0", "container-2/eth0").is_err());
    /// ipam.release(at(4), "container-1/eth0", first.sequence)?;
    /// let second = ipam.finish_move(at(5), "shop/web-0", "container-2/eth0")?;
    /// assert_eq!(second.address(), first.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MoveError::StillHeld`] until then.
    pub fn finish_move<'a>(
        &mut self,
        now: Timestamp,
        workload: impl Into<Identity<'a>>,
        owner: &'a str,
    ) -> Result<Grant, MoveError> {
        self.advance(now);
        let decision = self.decide_finish_move(workload, owner)?;
        self.carry_out(&decision.changes);
        Ok(decision.grant)
    }

    /// Calls a move off. The address stays with whoever holds it, or with the workload.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").workload("shop/web-0").host("h1").fixed(&[]);
    /// ipam.claim(at(1), &request)?;
    /// ipam.begin_move(at(2), "shop/web-0", "h1", "h2")?;
    /// ipam.abort_move(at(3), "shop/web-0")?;
    /// assert_eq!(ipam.move_of("shop/web-0"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MoveError::NotMoving`].
    pub fn abort_move<'a>(
        &mut self,
        now: Timestamp,
        workload: impl Into<Identity<'a>>,
    ) -> Result<(), MoveError> {
        self.advance(now);
        let change = self.decide_abort_move(workload)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// Applies what was decided on this very state.
    pub(crate) fn carry_out(&mut self, changes: &[Change<'_>]) {
        let applied = self.apply_all(changes);
        debug_assert_eq!(applied, Ok(()));
    }

    /// Decides the beginning of a move and alters nothing.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").workload("shop/web-0").host("h1").fixed(&[]);
    /// ipam.claim(at(1), &request)?;
    /// let change = ipam.decide_begin_move("shop/web-0", "h1", "h2")?;
    /// ipam.apply(&change)?;
    /// assert!(ipam.move_of("shop/web-0").is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MoveError`].
    pub fn decide_begin_move<'a>(
        &self,
        workload: impl Into<Identity<'a>>,
        from: &'a str,
        to: &'a str,
    ) -> Result<Change<'a>, MoveError> {
        let identity = workload.into();
        let workload = || shortened(&identity.to_string());
        let not_there = || MoveError::NotThere {
            workload: workload(),
            host: shortened(from),
        };
        let id = self.workload(identity).ok_or_else(not_there)?;
        if let Some(moving) = self.workloads.moving(id) {
            let (from, to) = self.ends_of(moving);
            return Err(MoveError::Moving {
                workload: workload(),
                from,
                to,
            });
        }
        let host = self.host(from).ok_or_else(not_there)?;
        let moving = self.claim_on(id, host).ok_or_else(not_there)?;
        let claim = self.claims.get(moving).ok_or_else(not_there)?;
        // Of a reservation that has ended in part, what is no longer reserved does not stay with the workload.
        let stays = match claim.kind {
            Kind::Ephemeral => false,
            Kind::Sticky => true,
            Kind::Fixed => claim.spots.iter().all(|(_, s)| self.is_reserved_to(id, s)),
        };
        if !stays {
            return Err(MoveError::Ephemeral {
                workload: workload(),
            });
        }
        if from == to {
            return Err(MoveError::SameHost {
                workload: workload(),
                host: from.into(),
            });
        }
        crate::pool::spec::name_fits(to).map_err(|error| ClaimError::Name {
            field: "host",
            error,
        })?;
        let kind = ChangeKind::MoveBegun {
            workload: Cow::Borrowed(identity.workload),
            interface: Cow::Borrowed(identity.interface),
            from: Cow::Borrowed(from),
            to: Cow::Borrowed(to),
        };
        Ok(Change::new(self.now(), kind))
    }

    fn ends_of(&self, moving: &Move) -> (String, String) {
        let name = |host| self.hosts.name(host).unwrap_or_default().to_string();
        (name(moving.from), name(moving.to))
    }

    /// Decides the end of a move and alters nothing.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").workload("shop/web-0").host("h1").fixed(&[]);
    /// let first = ipam.claim(at(1), &request)?;
    /// ipam.begin_move(at(2), "shop/web-0", "h1", "h2")?;
    /// ipam.release(at(3), "container-1/eth0", first.sequence)?;
    /// let decision = ipam.decide_finish_move("shop/web-0", "container-2/eth0")?;
    /// ipam.apply_all(&decision.changes)?;
    /// assert_eq!(decision.grant.address(), first.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MoveError`].
    pub fn decide_finish_move<'a>(
        &self,
        workload: impl Into<Identity<'a>>,
        owner: &'a str,
    ) -> Result<Decision<'a>, MoveError> {
        let identity = workload.into();
        crate::pool::spec::name_fits(owner).map_err(|error| ClaimError::Name {
            field: "owner",
            error,
        })?;
        let (id, moving) = self.moving(identity)?;
        if self.owner(owner).is_some() {
            let (owner, field) = (shortened(owner), "host");
            return Err(ClaimError::Different { owner, field }.into());
        }
        let mut changes = Vec::new();
        let places = self.moved_places(id, moving, &mut changes)?;
        let (_, to) = self.ends_of(moving);
        let sequence = self.tokens.next();
        let pools = places
            .iter()
            .flatten()
            .filter_map(|p| self.pools.get(p.pool.0)?.spec().lease);
        let begins = self.beginning(Some(id), places.iter().flatten());
        let until = pools.min().map(|l| begins.after(l)).and_then(end);
        let leases = places
            .iter()
            .flatten()
            .filter_map(|&p| self.lease(p))
            .collect();
        let [v4, v6] = places;
        changes.push(Change::new(
            self.now(),
            ChangeKind::Claimed {
                owner: Cow::Borrowed(owner),
                workload: Some(Cow::Borrowed(identity.workload)),
                interface: Cow::Borrowed(identity.interface),
                host: Some(Cow::Owned(to)),
                sequence,
                until,
                retention: moving.retention,
                v4,
                v6,
            },
        ));
        changes.push(self.move_ended(identity, true));
        Ok(Decision {
            grant: Grant {
                sequence,
                until,
                leases,
            },
            changes,
        })
    }

    /// Decides the calling off of a move and alters nothing.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").workload("shop/web-0").host("h1").fixed(&[]);
    /// ipam.claim(at(1), &request)?;
    /// assert!(ipam.decide_abort_move("shop/web-0").is_err()); // it does not move
    /// ipam.begin_move(at(2), "shop/web-0", "h1", "h2")?;
    /// let change = ipam.decide_abort_move("shop/web-0")?;
    /// ipam.apply(&change)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MoveError::NotMoving`].
    pub fn decide_abort_move<'a>(
        &self,
        workload: impl Into<Identity<'a>>,
    ) -> Result<Change<'a>, MoveError> {
        let identity = workload.into();
        self.moving(identity)?;
        Ok(self.move_ended(identity, false))
    }

    pub(super) fn move_ended<'a>(&self, identity: Identity<'a>, finished: bool) -> Change<'a> {
        let kind = ChangeKind::MoveEnded {
            workload: Cow::Borrowed(identity.workload),
            interface: Cow::Borrowed(identity.interface),
            finished,
        };
        Change::new(self.now(), kind)
    }

    fn moving(&self, identity: Identity<'_>) -> Result<(u32, &Move), MoveError> {
        let id = self.workload(identity);
        let found = id.and_then(|id| Some((id, self.workloads.moving(id)?)));
        found.ok_or_else(|| MoveError::NotMoving {
            workload: shortened(&identity.to_string()),
        })
    }

    /// A moving workload's hosts, from and to, and since when.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").workload("shop/web-0").host("h1").fixed(&[]);
    /// ipam.claim(at(1), &request)?;
    /// ipam.begin_move(at(2), "shop/web-0", "h1", "h2")?;
    /// assert_eq!(ipam.move_of("shop/web-0"), Some(("h1", "h2", at(2))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn move_of<'w>(
        &self,
        workload: impl Into<Identity<'w>>,
    ) -> Option<(&str, &str, Timestamp)> {
        let (_, moving) = self.moving(workload.into()).ok()?;
        Some((
            self.hosts.name(moving.from)?,
            self.hosts.name(moving.to)?,
            moving.since,
        ))
    }
}
