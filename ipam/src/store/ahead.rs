//! Stored times that lie ahead of the reader's clock: the writer's clock was wrong, or this one is.

use super::record::{Record, block_key, claim_key, departed_key, workload_key};
use crate::departed::chunk_of;
use crate::pool::PoolId;
use crate::pool::rest::List;
use crate::pool::spec::Affinity;
use crate::state::Ipam;
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

/// How far a stored time may lie ahead: clocks of hosts differ by seconds, wrongly set ones by days. What
/// such a time is about stays as it is (an address rests on, a claim is not collected) until `fsck --repair`
/// sets it to now.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

impl Ipam {
    /// Records with a time too far ahead, by key: what the first such time is about. Linear in claims and in
    /// resting addresses.
    pub(crate) fn times_ahead(&self) -> BTreeMap<String, String> {
        let limit = self.now.after(AHEAD);
        let mut found = BTreeMap::new();
        let mut note = |key: String, what: String, at: Timestamp| {
            let words = || format!("{what} at {at}, more than 24 h ahead of {}", self.now);
            found.entry(key).or_insert_with(words);
        };
        for (id, claim) in self.claims.iter() {
            let owner = self.owner_name(id);
            if claim.touched > limit {
                note(
                    claim_key(owner),
                    format!("{owner} claimed or renewed"),
                    claim.touched,
                );
            }
            if let Some(&(since, _)) = self.suspects.get(&id).filter(|(s, _)| *s > limit) {
                note(claim_key(owner), format!("{owner} found missing"), since);
            }
        }
        for (&id, moving) in self.moves.iter().filter(|(_, m)| m.since > limit) {
            let Some(identity) = self.identity(id) else {
                continue;
            };
            let what = format!("{} left", identity.workload);
            note(workload_key(identity), what, moving.since);
        }
        for (index, pool) in self.pools.iter().enumerate() {
            let (Some(pool), id) = (pool, PoolId(index as u16)) else {
                continue;
            };
            let key = |block| block_key(id, pool.block_cidr(block).first());
            for (_, rest) in pool.rest.iter(List::Resting).filter(|(_, r)| r.at > limit) {
                let what = format!("{} released", pool.address(rest.slot));
                note(key(pool.block_of(rest.slot)), what, rest.at);
            }
            let owned = pool
                .blocks
                .iter()
                .filter(|(_, b)| b.used == 0 && b.empty_since > limit);
            for (block, record) in owned.filter(|_| pool.spec.affinity != Affinity::Off) {
                let what = format!("block {} emptied", pool.block_cidr(block));
                note(key(block), what, record.empty_since);
            }
        }
        for (&address, &(at, _)) in self.departed.iter().filter(|(_, (at, _))| *at > limit) {
            if let Some(chunk) = chunk_of(address) {
                note(
                    departed_key(chunk.first()),
                    format!("{address} released"),
                    at,
                );
            }
        }
        found
    }

    /// A record with its times too far ahead set to now.
    pub(crate) fn with_times_set(&self, key: &str) -> Option<Record<'_>> {
        let (now, limit) = (self.now, self.now.after(AHEAD));
        let set = |at: &mut Timestamp| {
            if *at > limit {
                *at = now;
            }
        };
        let mut record = self.record(key)?;
        match &mut record {
            Record::Claim {
                touched, suspect, ..
            } => {
                set(touched);
                suspect.iter_mut().for_each(|(at, _)| set(at));
            }
            Record::Block {
                empty_since,
                rested,
                ..
            } => {
                set(empty_since);
                rested.iter_mut().for_each(|r| set(&mut r.at));
            }
            Record::Departed { rested, .. } => {
                for rest in rested.iter_mut().filter(|r| r.at > limit) {
                    rest.until = now.after(rest.until.since(rest.at));
                    rest.at = now;
                }
            }
            Record::Workload { moving, .. } => {
                moving.iter_mut().for_each(|m| set(&mut m.since));
            }
            _ => {}
        }
        Some(record)
    }
}
