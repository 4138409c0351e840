//! Stored times that no sane clock can have written.

use super::collect::Problem;
use crate::change::{Change, ChangeKind};
use crate::pool::PoolId;
use crate::pool::released::List;
use crate::pool::spec::Affinity;
use crate::state::{Ipam, Spot};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

impl Ipam {
    /// Everything whose times are more than 24 hours ahead: claims, what workloads retain, moves, quarantines, empty
    /// blocks. Each holds its address until its time is repaired. Linear.
    pub(crate) fn times_ahead(&self) -> Vec<Problem> {
        let ahead = |at: Timestamp| at.is_ahead_of(self.now());
        let mut problems = Vec::new();
        for (id, claim) in self.claims.iter() {
            let suspected = self.claims.suspected(id).map(|(since, _)| since);
            let times = [Some(claim.touched), suspected];
            if let Some(at) = times.into_iter().flatten().find(|&at| ahead(at)) {
                let spots = claim.spots.iter().map(|(_, spot)| spot);
                problems.extend(self.ahead(at, spots));
            }
        }
        for id in self.workloads.ids() {
            let moving = self.workloads.moving(id);
            let times = [Some(self.workloads.since(id)), moving.map(|m| m.since)];
            if let Some(at) = times.into_iter().flatten().find(|&at| ahead(at)) {
                let retained: Vec<Spot> = self.workloads.retained(id).collect();
                let moves = moving.into_iter().flat_map(|m| m.spots.iter());
                let spots = match retained.is_empty() {
                    true => moves.map(|(_, spot)| spot).collect(),
                    false => retained,
                };
                problems.extend(self.ahead(at, spots));
            }
        }
        for (id, pool) in self.pools.iter() {
            let spot = |slot| Spot { pool: id.0, slot };
            for (_, entry) in pool
                .released()
                .iter(List::Quarantine)
                .filter(|(_, r)| ahead(r.at))
            {
                problems.extend(self.ahead(entry.at, [spot(entry.slot)]));
            }
            if pool.spec().affinity == Affinity::Off {
                continue;
            }
            for (block, known) in pool.blocks().iter() {
                if known.used == 0 && ahead(known.empty_since) {
                    let first = spot(pool.blocks().slots(block).start);
                    let mut problem = self.ahead(known.empty_since, [first]);
                    if let Some(problem) = &mut problem {
                        problem.subject = pool.block_cidr(block).to_string();
                    }
                    problems.extend(problem);
                }
            }
        }
        for entry in self.departed.iter().filter(|entry| ahead(entry.at)) {
            problems.push(self.future(entry.at, entry.address.to_string(), None, entry.address));
        }
        problems
    }

    /// The problem of a time about some addresses; setting it at one of them sets it for all.
    fn ahead(&self, at: Timestamp, spots: impl IntoIterator<Item = Spot>) -> Option<Problem> {
        let places = spots.into_iter().filter_map(|spot| self.pools.place(spot));
        let places: Vec<(PoolId, IpAddr)> = places.collect();
        let &(pool, address) = places.first()?;
        let texts: Vec<String> = places.iter().map(|(_, a)| a.to_string()).collect();
        Some(self.future(at, texts.join(", "), Some(pool), address))
    }

    fn future(
        &self,
        at: Timestamp,
        subject: String,
        pool: Option<PoolId>,
        address: IpAddr,
    ) -> Problem {
        let change = ChangeKind::TimesCapped { pool, address };
        Problem {
            kind: "future",
            subject,
            repair: format!("set its time {at}, more than 24 h ahead, to now"),
            changes: Vec::from([Change::new(self.now(), change)]),
        }
    }
}
