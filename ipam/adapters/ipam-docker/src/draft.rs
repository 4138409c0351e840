//! Several changes, each decided on what the ones before it lead to.

use crate::names::is_any_host;
use crate::refusal::Refusal;
use ipam::claim::Families;
use ipam::pool::PoolError;
use ipam::{Change, Ipam, PoolSpec, Request};
use std::net::IpAddr;
use std::time::Duration;

/// A state and the changes that led to it.
pub(crate) struct Draft {
    pub(crate) ipam: Ipam,
    pub(crate) changes: Vec<Change<'static>>,
}

fn refused(error: &PoolError) -> Refusal {
    Refusal::refused(error.to_string())
}

impl Draft {
    pub(crate) fn new(ipam: &Ipam) -> Self {
        Self {
            ipam: ipam.clone(),
            changes: Vec::new(),
        }
    }

    /// Carries a change out.
    pub(crate) fn take(&mut self, change: Change<'static>) -> Result<(), Refusal> {
        let applied = self.ipam.apply(&change);
        applied.map_err(|e| Refusal::failed(e.to_string()))?;
        self.changes.push(change);
        Ok(())
    }

    pub(crate) fn take_all(&mut self, changes: Vec<Change<'static>>) -> Result<(), Refusal> {
        changes.into_iter().try_for_each(|change| self.take(change))
    }

    pub(crate) fn spec(&self, pool: &str) -> Result<&PoolSpec, Refusal> {
        let found = self.ipam.pool(pool).map(ipam::pool::PoolRef::spec);
        found.ok_or_else(|| Refusal::refused(format!("no pool {pool:?} in the store")))
    }

    pub(crate) fn add(&mut self, spec: PoolSpec) -> Result<(), Refusal> {
        let change = self.ipam.decide_add_pool(spec).map_err(|e| refused(&e))?;
        self.take(change)
    }

    /// Changes a pool, where it is not so already.
    pub(crate) fn change(&mut self, spec: PoolSpec) -> Result<(), Refusal> {
        if self.spec(&spec.name)? == &spec {
            return Ok(());
        }
        let change = self
            .ipam
            .decide_change_pool(spec)
            .map_err(|e| refused(&e))?;
        self.take(change)
    }

    pub(crate) fn remove(&mut self, pool: &str) -> Result<(), Refusal> {
        let change = self.ipam.decide_remove_pool(pool);
        let change = change.map_err(|e| refused(&e))?.into_owned();
        self.take(change)
    }

    /// Removes a pool that no network draws from, with what is retained of it. What is in quarantine stays there, and what was
    /// retained goes there too; where nothing is, the addresses of gateways and the like are free at once.
    pub(crate) fn clear(&mut self, pool: &str) -> Result<(), Refusal> {
        let retained = self.ipam.retained();
        let of_pool = retained
            .iter()
            .filter(|left| left.pool == pool && !left.reserved);
        let left: Vec<(String, String, IpAddr)> = of_pool
            .map(|left| {
                (
                    left.identity.workload.to_owned(),
                    left.identity.interface.to_owned(),
                    left.address,
                )
            })
            .collect();
        let usage = self.ipam.pool(pool).map(ipam::pool::PoolRef::usage);
        if usage.is_none_or(|usage| usage.quarantined == 0)
            && !left.iter().any(|(workload, ..)| is_any_host(workload))
        {
            let mut spec = self.spec(pool)?.clone();
            spec.quarantine = Duration::ZERO;
            self.change(spec)?;
        }
        for (workload, interface, address) in &left {
            let (owner, addresses) = (format!("docker/gone/{address}"), [*address]);
            let families = if address.is_ipv4() {
                Families::V4
            } else {
                Families::V6
            };
            let request = Request::new(&owner).workload(workload).interface(interface);
            let request = request.addresses(&addresses).families(families);
            let decision = self.ipam.decide_claim(&request);
            let changes = decision
                .map_err(|e| Refusal::refused(e.to_string()))?
                .changes;
            self.take_all(changes.into_iter().map(Change::into_owned).collect())?;
            self.release(&owner)?;
        }
        self.remove(pool)
    }

    /// Releases an owner's claim, if it has one.
    pub(crate) fn release(&mut self, owner: &str) -> Result<(), Refusal> {
        let Some(claim) = self.ipam.claim_of(owner) else {
            return Ok(());
        };
        let change = self.ipam.decide_release(owner, claim.sequence());
        let change = change.map_err(|e| Refusal::failed(e.to_string()))?;
        self.take(change.into_owned())
    }
}
