//! Pools and hosts: the operations of those who run the network.

use crate::apply::ApplyError;
use crate::change::{Change, ChangeKind, HostSettings};
use crate::cidr::Cidr;
use crate::pool::PoolId;
use crate::pool::spec::{PoolError, PoolSpec};
use crate::state::Ipam;
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::ToString;

impl Ipam {
    /// Adds a pool.
    ///
    /// # Errors
    /// [`PoolError`]: impossible as such, of a name there is, or overlapping another.
    pub fn add_pool(&mut self, now: Timestamp, spec: PoolSpec) -> Result<PoolId, PoolError> {
        self.advance(now);
        let change = self.decide_add_pool(spec)?;
        let id = match &change.kind {
            ChangeKind::PoolAdded { pool, .. } => *pool,
            _ => PoolId(u16::MAX),
        };
        self.carry_out(&[change]);
        Ok(id)
    }

    /// Decides the addition of a pool and alters nothing.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn decide_add_pool(&self, spec: PoolSpec) -> Result<Change<'static>, PoolError> {
        spec.check_range()?;
        self.pools.check(&spec)?;
        let (pool, spec) = (self.pools.free_id()?, Box::new(spec));
        Ok(Change::new(
            self.now(),
            ChangeKind::PoolAdded { pool, spec },
        ))
    }

    fn pool_named(&self, name: &str) -> Result<PoolId, PoolError> {
        let id = self.pools.named(name);
        id.ok_or_else(|| PoolError::Unknown(crate::cidr::shortened(name)))
    }

    /// Decides that a pool gives nothing more, or does so again. Who holds an address keeps it.
    ///
    /// # Errors
    /// [`PoolError::Unknown`].
    pub fn decide_drain_pool(&self, name: &str, on: bool) -> Result<Change<'static>, PoolError> {
        let pool = self.pool_named(name)?;
        Ok(Change::new(
            self.now(),
            ChangeKind::PoolDrained { pool, draining: on },
        ))
    }

    /// Decides that a pool's prefix becomes a larger one that contains it.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn decide_grow_pool(&self, name: &str, cidr: Cidr) -> Result<Change<'static>, PoolError> {
        let pool = self.pool_named(name)?;
        if let Some(pool) = self.pools.get(pool.0) {
            let spec = pool.spec.clone();
            PoolSpec { cidr, ..spec }.check_range()?;
        }
        self.check_growth(pool, cidr)?;
        Ok(Change::new(
            self.now(),
            ChangeKind::PoolGrown { pool, cidr },
        ))
    }

    /// Decides what a pool does with its addresses from now on: gateway, excluded ranges and those set aside,
    /// quarantine, early reuse, borrowing, block limit, lease, VLAN, bridge, labels. What is excluded while in quarantine stays so.
    /// Linear in the pool's claims where gateway or ranges change.
    ///
    /// # Errors
    /// [`PoolError::BarredInUse`] where somebody has an address that is to be excluded; [`PoolError::Immutable`] for
    /// the rest.
    pub fn decide_change_pool(&self, spec: PoolSpec) -> Result<Change<'static>, PoolError> {
        let pool = self.pool_named(&spec.name)?;
        self.check_change(pool, &spec)?;
        Ok(Change::new(
            self.now(),
            ChangeKind::PoolChanged {
                pool,
                spec: Box::new(spec),
            },
        ))
    }

    /// [`Ipam::decide_change_pool`], carried out.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn change_pool(&mut self, now: Timestamp, spec: PoolSpec) -> Result<(), PoolError> {
        self.advance(now);
        let change = self.decide_change_pool(spec)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// Decides that a pool goes. Its addresses in quarantine stay so: a pool added later gives them no
    /// earlier than this one would have.
    ///
    /// # Errors
    /// [`PoolError::InUse`] while addresses of it are held or reserved.
    pub fn decide_remove_pool(&self, name: &str) -> Result<Change<'static>, PoolError> {
        let pool = self.pool_named(name)?;
        if let Some(p) = self.pools.get(pool.0)
            && (p.held > 0 || p.reserved > 0)
        {
            let (held, reserved) = (p.held, p.reserved);
            return Err(PoolError::InUse {
                pool: p.name.to_string(),
                held,
                reserved,
            });
        }
        Ok(Change::new(self.now(), ChangeKind::PoolRemoved { pool }))
    }

    /// [`Ipam::decide_drain_pool`], carried out.
    ///
    /// # Errors
    /// [`PoolError::Unknown`].
    pub fn drain_pool(&mut self, now: Timestamp, name: &str, on: bool) -> Result<(), PoolError> {
        self.advance(now);
        let change = self.decide_drain_pool(name, on)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// [`Ipam::decide_grow_pool`], carried out. Linear in the allocator's claims.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn grow_pool(&mut self, now: Timestamp, name: &str, cidr: Cidr) -> Result<(), PoolError> {
        self.advance(now);
        let change = self.decide_grow_pool(name, cidr)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// [`Ipam::decide_remove_pool`], carried out.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn remove_pool(&mut self, now: Timestamp, name: &str) -> Result<(), PoolError> {
        self.advance(now);
        let change = self.decide_remove_pool(name)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// Sets a host's block limit, start and drain.
    ///
    /// # Errors
    /// When the name does not fit.
    pub fn set_host(
        &mut self,
        now: Timestamp,
        host: &str,
        settings: HostSettings,
    ) -> Result<(), ApplyError> {
        let kind = ChangeKind::HostSet {
            host: Cow::Borrowed(host),
            settings,
        };
        self.apply(&Change::new(now.max(self.now()), kind))
    }
}
