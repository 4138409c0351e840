//! What a host holds, pool by pool: its whole blocks, and what it borrowed of others'.

use super::merged;
use crate::cidr::{Cidr, number};
use crate::pool::Pool;
use crate::pool::blocks::{BlockState, NOBODY};
use crate::pool::cells::State;
use crate::state::Ipam;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Of one pool.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Whole blocks, and addresses in blocks that no host has.
    pub(super) whole: Vec<Cidr>,
    /// Parts of other hosts' blocks, each longer than the block.
    pub(super) borrowed: Vec<Cidr>,
}

/// By the hosts' numbers, and by the pools'.
pub(super) type ByHost = BTreeMap<u32, BTreeMap<u16, Held>>;

/// What hosts hold: this one, or all.
pub(super) fn by_host(ipam: &Ipam, only: Option<u32>) -> ByHost {
    let mut hosts = ByHost::new();
    let wanted = |host: u32| only.is_none_or(|only| only == host);
    for (id, pool) in ipam.pools.iter() {
        let all = pool.blocks().hosts.iter();
        for (host, blocks) in all.filter(|(host, _)| wanted(*host)) {
            let numbers = blocks.all.iter();
            let routed = numbers.filter(|&b| pool.blocks().get(b).state != BlockState::Pending);
            let prefixes = routed.map(|b| pool.block_cidr(b));
            let whole: Vec<Cidr> = prefixes
                .filter(|&p| !is_lent(ipam, pool, host, p))
                .collect();
            if !whole.is_empty() {
                let pools = hosts.entry(host).or_default();
                pools.entry(id.0).or_default().whole = whole;
            }
        }
    }
    let mut borrowed: BTreeMap<(u32, u16, u32), Vec<Cidr>> = BTreeMap::new();
    for (_, claim) in ipam.claims.iter().filter(|(_, c)| wanted(c.host)) {
        for (family, spot) in claim.spots.iter() {
            let Some(pool) = ipam.pools.get(spot.pool) else {
                continue;
            };
            let number = pool.block_of(spot.slot);
            let block = pool.blocks().get(number);
            let own = block.host == claim.host;
            if own && block.state != BlockState::Pending {
                continue;
            }
            let Ok(single) = Cidr::new(pool.address(spot.slot), family.bits()) else {
                continue;
            };
            if block.host == NOBODY || own {
                let pools = hosts.entry(claim.host).or_default();
                pools.entry(spot.pool).or_default().whole.push(single);
            } else {
                let key = (claim.host, spot.pool, number);
                borrowed.entry(key).or_default().push(single);
            }
        }
    }
    for ((host, id, block), singles) in borrowed {
        if let Some(pool) = ipam.pools.get(id) {
            let parts = within(pool, block, singles);
            let pools = hosts.entry(host).or_default();
            pools.entry(id).or_default().borrowed.extend(parts);
        }
    }
    hosts
}

/// The prefixes of one host.
pub(super) fn prefixes(pools: BTreeMap<u16, Held>) -> Vec<Cidr> {
    let (mut whole, mut borrowed) = (Vec::new(), Vec::new());
    for held in pools.into_values() {
        whole.extend(held.whole);
        borrowed.extend(held.borrowed);
    }
    let mut routes = merged(whole);
    routes.extend(borrowed);
    routes.sort_by_key(|c| (c.family(), number(c.first())));
    routes
}

/// Merged, but never to the whole block: its host announces that too, and only a longer prefix wins.
fn within(pool: &Pool, block: u32, singles: Vec<Cidr>) -> Vec<Cidr> {
    let whole = pool.block_cidr(block);
    let parts = merged(singles);
    match parts.as_slice() {
        [all] if *all == whole && whole.host_bits() > 0 => {
            whole.subnets(whole.prefix() + 1).collect()
        }
        _ => parts,
    }
}

/// Whether a block is one address, and another host's: no prefix is longer, so that the host that has the address routes it.
fn is_lent(ipam: &Ipam, pool: &Pool, host: u32, block: Cidr) -> bool {
    if block.host_bits() > 0 {
        return false;
    }
    let state = pool.slot(block.first()).map(|slot| pool.state(slot));
    let Some(State::Held(claim)) = state else {
        return false;
    };
    ipam.claims.get(claim).is_some_and(|c| c.host != host)
}
