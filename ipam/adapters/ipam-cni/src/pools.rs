//! Which pools a configuration needs: one per range, of the range's subnet.
//!
//! Where the subnet holds ranges besides, the range is cut into prefixes, a pool each; where there are pools of an
//! earlier configuration that are in use, these serve as far as they go. What a pool has outside its range is set aside.

use crate::config::Config;
use crate::error::{Code, Refusal};
use crate::network::RangeSet;
use ipam::PoolSpec;
use ipam::net::{AddressRange, Cidr, Family, Subrange, number};
use ipam::pool::{Affinity, Order};

/// The pools of each range set, in the order of its addresses, and what is to be done first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) names: Vec<Vec<String>>,
    pub(crate) steps: Vec<Step>,
}

/// What is to be done about a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Add(PoolSpec),
    Change(PoolSpec),
}

/// Whether a pool was made for this network.
pub(crate) fn is_ours(network: &str, pool: &PoolSpec) -> bool {
    let rest = pool.name.strip_prefix(network);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

impl Plan {
    /// Plans from the pools that there are.
    pub(crate) fn new(config: &Config, pools: &[PoolSpec]) -> Result<Self, Refusal> {
        let mut plan = Self {
            names: Vec::new(),
            steps: Vec::new(),
        };
        for set in &config.sets {
            let mut names = Vec::new();
            for range in set.ranges() {
                plan.of_range(config, range, pools, &mut names)?;
            }
            plan.names.push(names);
        }
        Ok(plan)
    }

    fn of_range(
        &mut self,
        config: &Config,
        range: &Subrange,
        pools: &[PoolSpec],
        names: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        for target in targets(config, range) {
            let mut there: Vec<&PoolSpec> =
                pools.iter().filter(|p| p.cidr.overlaps(target)).collect();
            there.sort_by_key(|p| number(p.cidr.first()));
            let mut parts: Vec<(Cidr, String)> = Vec::new();
            for pool in &there {
                serves_one(config, range, pool)?;
                if is_ours(&config.name, pool) {
                    self.compare(config, range, pool);
                }
                parts.push((pool.cidr, pool.name.clone()));
            }
            let rest = match there.is_empty() {
                true => vec![target],
                false => uncovered(target, &there),
            };
            for cidr in rest {
                let spec = wanted(config, range, cidr);
                parts.push((cidr, spec.name.clone()));
                self.steps.push(Step::Add(spec));
            }
            parts.sort_by_key(|(cidr, _)| number(cidr.first()));
            let new = parts.into_iter().map(|(_, name)| name);
            new.for_each(|name| {
                if !names.contains(&name) {
                    names.push(name);
                }
            });
        }
        Ok(())
    }

    /// A pool of ours has what the configuration says, or is to be given it.
    fn compare(&mut self, config: &Config, range: &Subrange, pool: &PoolSpec) {
        let like = wanted(config, range, pool.cidr);
        let wanted = PoolSpec {
            gateway: like.gateway,
            set_aside: like.set_aside,
            quarantine: like.quarantine,
            labels: like.labels,
            ..pool.clone()
        };
        // An address that somebody has can't become the gateway's; it is set aside all the same.
        let without = PoolSpec {
            gateway: None,
            ..wanted.clone()
        };
        if *pool != wanted
            && *pool != without
            && !self.steps.contains(&Step::Change(wanted.clone()))
        {
            self.steps.push(Step::Change(wanted));
        }
    }
}

/// A pool gives any of its addresses to whoever asks it for one: it serves one range only.
fn serves_one(config: &Config, range: &Subrange, pool: &PoolSpec) -> Result<(), Refusal> {
    let others = config
        .sets
        .iter()
        .flat_map(RangeSet::ranges)
        .filter(|other| *other != range);
    let other = others
        .into_iter()
        .find(|other| other.range.overlaps(pool.cidr.range()));
    match other {
        None => Ok(()),
        Some(other) => Err(Refusal::new(
            Code::InvalidConfig,
            format!("ranges {} and {} share the pool {:?}", range.range, other.range, pool.name),
        )
        .details("it was made by an earlier configuration and is in use: DEL its containers first, or keep the ranges apart")),
    }
}

/// The prefixes that a range's pools are to have.
pub(crate) fn targets(config: &Config, range: &Subrange) -> Vec<Cidr> {
    let mut others = config
        .sets
        .iter()
        .flat_map(RangeSet::ranges)
        .filter(|other| *other != range);
    let subnet = range.subnet;
    let alone =
        !others.any(|other| other.range.overlaps(subnet.range()) || other.subnet.overlaps(subnet));
    let large = subnet.family() == Family::V4 && subnet.prefix() < 8;
    match alone && !large {
        true => vec![subnet],
        false => pieces(range.range),
    }
}

/// What of a prefix no pool covers.
fn uncovered(target: Cidr, pools: &[&PoolSpec]) -> Vec<Cidr> {
    let mut rest = vec![target.range()];
    for pool in pools {
        let taken = pool.cidr.range();
        let cut = |part: AddressRange| match part.overlaps(taken) {
            true => part.outside(taken).collect(),
            false => vec![part],
        };
        rest = rest.into_iter().flat_map(cut).collect();
    }
    rest.into_iter().flat_map(pieces).collect()
}

/// A range as prefixes, the fewest; of IPv4 none larger than a pool may be (/8).
fn pieces(range: AddressRange) -> Vec<Cidr> {
    let family = range.family();
    let (bits, most) = match family {
        Family::V4 => (32, 24),
        Family::V6 => (128, 127),
    };
    let (mut at, last) = (number(range.first()), number(range.last()));
    let mut out = Vec::new();
    loop {
        let room = (last - at).checked_add(1).map_or(127, u128::ilog2);
        let host = at.trailing_zeros().min(room).min(most);
        // Aligned, so this is a prefix.
        out.extend(Cidr::new(family.address(at), (bits - host) as u8).ok());
        match at.checked_add(1 << host) {
            Some(next) if next <= last => at = next,
            _ => return out,
        }
    }
}

/// A pool of such a prefix, as the configuration has it.
fn wanted(config: &Config, range: &Subrange, cidr: Cidr) -> PoolSpec {
    let mut spec = PoolSpec::new(format!("{}/{cidr}", config.name), cidr)
        .order(Order::RoundRobin)
        .affinity(Affinity::Off)
        .quarantine(config.settings().quarantine)
        .link_local();
    spec.use_edges = true;
    spec.labels.clone_from(&config.settings().labels);
    spec.set_aside.extend(cidr.range().outside(range.range));
    if cidr.contains(range.gateway) {
        spec.gateway = Some(range.gateway);
        spec.set_aside.push(range.gateway.into());
    }
    spec
}
