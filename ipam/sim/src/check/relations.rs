//! After each commit: what records tell of one another is true, and no address is held by two.

use super::seen::Mirror;
use crate::world::World;

impl World {
    /// Checks the records that a commit changed against those that they tell of.
    pub(super) fn check_relations(&mut self, keys: &[String]) {
        let checked = keys
            .iter()
            .try_for_each(|key| self.checks.mirror.check(key));
        if let Err(line) = checked {
            self.checks.fail(|| line);
        }
    }

    /// Checks all records.
    pub(super) fn check_all_relations(&mut self) {
        let mirror = &self.checks.mirror;
        let claims = mirror.claims.keys().map(|owner| format!("c/{owner}"));
        let hosts = mirror.hosts.keys().map(|host| format!("h/{host}"));
        let workloads = mirror.workloads.keys().map(|name| format!("w/{name}"));
        let keys = claims
            .chain(hosts)
            .chain(workloads)
            .chain(mirror.blocks.keys().cloned());
        let keys: Vec<String> = keys.collect();
        self.check_relations(&keys);
    }
}

impl Mirror {
    /// Whether what a record tells is so. Of damaged ones nothing is asked.
    fn check(&self, key: &str) -> Result<(), String> {
        if self.damaged.contains(key) {
            return Ok(());
        }
        match key.get(..2) {
            Some("c/") => self.check_claim(&key[2..]),
            Some("b/") => self.check_block(key),
            Some("h/") => self.check_host(&key[2..]),
            Some("w/") => self.check_workload(&key[2..]),
            _ => Ok(()),
        }
    }

    /// A claim's addresses are told of by their blocks, and are nobody else's.
    fn check_claim(&self, owner: &str) -> Result<(), String> {
        let Some(claim) = self.claims.get(owner) else {
            return Ok(());
        };
        for address in &claim.addresses {
            let others = self.claims.iter().filter(|(name, _)| *name != owner);
            let mut both = others.filter(|(_, other)| other.addresses.contains(address));
            if let Some((other, _)) = both.next() {
                return Err(format!("{address} is held by {owner} and by {other}"));
            }
            let mut blocks = self
                .blocks
                .iter()
                .filter(|(_, b)| b.block.contains(*address));
            let Some((key, block)) = blocks.next() else {
                return Err(format!("{address} of {owner} is in no stored block"));
            };
            let told = block
                .used
                .get(address)
                .and_then(|used| used.holder.as_ref());
            let right = told.is_some_and(|(name, token)| name == owner && *token == claim.sequence);
            if !right && !self.damaged.contains(key) {
                let held = (owner, claim.sequence);
                return Err(format!(
                    "{address} is held by {held:?}, and its block tells of {told:?}"
                ));
            }
        }
        Ok(())
    }

    /// Whom a block tells of holds what it tells, and its host names it.
    fn check_block(&self, key: &str) -> Result<(), String> {
        let Some(block) = self.blocks.get(key) else {
            return Ok(());
        };
        for (address, used) in &block.used {
            if block.released.contains_key(address) {
                return Err(format!("{address} is held or retained, and released"));
            }
            let Some((owner, token)) = &used.holder else {
                continue;
            };
            let claim = self.claims.get(owner);
            let holds =
                claim.is_some_and(|c| c.sequence == *token && c.addresses.contains(address));
            if !holds && !self.damaged.contains(&format!("c/{owner}")) {
                return Err(format!(
                    "the block of {address} tells of {owner} ({token}), whose claim is {claim:?}"
                ));
            }
        }
        let first = block.block.first();
        for (name, blocks) in &self.hosts {
            let named = blocks.contains(&first);
            let owned = block.host.as_ref() == Some(name);
            if named != owned && !self.damaged.contains(&format!("h/{name}")) {
                return Err(format!(
                    "block {} is of {:?}, and {name} names {blocks:?}",
                    block.block, block.host
                ));
            }
        }
        match &block.host {
            Some(host) if !self.hosts.contains_key(host) => Err(format!(
                "block {} is of {host}, which has no record",
                block.block
            )),
            _ => Ok(()),
        }
    }

    /// The blocks that a host names are its own, and no other host names them.
    fn check_host(&self, name: &str) -> Result<(), String> {
        for first in self.hosts.get(name).into_iter().flatten() {
            let mut others = self
                .hosts
                .iter()
                .filter(|(other, b)| *other != name && b.contains(first));
            if let Some((other, _)) = others.next() {
                return Err(format!(
                    "the block at {first} is of both {name} and {other}"
                ));
            }
            let block = self.blocks.iter().find(|(_, b)| b.block.first() == *first);
            let right = block.is_some_and(|(key, b)| {
                b.host.as_deref() == Some(name) || self.damaged.contains(key)
            });
            if !right {
                return Err(format!(
                    "{name} names the block at {first}, which is {block:?}"
                ));
            }
        }
        Ok(())
    }

    /// The owners that a workload names have claims for it.
    fn check_workload(&self, name: &str) -> Result<(), String> {
        let owners = self.workloads.get(name).map(|w| &w.owners);
        for owner in owners.into_iter().flatten() {
            let claim = self.claims.get(owner);
            let right = claim.is_some_and(|c| c.workload.as_deref() == Some(name));
            if !right && !self.damaged.contains(&format!("c/{owner}")) {
                return Err(format!("{name} names {owner}, whose claim is {claim:?}"));
            }
        }
        Ok(())
    }
}
