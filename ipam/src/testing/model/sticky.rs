//! Sticky addresses: each pool's stays with a workload's interface until its own time.

use super::{Holding, Keep, Model, named};
use crate::{Grant, Request, Timestamp, claim::Families, net::Family};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// A sticky address that nobody holds.
#[derive(Clone, Debug)]
pub(super) struct Sticky {
    pub(super) identity: String,
    pub(super) address: IpAddr,
    /// `None`: for as long as a move takes.
    pub(super) until: Option<Timestamp>,
}

impl Model {
    fn pool_of(&self, address: IpAddr) -> Option<crate::pool::PoolRef<'_>> {
        self.ipam.pools().find(|p| p.spec().cidr.contains(address))
    }

    fn same_pool(&self, a: IpAddr, b: IpAddr) -> bool {
        self.pool_of(a).map(crate::pool::PoolRef::id)
            == self.pool_of(b).map(crate::pool::PoolRef::id)
    }

    /// An address is held by nobody from `at` on, and in quarantine.
    pub(super) fn enters_quarantine(&mut self, address: IpAddr, at: Timestamp, by: Option<String>) {
        let quarantine = self.pool_of(address).map(|p| p.spec().quarantine);
        let quarantined = (at, quarantine.unwrap_or(Duration::ZERO), by);
        self.released.insert(address, quarantined);
    }

    /// What becomes of an address that a claim of an interface, which is over now, held.
    pub(super) fn keep_released(&mut self, holding: &Holding, address: IpAddr) {
        let Some(identity) = holding.workload.clone() else {
            return;
        };
        if self.fixed.get(&address) == Some(&identity) {
            return;
        }
        let moves = self.moving.get(&identity).map(|(moving, _)| moving.clone());
        let moves = moves.unwrap_or_default();
        let until = if moves.contains(&address) {
            None
        } else {
            let Keep::Sticky(ttl @ 1..) = holding.keep else {
                return;
            };
            let others = self.holdings.values().filter(|h| {
                let sticky = matches!(h.keep, Keep::Sticky(1..));
                h.workload.as_ref() == Some(&identity) && sticky
            });
            let others = others.flat_map(|h| h.addresses.iter());
            let others = others.filter(|a| self.fixed.get(a) != Some(&identity));
            let moves = match self.moving.get(&identity) {
                Some((moving, Keep::Sticky(_))) => moving.clone(),
                _ => Vec::new(),
            };
            let others = others.chain(&moves);
            let drains = self
                .pool_of(address)
                .is_none_or(crate::pool::PoolRef::draining);
            if drains || others.into_iter().any(|&a| self.same_pool(a, address)) {
                return;
            }
            Some(self.now.after(Duration::from_secs(ttl.into())))
        };
        let before = self.sticky.clone();
        let (same, rest) = before
            .into_iter()
            .partition(|s| s.identity == identity && self.same_pool(s.address, address));
        self.sticky = rest;
        let gone: Vec<Sticky> = same;
        for old in gone {
            self.enters_quarantine(old.address, self.now, None);
        }
        self.sticky.push(Sticky {
            identity,
            address,
            until,
        });
    }

    /// Time passes.
    pub(super) fn expire_sticky(&mut self) {
        let now = self.now;
        let (over, left) = core::mem::take(&mut self.sticky)
            .into_iter()
            .partition(|s: &Sticky| s.until.is_some_and(|until| until <= now));
        self.sticky = left;
        let over: Vec<Sticky> = over;
        for sticky in over {
            self.enters_quarantine(sticky.address, sticky.until.unwrap_or(now), None);
        }
    }

    /// A move is over: what waited for it stays for its usual time from now on.
    pub(super) fn end_waiting(&mut self, identity: &str, keep: Keep) {
        let ttl = match keep {
            Keep::Sticky(ttl) => Duration::from_secs(ttl.into()),
            _ => Duration::ZERO,
        };
        let until = Some(self.now.after(ttl));
        let mine = self.sticky.iter_mut().filter(|s| s.identity == identity);
        mine.filter(|s| s.until.is_none())
            .for_each(|s| s.until = until);
        self.expire_sticky();
    }

    /// What a claim must be given of each family, as far as its workload's interface has something of its own: one of
    /// what is reserved to it, else the sticky one of the pool that comes first.
    pub(super) fn own(&self, request: &Request<'_>) -> Vec<(Family, Vec<IpAddr>)> {
        let Some(workload) = request.workload else {
            return Vec::new();
        };
        let identity = named(workload, request.interface);
        let fits = |a: IpAddr, family: Family| {
            self.pool_of(a).is_some_and(|p| {
                let named = request.pools.is_empty() || request.pools.contains(&&*p.spec().name);
                named && p.spec().cidr.family() == family
            })
        };
        let held = |a: &IpAddr| self.holdings.values().any(|h| h.addresses.contains(a));
        let of = |family: Family| {
            let asked = request.addresses.iter().any(|&a| Family::of(a) == family);
            if asked || !request.families.want(family) {
                return Vec::new();
            }
            let fixed = self.fixed.iter().filter(|(_, who)| **who == identity);
            let mut mine: Vec<IpAddr> = fixed.map(|(&a, _)| a).collect();
            mine.retain(|&a| fits(a, family) && !held(&a));
            if !mine.is_empty() {
                return mine;
            }
            let sticky = self
                .sticky
                .iter()
                .filter(|s| s.identity == identity && s.until.is_some());
            let open = |a: &IpAddr| self.pool_of(*a).is_some_and(|p| !p.draining());
            let sticky = sticky
                .map(|s| s.address)
                .filter(|&a| fits(a, family))
                .filter(open);
            let first = sticky.min_by_key(|&a| self.pool_of(a).map(|p| p.spec().name.to_string()));
            first.into_iter().collect()
        };
        let all = [Family::V4, Family::V6].map(|family| (family, of(family)));
        all.into_iter().filter(|(_, own)| !own.is_empty()).collect()
    }

    pub(super) fn check_own(grant: &Grant, own: &[(Family, Vec<IpAddr>)], request: &Request<'_>) {
        for (family, own) in own {
            let given = grant.leases.iter().map(|l| l.address);
            let given = given.into_iter().find(|&a| Family::of(a) == *family);
            assert!(
                given.is_some_and(|a| own.contains(&a)),
                "{given:?} was given to {request:?}, which has {own:?}"
            );
        }
        debug_assert!(request.families != Families::Dual || grant.leases.len() == 2);
    }

    /// Each interface keeps what the model says, no more and no less.
    pub(super) fn check_retained(&self, op: &super::Op) {
        for workload in 1..=5u8 {
            let workload = alloc::format!("w{workload}");
            for interface in super::INTERFACES {
                let identity = named(&workload, interface);
                let fixed = self.fixed.iter().filter(|(_, who)| **who == identity);
                let sticky = self.sticky.iter().filter(|s| s.identity == identity);
                let mut ours: Vec<IpAddr> = fixed.map(|(&a, _)| a).collect();
                ours.extend(sticky.map(|s| s.address));
                let mut theirs: Vec<IpAddr> =
                    self.ipam.retained_for((&*workload, interface)).collect();
                ours.sort();
                theirs.sort();
                assert_eq!(theirs, ours, "after {op:?}: retained for {identity}");
            }
        }
    }
}
