//! What is done to all.

use ipam::{
    PoolSpec,
    pool::{Affinity, Order},
};
use proptest::prelude::*;
use std::time::Duration;

/// One operation.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Claim {
        owner: u8,
        workload: Option<u8>,
        host: Option<u8>,
        kept: u8,
        pool: Option<u8>,
        asked: Option<u8>,
        dual: bool,
        lease: bool,
    },
    Release(u8),
    Renew(u8),
    Reserve(u8, u8),
    BeginMove(u8, u8, u8),
    FinishMove(u8, u8),
    AbortMove(u8),
    Collect,
    Drain(u8, bool),
    Quarantine(u8, u8),
    Later(u16),
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let owner = 0..24u8;
    let claim = (
        owner.clone(),
        prop::option::weighted(0.6, 0..8u8),
        prop::option::weighted(0.7, 0..4u8),
        0..4u8,
        prop::option::weighted(0.5, 0..5u8),
        prop::option::weighted(0.1, any::<u8>()),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    );
    let claim =
        claim.prop_map(
            |(owner, workload, host, kept, pool, asked, dual, lease)| Op::Claim {
                owner,
                workload,
                host,
                kept,
                pool,
                asked,
                dual,
                lease,
            },
        );
    prop_oneof![
        12 => claim,
        8 => owner.clone().prop_map(Op::Release),
        2 => owner.prop_map(Op::Renew),
        1 => (0..8u8, any::<u8>()).prop_map(|(w, a)| Op::Reserve(w, a)),
        1 => (0..8u8, 0..4u8, 0..4u8).prop_map(|(w, a, b)| Op::BeginMove(w, a, b)),
        1 => (0..8u8, 0..24u8).prop_map(|(w, o)| Op::FinishMove(w, o)),
        1 => (0..8u8).prop_map(Op::AbortMove),
        1 => Just(Op::Collect),
        1 => (0..5u8, any::<bool>()).prop_map(|(p, on)| Op::Drain(p, on)),
        1 => (0..5u8, 0..90u8).prop_map(|(p, s)| Op::Quarantine(p, s)),
        6 => (0..200u16).prop_map(Op::Later),
    ]
}

pub(crate) const POOLS: [&str; 5] = ["lru", "off", "round", "random", "six"];

pub(crate) fn specs() -> [PoolSpec; 5] {
    let spec = |name: &str, cidr: &str, block| {
        let spec = PoolSpec::new(name, cidr.parse().expect("a prefix"));
        spec.block_size(block).quarantine(Duration::from_secs(60))
    };
    [
        spec("lru", "10.0.0.0/26", 29),
        spec("off", "10.1.0.0/27", 29).affinity(Affinity::Off),
        spec("round", "10.2.0.0/26", 30)
            .affinity(Affinity::Strict)
            .order(Order::RoundRobin)
            .gateway([10, 2, 0, 9].into()),
        spec("random", "10.3.0.0/27", 29)
            .order(Order::Random)
            .exclude(
                "10.3.0.8-10.3.0.17"
                    .parse::<ipam::net::AddressRange>()
                    .expect("a range"),
            ),
        spec("six", "fd00::/64", 122).order(Order::Lowest),
    ]
}
