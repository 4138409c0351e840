//! What must hold after each operation, and what two allocators must agree in.

use super::{Holding, Keep, Model, Op};
use crate::{Grant, Ipam, Request, Timestamp, claim::RetentionKind, pool::PoolId, store::Record};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

impl Model {
    pub(super) fn check(&self, op: &Op) {
        if let Err(broken) = self.ipam.check_invariants() {
            panic!("after {op:?}: {broken}");
        }
        assert_eq!(self.ipam.claim_count(), self.holdings.len(), "after {op:?}");
        for (owner, holding) in &self.holdings {
            let claim = self
                .ipam
                .claim_of(owner)
                .unwrap_or_else(|| panic!("`{owner}` is lost"));
            assert_eq!(claim.sequence(), holding.sequence);
            assert_eq!(claim.addresses().collect::<Vec<_>>(), holding.addresses);
            assert_eq!(claim.host().map(ToString::to_string), holding.host);
            assert_eq!(claim.until(), holding.until);
            let retention = match holding.keep {
                Keep::Ephemeral | Keep::Sticky(0) => RetentionKind::Ephemeral,
                Keep::Sticky(ttl) => RetentionKind::Sticky(Duration::from_secs(ttl.into())),
                Keep::Fixed => RetentionKind::Fixed,
            };
            assert_eq!(claim.retention(), retention, "after {op:?}: `{owner}`");
        }
        for (workload, (addresses, _)) in &self.moving {
            let held = |a: &IpAddr| {
                let mut all = self.holdings.values();
                all.any(|h| h.workload.as_ref() == Some(workload) && h.addresses.contains(a))
            };
            let retained: Vec<IpAddr> = self.ipam.retained_for(identity(workload)).collect();
            for address in addresses.iter().filter(|a| !held(a)) {
                assert!(
                    retained.contains(address),
                    "after {op:?}: {address} was lost while {workload} moved"
                );
            }
        }
        self.check_retained(op);
        // A reservation stands whether its address is held or not.
        for (address, workload) in &self.fixed {
            let retained = self
                .ipam
                .retained_for(identity(workload))
                .any(|a| a == *address);
            assert!(
                retained,
                "after {op:?}: {address} is no longer reserved to {workload}"
            );
        }
    }

    pub(super) fn check_grant(&self, owner: &str, grant: &Grant, had: Option<&Holding>) {
        let holding = &self.holdings[owner];
        let given: Vec<IpAddr> = grant.leases.iter().map(|l| l.address).collect();
        assert_eq!(given, holding.addresses, "the grant is not what is held");
        assert_eq!(grant.sequence, holding.sequence);
        if let Some(had) = had {
            assert_eq!(had.addresses, holding.addresses, "a repeated claim moved");
        }
    }

    /// Refused for want of addresses: then there are none, save in blocks that strictness forbids.
    pub(super) fn check_exhausted(&self, request: &Request<'_>, error: &crate::claim::ClaimError) {
        let crate::claim::ClaimError::Exhausted {
            family, considered, ..
        } = error
        else {
            return;
        };
        for pool in self.ipam.pools() {
            let named = request.pools.is_empty() || request.pools.contains(&&*pool.spec().name);
            let fits = named && pool.spec().cidr.family() == *family && !pool.draining();
            let reason = considered
                .iter()
                .find(|c| c.pool == pool.spec().name)
                .map(|c| &c.reason);
            let blocks = request.host.is_some()
                && matches!(reason, Some(crate::claim::PoolReason::Blocks { .. }));
            assert!(
                !fits || blocks || pool.usage().free == 0,
                "{error}: {:?}",
                pool.usage()
            );
        }
    }
}

/// The workload and interface of a name of the model's.
fn identity(name: &str) -> (&str, &str) {
    let (interface, workload) = name.split_once(" of ").expect("a name of both");
    (workload, interface)
}

/// Records with the tie-breakers of quarantined addresses replaced by their ranks: a restored state counts from anew.
pub(super) fn ranked(mut records: Vec<Record<'_>>) -> Vec<Record<'_>> {
    let mut all: Vec<(PoolId, Timestamp, u64)> = Vec::new();
    for record in &records {
        if let Record::Block { pool, released, .. } = record {
            all.extend(released.iter().map(|r| (*pool, r.at, r.order)));
        }
    }
    all.sort_unstable();
    for record in &mut records {
        if let Record::Block { pool, released, .. } = record {
            for entry in released {
                let rank = all.binary_search(&(*pool, entry.at, entry.order));
                entry.order = rank.unwrap_or(usize::MAX) as u64;
            }
        }
    }
    records
}

/// What two allocators must agree in.
pub(super) fn listing(ipam: &Ipam) -> String {
    let mut lines: Vec<String> = ipam
        .claims()
        .map(|c| {
            let addresses: Vec<IpAddr> = c.addresses().collect();
            format!(
                "{} {:?} {:?} {:?} {} {:?} {addresses:?}",
                c.owner(),
                c.workload(),
                c.interface(),
                c.host(),
                c.sequence(),
                c.until()
            )
        })
        .collect();
    lines.sort();
    for pool in ipam.pools() {
        lines.push(format!(
            "{} {} {:?}",
            pool.spec().name,
            pool.spec().cidr,
            pool.usage()
        ));
    }
    lines.join("\n")
}
