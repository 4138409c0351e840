//! Pools come, drain, grow and go.

use super::ApplyError;
use crate::cidr::Cidr;
use crate::pool::cells::State;
use crate::pool::spec::{Affinity, PoolError, PoolSpec};
use crate::pool::{Pool, PoolId, is_used};
use crate::state::Ipam;
use alloc::vec::Vec;

impl Ipam {
    pub(crate) fn apply_pool_added(
        &mut self,
        id: PoolId,
        spec: &PoolSpec,
    ) -> Result<(), ApplyError> {
        self.pools.check(spec)?;
        self.pools.insert(id, Pool::new(spec.clone()))?;
        self.arrive(id);
        Ok(())
    }

    pub(super) fn apply_pool_drained(&mut self, id: PoolId, on: bool) -> Result<(), ApplyError> {
        let pool = self.pools.get_mut(id.0).ok_or(ApplyError::NoPool(id))?;
        pool.set_draining(on);
        Ok(())
    }

    /// Whether a pool can become `cidr`.
    pub(crate) fn check_growth(&self, id: PoolId, cidr: Cidr) -> Result<(), PoolError> {
        let pool = self
            .pools
            .get(id.0)
            .ok_or_else(|| PoolError::Unknown(alloc::format!("{id}")))?;
        let old = pool.spec().cidr;
        if cidr.family() != old.family()
            || !cidr.contains(old.first())
            || cidr.prefix() > old.prefix()
        {
            return Err(PoolError::NotGrowing {
                given: cidr,
                cidr: old,
            });
        }
        let spec = PoolSpec {
            cidr,
            ..pool.spec().clone()
        };
        spec.check()?;
        // A /31's or /127's edges are usable, those of what it grows to are not.
        let mut edges = [old.first(), old.last()]
            .into_iter()
            .filter(|&e| spec.excludes(e).is_some());
        let used = |e| pool.slot(e).is_some_and(|s| is_used(pool.state(s)));
        if let Some(address) = edges.find(|&e| used(e)) {
            return Err(PoolError::EdgeInUse { address, cidr });
        }
        self.pools.check_overlap(cidr, Some(id))
    }

    pub(super) fn apply_pool_grown(&mut self, id: PoolId, cidr: Cidr) -> Result<(), ApplyError> {
        self.check_growth(id, cidr)?;
        let Some(old) = self.pools.get(id.0).map(|p| (p.spec().cidr, p.draining())) else {
            return Err(ApplyError::NoPool(id));
        };
        if old.0 != cidr {
            let spec = self.pools.get(id.0).map(|p| p.spec().clone());
            if let Some(spec) = spec {
                self.rebuild_pool(id, PoolSpec { cidr, ..spec }, old.1);
            }
            self.arrive(id);
        }
        Ok(())
    }

    /// Whether a pool can go on as `spec`: what its slots and bits were made from stays as it is.
    pub(crate) fn check_change(&self, id: PoolId, spec: &PoolSpec) -> Result<(), PoolError> {
        spec.check()?;
        let pool = self
            .pools
            .get(id.0)
            .ok_or_else(|| PoolError::Unknown(alloc::format!("{id}")))?;
        let old = &pool.spec();
        let setting = if (&old.name, old.cidr) != (&spec.name, spec.cidr) {
            "name and prefix"
        } else if (old.block_size, old.order) != (spec.block_size, spec.order) {
            "block size and order"
        } else if (old.affinity == Affinity::Off) != (spec.affinity == Affinity::Off) {
            "having blocks or none"
        } else if old.link_local != spec.link_local {
            "being link-local"
        } else {
            return self.check_bars(pool, spec);
        };
        Err(PoolError::Immutable { setting })
    }

    /// Whether nobody has an address that a pool is to give out no more. Linear in the addresses in use, where
    /// the bars differ.
    fn check_bars(&self, pool: &Pool, spec: &PoolSpec) -> Result<(), PoolError> {
        if !bars_differ(pool.spec(), spec) {
            return Ok(());
        }
        for (slot, cell) in pool.cells().iter() {
            let address = pool.address(slot);
            let barred =
                || pool.spec().excludes(address).is_none() && spec.excludes(address).is_some();
            let holder = match cell.state() {
                State::Held(claim) if barred() => self.claims.owner(claim).into(),
                State::Retained(workload) if barred() => {
                    { self.workloads.identity(workload).map(|i| i.workload.into()) }
                        .unwrap_or_default()
                }
                _ => continue,
            };
            return Err(PoolError::BarredInUse { address, holder });
        }
        Ok(())
    }

    pub(super) fn apply_pool_changed(
        &mut self,
        id: PoolId,
        spec: &PoolSpec,
    ) -> Result<(), ApplyError> {
        self.check_change(id, spec)?;
        let pool = self.pools.get(id.0).ok_or(ApplyError::NoPool(id))?;
        if bars_differ(pool.spec(), spec) {
            let draining = pool.draining();
            self.rebuild_pool(id, spec.clone(), draining);
        }
        let pool = self.pools.get_mut(id.0).ok_or(ApplyError::NoPool(id))?;
        pool.set_spec(spec.clone());
        // A shorter quarantine may be over already.
        self.catch_up();
        Ok(())
    }

    pub(super) fn apply_pool_removed(&mut self, id: PoolId) -> Result<(), ApplyError> {
        let pool = self.pools.get(id.0).ok_or(ApplyError::NoPool(id))?;
        if pool.held() > 0 || pool.reserved() > 0 {
            let (held, reserved) = (pool.held(), pool.reserved());
            let pool = pool.spec().name.clone();
            return Err(PoolError::InUse {
                pool,
                held,
                reserved,
            }
            .into());
        }
        let hosts: Vec<u32> = pool.blocks().hosts.iter().map(|(id, _)| id).collect();
        self.depart(id);
        self.pools.remove(id);
        for host in hosts {
            self.drop_host_if_idle(host);
        }
        Ok(())
    }
}

/// Whether two specs differ in what they give out only when asked, or never.
fn bars_differ(one: &PoolSpec, other: &PoolSpec) -> bool {
    (one.gateway, one.use_edges) != (other.gateway, other.use_edges)
        || (&one.excluded, &one.set_aside) != (&other.excluded, &other.set_aside)
}
