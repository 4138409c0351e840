//! From one commit to the next: nothing rightful is lost, nothing is given that is not free.

use super::seen::{Before, ClaimSeen};
use super::{Ended, Suspicion};
use crate::setup::GRACE;
use crate::world::{Operation, World};
use std::net::IpAddr;

impl World {
    /// Whether what a commit changed of the claims may change so.
    pub(super) fn check_moves_on(&mut self, operation: &Operation, before: &Before) {
        let now = before.claims.iter().map(|(owner, old)| {
            let new = self.checks.mirror.claims.get(owner).cloned();
            (owner, old.as_ref(), new)
        });
        let changed: Vec<(&String, Option<&ClaimSeen>, Option<ClaimSeen>)> = now.collect();
        for (owner, old, new) in &changed {
            if let Some(old) = old
                && new.as_ref().is_none_or(|new| new.sequence != old.sequence)
            {
                self.check_ended(operation, owner, old);
            }
            if let (Some(old), Some(new)) = (old, new)
                && new.sequence == old.sequence
                && new.addresses != old.addresses
            {
                self.checks.fail(|| {
                    format!(
                        "{}: the addresses of {owner} ({}) were {:?} and are {:?}",
                        operation.name, old.sequence, old.addresses, new.addresses
                    )
                });
            }
        }
        for (owner, old, new) in &changed {
            let Some(new) = new else { continue };
            self.note_suspicion(operation, owner, *old, new);
            if old.is_none_or(|old| old.sequence != new.sequence) {
                self.check_given(operation, owner, *old, new, before);
            }
        }
    }

    /// A claim has ended: it was released by its own token, or its lease is over, or it was rightly collected.
    fn check_ended(&mut self, operation: &Operation, owner: &str, old: &ClaimSeen) {
        let token = (owner.to_owned(), old.sequence);
        let now = self.now;
        let over = old
            .until
            .is_some_and(|until| until <= now.after(self.checks.slack));
        let asked = self.checks.asked.contains(&token);
        let suspicion = self.checks.suspected.remove(&token);
        let collected =
            suspicion.is_some_and(|s| s.began.after(GRACE) <= now.after(self.checks.slack));
        if self.uses(owner, old.sequence) {
            self.checks.fail(|| {
                format!(
                    "{}: the claim of {owner} ({}) has ended, and it uses {:?}",
                    operation.name, old.sequence, old.addresses
                )
            });
        }
        if !over && !asked && !collected {
            self.checks.fail(|| {
                format!("{}: the claim of {owner} ({}) on {:?} is lost: nobody released it, its lease is not over, nobody missed it for long enough", operation.name, old.sequence, old.addresses)
            });
        }
        for &address in &old.addresses {
            let ended = Ended {
                at: operation.began,
                owner: owner.to_owned(),
                workload: old.workload.clone(),
            };
            self.checks.ended.insert(address, ended);
        }
    }

    fn note_suspicion(
        &mut self,
        operation: &Operation,
        owner: &str,
        old: Option<&ClaimSeen>,
        new: &ClaimSeen,
    ) {
        let token = (owner.to_owned(), new.sequence);
        let before = old.is_some_and(|old| old.suspected && old.sequence == new.sequence);
        match (before, new.suspected) {
            (false, true) => {
                let suspicion = Suspicion {
                    began: operation.began,
                    committed: self.now,
                };
                self.checks.suspected.insert(token, suspicion);
            }
            (_, false) => {
                self.checks.suspected.remove(&token);
            }
            _ => {}
        }
    }

    /// A claim was made: its token is above all before, and nobody else has a right to its addresses.
    fn check_given(
        &mut self,
        operation: &Operation,
        owner: &str,
        old: Option<&ClaimSeen>,
        new: &ClaimSeen,
        before: &Before,
    ) {
        let who = &operation.name;
        let last = self.checks.of_owner.insert(owner.to_owned(), new.sequence);
        if last.is_some_and(|last| last >= new.sequence) {
            self.checks.fail(|| {
                format!(
                    "{who}: {owner} was given token {} after {last:?}",
                    new.sequence
                )
            });
        }
        for &address in &new.addresses {
            let last = self.checks.of_address.insert(address, new.sequence);
            if last.is_some_and(|last| last >= new.sequence) {
                self.checks.fail(|| {
                    format!(
                        "{who}: {address} was given under token {} after {last:?}",
                        new.sequence
                    )
                });
            }
            if old.is_some_and(|old| old.addresses.contains(&address)) {
                continue;
            }
            if let Err(line) = self.may_give(owner, new, address, before) {
                self.checks.fail(|| {
                    format!(
                        "{who}: {address} was given to {owner} ({}): {line}",
                        new.sequence
                    )
                });
            }
        }
    }

    /// Whether an address may go to a claim.
    fn may_give(
        &self,
        owner: &str,
        new: &ClaimSeen,
        address: IpAddr,
        before: &Before,
    ) -> Result<(), String> {
        let checks = &self.checks;
        let others = checks
            .mirror
            .claims
            .iter()
            .filter(|(name, _)| *name != owner);
        if let Some((other, claim)) = others
            .into_iter()
            .find(|(_, c)| c.addresses.contains(&address))
        {
            let damaged = before.damaged.iter().find(|key| self.told_in(key, address));
            let damaged = damaged.map_or(String::new(), |key| {
                format!(", as the damaged record `{key}` told")
            });
            return Err(format!("{other} ({}) holds it{damaged}", claim.sequence));
        }
        if let Some(key) = before.damaged.iter().find(|key| self.told_in(key, address)) {
            return Err(format!("the damaged record `{key}` may hold it"));
        }
        let own = |workload: &Option<String>| workload.is_some() && *workload == new.workload;
        if let Some(ended) = checks.ended.get(&address)
            && !own(&ended.workload)
        {
            let quarantine = self
                .pool_of(address)
                .map(|p| p.quarantine)
                .unwrap_or_default();
            let over = ended.at.after(quarantine);
            if over > self.now.after(checks.slack) {
                return Err(format!(
                    "it is in quarantine until {over} after {}, and it is {}",
                    ended.owner, self.now
                ));
            }
        }
        let told = before
            .blocks
            .values()
            .flatten()
            .find_map(|b| b.used.get(&address));
        if let Some(told) = told.filter(|told| told.holder.is_none() && !own(&told.workload)) {
            let stays = told
                .until
                .is_none_or(|until| until > self.now.after(checks.slack));
            if told.reserved || stays {
                return Err(format!("it is retained for {:?}", told.workload));
            }
        }
        Ok(())
    }

    /// Whether a damaged record told of an address before it was damaged.
    fn told_in(&self, key: &str, address: IpAddr) -> bool {
        let mirror = &self.checks.mirror;
        match key.get(..2) {
            Some("c/") => mirror
                .claims
                .get(&key[2..])
                .is_some_and(|c| c.addresses.contains(&address)),
            Some("b/") => mirror
                .blocks
                .get(key)
                .is_some_and(|b| b.block.contains(address)),
            _ => false,
        }
    }

    fn pool_of(&self, address: IpAddr) -> Option<&ipam::PoolSpec> {
        self.setup
            .all_pools()
            .find(|pool| pool.cidr.contains(address))
    }
}
