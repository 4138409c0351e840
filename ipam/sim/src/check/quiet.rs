//! When all is calm and collection has run: nothing is leaked, nothing is missing.

use super::seen::{Mirror, UsedSeen};
use crate::setup::GRACE;
use crate::view::State;
use crate::world::World;
use ipam::store::{MemoryStore, Record, Replica, ready};
use ipam::{Store as _, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// As long as the library thinks that a move may take.
const DAY: Duration = Duration::from_secs(24 * 3600);

impl World {
    /// Checks the end of a simulation.
    pub(crate) fn check_quiet(&mut self) {
        self.check_all_relations();
        let checked = self
            .decoded_anew()
            .and_then(|()| self.nothing_is_leaked())
            .and_then(|()| self.free_adds_up())
            .and_then(|()| self.fsck_is_clean());
        if let Err(line) = checked {
            self.checks.fail(|| format!("when all is calm: {line}"));
        }
    }

    /// What is stored is what the checks know from now on.
    pub(crate) fn look_anew(&mut self) -> Result<(), String> {
        self.checks.mirror = self.decoded()?;
        Ok(())
    }

    fn decoded(&self) -> Result<Mirror, String> {
        let mut memory = self.disk.memory.clone();
        let page = ready(ipam::Store::list(&mut memory, "", None, usize::MAX));
        let page = page
            .and_then(Result::ok)
            .ok_or("the store cannot be read")?;
        let mut mirror = Mirror::default();
        let entries = page
            .entries
            .into_iter()
            .map(|(key, value)| (key, Some(value)));
        mirror.take_over(entries.collect())?;
        Ok(mirror)
    }

    /// The records as they are read now are those that were kept in step.
    fn decoded_anew(&self) -> Result<(), String> {
        match self.decoded()? == self.checks.mirror {
            true => Ok(()),
            false => Err("a record was altered by no commit".into()),
        }
    }

    /// Claims are what runs, no more and no less; blocks, moves and retained addresses that nobody needs are gone.
    fn nothing_is_leaked(&self) -> Result<(), String> {
        let mirror = &self.checks.mirror;
        let running = self.hosts.iter().flat_map(|host| &host.slots);
        let running = running.filter_map(|(owner, slot)| match &slot.state {
            State::Running(held) => Some((owner.clone(), (held.sequence, held.addresses.clone()))),
            _ => None,
        });
        let running: BTreeMap<_, _> = running.collect();
        let claims = mirror.claims.iter();
        let claims = claims.map(|(owner, c)| (owner.clone(), (c.sequence, c.addresses.clone())));
        let claims: BTreeMap<_, _> = claims.collect();
        let only = |a: &BTreeMap<_, _>, b: &BTreeMap<_, _>| {
            let only = a.iter().find(|(owner, held)| b.get(*owner) != Some(*held));
            only.map(|(owner, held): (&String, &(u64, Vec<_>))| format!("{owner} {held:?}"))
        };
        if let Some(leaked) = only(&claims, &running) {
            return Err(format!("a claim is leaked: {leaked}"));
        }
        if let Some(lost) = only(&running, &claims) {
            return Err(format!("a claim is lost: {lost}"));
        }
        if let Some((owner, _)) = mirror.claims.iter().find(|(_, c)| c.suspected) {
            return Err(format!("{owner} lives and is suspected"));
        }
        self.no_block_is_leaked()
    }

    fn no_block_is_leaked(&self) -> Result<(), String> {
        let mirror = &self.checks.mirror;
        for block in mirror.blocks.values() {
            for (address, used) in &block.used {
                let rebuilt = used
                    .workload
                    .as_ref()
                    .is_some_and(|w| self.checks.rebuilt.contains(w));
                let ends = used.until.is_some_and(|until| until < self.now.after(DAY));
                if used.holder.is_none() && !used.reserved && !(rebuilt && ends) {
                    return Err(format!(
                        "{address} is still retained for {:?}",
                        used.workload
                    ));
                }
            }
            let Some(host) = &block.host else { continue };
            let own = mirror
                .blocks
                .values()
                .filter(|b| b.host.as_ref() == Some(host));
            let pool = |first| self.setup.all_pools().position(|p| p.cidr.contains(first));
            let of_pool = own.filter(|b| pool(b.block.first()) == pool(block.block.first()));
            let empty = block.used.is_empty();
            if !block.confirmed || empty && of_pool.count() > 1 {
                return Err(format!(
                    "{host} still has the block {}: {block:?}",
                    block.block
                ));
            }
        }
        match mirror.workloads.values().find(|w| w.moving) {
            Some(workload) => Err(format!("{} still moves", workload.name)),
            None => Ok(()),
        }
    }

    /// What is free is what the pools hold, less what is held or reserved; nothing is in quarantine.
    fn free_adds_up(&self) -> Result<(), String> {
        let (replica, now) = (self.opened()?, self.time()?);
        for spec in self.setup.all_pools() {
            let usage = match replica.ipam().pool(&spec.name) {
                Some(pool) => pool.usage(),
                None if Some(spec) == self.setup.passing.as_ref() => continue,
                None => return Err("a pool is gone".into()),
            };
            let (width, edges) = match spec.cidr.first() {
                // All but the network's and the broadcast address.
                IpAddr::V4(_) => (32, 2),
                IpAddr::V6(_) => (128, 1),
            };
            let capacity = (1u64 << (width - u32::from(spec.cidr.prefix()))) - edges;
            let blocks = self.checks.mirror.blocks.values();
            let used = blocks.filter(|b| spec.cidr.contains(b.block.first()));
            // What time alone has ended may still be told.
            let stays =
                |one: &&UsedSeen| one.holder.is_some() || one.until.is_none_or(|at| at > now);
            let used: u64 = used
                .map(|b| b.used.values().filter(stays).count() as u64)
                .sum();
            let all = [
                usage.capacity,
                usage.free + used,
                u64::from(usage.quarantined),
            ];
            if all != [capacity, capacity, 0] {
                return Err(format!(
                    "{used} of {capacity} addresses of {} are in use, and it says {usage:?}",
                    spec.name
                ));
            }
        }
        Ok(())
    }

    /// The allocator itself finds nothing to complain of.
    fn fsck_is_clean(&self) -> Result<(), String> {
        let replica = self.opened()?;
        let rejected = replica.rejected();
        if let Some(problem) = replica.ipam().fsck(GRACE, rejected).first() {
            return Err(format!("fsck: {problem:?}"));
        }
        let owners: BTreeSet<&str> = replica
            .ipam()
            .claims()
            .map(ipam::claim::ClaimRef::owner)
            .collect();
        match owners.len() == self.checks.mirror.claims.len() {
            true => Ok(()),
            false => Err(format!("the allocator knows {owners:?}")),
        }
    }

    /// Now by what the hosts go by.
    fn time(&self) -> Result<Timestamp, String> {
        if !self.setup.shared_time {
            return Ok(self.now);
        }
        let mut memory = self.disk.memory.clone();
        let key = "t/".to_owned();
        let value = ready(memory.get(std::slice::from_ref(&key))).and_then(Result::ok);
        let value = value.and_then(|(mut values, _)| values.pop()?);
        match value.as_deref().map(|value| Record::decode("t/", value)) {
            Some(Ok(Record::Time { now, origin })) => {
                let counted = origin.and_then(|origin| {
                    let passed = self.disk.clock.elapsed(origin.stopwatch, self.now)?;
                    Some(origin.base.after(passed.time))
                });
                Ok(now.max(counted.unwrap_or_default()))
            }
            other => Err(format!("the store's time is {other:?}")),
        }
    }

    fn opened(&self) -> Result<Replica<MemoryStore>, String> {
        let opened = ready(Replica::open(self.disk.memory.clone(), self.time()?, 0));
        let opened = opened.ok_or("memory was waited for")?;
        opened.map_err(|error| error.to_string())
    }
}
