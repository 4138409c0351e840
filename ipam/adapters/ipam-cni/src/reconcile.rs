//! The store follows the configuration: pools are made, changed, grown or removed, and what host-local gave is taken over.

use crate::config::{Config, owner};
use crate::error::{Code, Refusal};
use crate::files::{Given, Reserved};
use crate::network::RangeSet;
use crate::pools::{Plan, Step, is_ours, targets};
use ipam::claim::Families;
use ipam::pool::PoolError;
use ipam::{Change, Ipam, PoolSpec, Request};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A state and the changes that led to it.
struct Draft {
    ipam: Ipam,
    changes: Vec<Change<'static>>,
}

/// The pools of each range set, and the changes after which they are as the configuration says.
pub(crate) fn reconcile(
    ipam: &Ipam,
    config: &Config,
    import: &Reserved,
) -> Result<(Vec<Vec<String>>, Vec<Change<'static>>), Refusal> {
    let mut draft = Draft {
        ipam: ipam.clone(),
        changes: Vec::new(),
    };
    draft.make_room(config);
    let plan = Plan::new(config, &draft.specs())?;
    for step in &plan.steps {
        draft.step(step)?;
    }
    draft.import(config, &plan.names, import);
    Ok((plan.names, draft.changes))
}

fn refused(error: &PoolError) -> Refusal {
    Refusal::new(Code::InvalidConfig, error.to_string())
}

impl Draft {
    fn specs(&self) -> Vec<PoolSpec> {
        self.ipam.pools().map(|p| p.spec().clone()).collect()
    }

    /// Carries a change out.
    fn take<E>(&mut self, change: Result<Change<'_>, E>) -> Result<bool, E> {
        let change = change?.into_owned();
        let done = self.ipam.apply(&change).is_ok();
        if done {
            self.changes.push(change);
        }
        Ok(done)
    }

    /// Pools that overlap what is to be made go if nothing of them is in use, or grow into it.
    fn make_room(&mut self, config: &Config) {
        let ranges = config.sets.iter().flat_map(RangeSet::ranges);
        let targets: Vec<_> = ranges.flat_map(|range| targets(config, range)).collect();
        let in_the_way = |spec: &PoolSpec| {
            let ours = is_ours(&config.name, spec) && !targets.contains(&spec.cidr);
            ours && targets.iter().any(|t| t.overlaps(spec.cidr))
        };
        for spec in self.specs().into_iter().filter(in_the_way) {
            // In use: it stays.
            let change = self.ipam.decide_remove_pool(&spec.name);
            let _ = self.take(change);
        }
        for target in &targets {
            let mut there = self.specs();
            there.retain(|p| p.cidr.overlaps(*target));
            if let [one] = &there[..]
                && in_the_way(one)
                && target.prefix() < one.cidr.prefix()
            {
                // Where it can't grow, the rest becomes pools of their own.
                let change = self.ipam.decide_grow_pool(&one.name, *target);
                let _ = self.take(change);
            }
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Refusal> {
        let done = match step {
            Step::Add(spec) => {
                let change = self.ipam.decide_add_pool(spec.clone());
                self.take(change)
            }
            Step::Change(spec) => match self.ipam.decide_change_pool(spec.clone()) {
                Err(PoolError::BarredInUse { .. }) => {
                    let without = PoolSpec {
                        gateway: None,
                        ..spec.clone()
                    };
                    let change = self.ipam.decide_change_pool(without);
                    self.take(change)
                }
                change => self.take(change),
            },
        };
        match done {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::new(
                Code::InvalidConfig,
                "the pools can't be made as configured",
            )),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Takes over what host-local gave: the same addresses for the same attachments, and where each set goes on.
    fn import(&mut self, config: &Config, names: &[Vec<String>], import: &Reserved) {
        let mut attachments: BTreeMap<(&str, &str), [Vec<IpAddr>; 2]> = BTreeMap::new();
        for Given {
            address,
            container,
            interface,
        } in &import.given
        {
            let lists = attachments.entry((container, interface)).or_default();
            lists[usize::from(address.is_ipv6())].push(*address);
        }
        let lasts: Vec<IpAddr> = import.last.values().copied().collect();
        // Who has an address after which a set goes on comes last: the pool's order goes on after it.
        let (late, early): (Vec<_>, Vec<_>) = attachments
            .into_iter()
            .partition(|(_, lists)| lists.iter().flatten().any(|a| lasts.contains(a)));
        for ((container, interface), [v4, v6]) in early.into_iter().chain(late) {
            for group in 0..v4.len().max(v6.len()) {
                let asked: Vec<IpAddr> = v4
                    .get(group)
                    .into_iter()
                    .chain(v6.get(group))
                    .copied()
                    .collect();
                let owner = owner(&config.name, container, interface, group);
                self.claim(&owner, interface, &asked);
            }
        }
        for (set, last) in &import.last {
            let nobody = format!("{}//last", config.name);
            // Who holds it came last, so that the order goes on after it already.
            if names.get(*set).is_some() && self.claim(&nobody, "last", &[*last]) {
                let sequence = self
                    .ipam
                    .claim_of(&nobody)
                    .map_or(0, ipam::claim::ClaimRef::sequence);
                let change = self
                    .ipam
                    .decide_release(&nobody, sequence)
                    .map(Change::into_owned);
                let _ = self.take(change);
            }
        }
    }

    /// Claims these addresses for an owner; what lies in no pool, or is a gateway's, host-local would not give again.
    fn claim(&mut self, owner: &str, interface: &str, asked: &[IpAddr]) -> bool {
        let families = match asked {
            [_, _] => Families::Dual,
            [IpAddr::V6(_)] => Families::V6,
            _ => Families::V4,
        };
        let request = Request::new(owner)
            .interface(interface)
            .families(families)
            .addresses(asked);
        let decided = self.ipam.decide_claim(&request);
        match decided {
            Ok(decision) => {
                let changes: Vec<_> = decision
                    .changes
                    .into_iter()
                    .map(Change::into_owned)
                    .collect();
                changes
                    .into_iter()
                    .all(|change| self.take(Ok::<_, PoolError>(change)) == Ok(true))
            }
            // One of two can't be had: the other one is.
            Err(_) if asked.len() > 1 => asked
                .iter()
                .any(|one| self.claim(owner, interface, std::slice::from_ref(one))),
            Err(_) => false,
        }
    }
}
