//! The universe's pools.

use super::{Model, pool_name};
use crate::{
    Cidr, PoolSpec,
    pool::{Affinity, Order},
};
use core::time::Duration;

impl Model {
    pub(super) fn add_pool(&mut self, pool: u8, variant: u8) {
        let cidrs = [
            "10.0.0.0/28",
            "10.0.1.0/29",
            "10.0.2.0/31",
            "fd00::/124",
            "fd01::/64",
            "10.0.4.0/26",
        ];
        let cidr: Cidr = cidrs[usize::from(pool) % 6].parse().expect("a prefix");
        let orders = [Order::Lru, Order::Lowest, Order::RoundRobin, Order::Random];
        let affinities = [
            Affinity::Borrow,
            Affinity::Off,
            Affinity::Strict,
            Affinity::Borrow,
        ];
        let mut spec = PoolSpec::new(pool_name(pool), cidr)
            .order(orders[usize::from(variant) % 4])
            .affinity(affinities[usize::from(variant >> 2) % 4])
            .quarantine(Duration::from_secs(u64::from(variant >> 4 & 3) * 20));
        spec.early_reuse = variant >> 6 & 1 == 1;
        if pool != 4 {
            spec.block_size = (cidr.prefix() + 2).min(cidr.family().bits());
        }
        if variant >> 7 == 1 && cidr.host_bits() > 2 {
            spec.gateway = cidr
                .family()
                .address(crate::net::number(cidr.first()) + 1)
                .into();
            let range = cidr.family().address(crate::net::number(cidr.first()) + 3);
            spec.set_aside.push(range.into());
        }
        let change = self.ipam.decide_add_pool(spec);
        self.carry_out(change.into_iter().collect());
    }

    pub(super) fn grow(&mut self, pool: u8) {
        let name = pool_name(pool);
        let Some(cidr) = self.ipam.pool(&name).map(|p| p.spec().cidr) else {
            return;
        };
        let Ok(larger) = Cidr::containing(cidr.first(), cidr.prefix() - 1) else {
            return;
        };
        let change = self.ipam.decide_grow_pool(&name, larger);
        self.carry_out(change.into_iter().collect());
    }
}
