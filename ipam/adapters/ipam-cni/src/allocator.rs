//! The commands on a store.

use crate::answer::Address;
use crate::claims::{Group, groups};
use crate::config::{Config, attachment};
use crate::error::{Code, Refusal};
use crate::files::{Cursors, Reserved};
use crate::pools::{Plan, is_ours};
use crate::reconcile::reconcile;
use ipam::claim::{ClaimRef, ReleaseError};
use ipam::store::{PartialReplica, StoreError, TransactError};
use ipam::{Change, Ipam, PoolSpec, Replica, Store, Timestamp};
use std::time::Duration;

/// Addresses for the attachments of networks, in a store.
///
/// Each command reads the few records that it needs, and the whole state where only that tells. `wait` sleeps.
#[derive(Debug)]
pub struct Allocator<S> {
    pub(crate) store: S,
    pub(crate) seed: u64,
    pub(crate) cursors: Cursors,
    pub(crate) host: Option<String>,
}

/// A store's failure as an answer.
pub(crate) fn failed(error: &StoreError) -> Refusal {
    let code = match error {
        StoreError::Busy { .. } | StoreError::Conflict { .. } => Code::TryAgainLater,
        _ => Code::Io,
    };
    Refusal::new(code, error.to_string())
}

/// A transaction's failure as an answer.
pub(crate) fn not_done<E: std::fmt::Display>(
    error: TransactError<E>,
    refused: impl FnOnce(E) -> Refusal,
) -> Refusal {
    match error {
        TransactError::Refused(error) => refused(error),
        TransactError::Store(error) => failed(&error),
        TransactError::Contended { .. } => Refusal::new(Code::TryAgainLater, error.to_string()),
        TransactError::Damaged(_) => Refusal::new(Code::Io, error.to_string()),
    }
}

/// Most releases of one commit of GC.
const BATCH: usize = 256;

impl<S: Store> Allocator<S> {
    /// An allocator on a store. A store that is still empty is given the seed, which need only be another than other stores'.
    pub fn new(store: S, seed: u64, cursors: Cursors) -> Self {
        Self {
            store,
            seed,
            cursors,
            host: None,
        }
    }

    /// The same on a store that hosts share: what is given is this host's, and GC frees nothing of another's.
    #[must_use]
    pub fn on_host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// The store.
    pub fn into_store(self) -> S {
        self.store
    }

    pub(crate) fn part(&mut self) -> PartialReplica<&mut S> {
        PartialReplica::new(&mut self.store, self.seed)
    }

    pub(crate) async fn whole(&mut self, now: Timestamp) -> Result<Replica<&mut S>, Refusal> {
        let opened = Replica::open(&mut self.store, now, self.seed).await;
        opened.map_err(|e| failed(&e))
    }

    /// Makes the pools as the configuration says, and takes over what host-local gave where there was none of this network's;
    /// the pools of each range set.
    pub(crate) async fn ensure<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        config: &Config,
        reserved: &mut impl FnMut() -> Result<Reserved, Refusal>,
        wait: &mut impl FnMut(Duration) -> W,
    ) -> Result<Vec<Vec<String>>, Refusal> {
        let pools = self.part().pools().await.map_err(|e| failed(&e))?;
        let plan = Plan::new(config, &pools);
        if let Ok(plan) = plan
            && plan.steps.is_empty()
        {
            return Ok(plan.names);
        }
        let import = match knows(config, &pools) {
            true => Reserved::default(),
            false => reserved()?,
        };
        let mut replica = self.whole(now).await?;
        let done = replica
            .transact(now, |ipam| reconcile(ipam, config, &import), wait)
            .await;
        done.map_err(|e| not_done(e, |refusal| refusal))
    }

    /// Where the store knows nothing of the network yet, what host-local gave is taken over.
    async fn import<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        config: &Config,
        reserved: &mut impl FnMut() -> Result<Reserved, Refusal>,
        wait: &mut impl FnMut(Duration) -> W,
    ) -> Result<(), Refusal> {
        let pools = self.part().pools().await.map_err(|e| failed(&e))?;
        if knows(config, &pools) {
            return Ok(());
        }
        let found = reserved()?;
        if found.is_empty() {
            return Ok(());
        }
        self.ensure(now, config, &mut || Ok(found.clone()), wait)
            .await
            .map(drop)
    }

    /// ADD: an address of each range set; the same ones where the attachment has them.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is held then that was not before.
    pub async fn add<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        config: &Config,
        mut reserved: impl FnMut() -> Result<Reserved, Refusal>,
        mut wait: impl FnMut(Duration) -> W,
    ) -> Result<Vec<Address>, Refusal> {
        if let Some(owner) = config.given_owner() {
            return self.given(now, &owner?, &mut wait).await;
        }
        let requested = config.wishes()?;
        for _ in 0..ROUNDS {
            let names = self.ensure(now, config, &mut reserved, &mut wait).await?;
            let given = self
                .claim_all(now, config, &names, &requested, &mut wait)
                .await?;
            if let Some(addresses) = given {
                return Ok(addresses);
            }
        }
        Err(Refusal::new(
            Code::TryAgainLater,
            "the pools were changed by another configuration each time",
        ))
    }

    /// DEL: what the attachment has is released. Nothing to release is no failure.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn delete<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        config: &Config,
        mut reserved: impl FnMut() -> Result<Reserved, Refusal>,
        mut wait: impl FnMut(Duration) -> W,
    ) -> Result<(), Refusal> {
        if config.settings().controller.is_some() {
            return Ok(());
        }
        self.import(now, config, &mut reserved, &mut wait).await?;
        for group in 0..config.sets.len() {
            let owner = config.owner(group);
            let decide = |ipam: &Ipam| release(ipam, &owner).map(|change| ((), vec![change]));
            let done = self
                .part()
                .try_with_claim(now, &owner, decide, &mut wait)
                .await;
            let done = done.map_err(|e| failed(&e))?;
            if done.is_none() {
                // Nothing is held, or only the whole state tells.
                let mine = |claim: ClaimRef<'_>| {
                    let whose = attachment(&config.name, claim.owner());
                    whose == Some((&*config.container, &*config.interface))
                };
                return self.release_all(now, mine, &mut wait).await;
            }
        }
        Ok(())
    }

    /// CHECK: the attachment has an address.
    ///
    /// # Errors
    /// [`Refusal`]: it has none, or the store failed.
    pub async fn check<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        config: &Config,
        mut reserved: impl FnMut() -> Result<Reserved, Refusal>,
        mut wait: impl FnMut(Duration) -> W,
    ) -> Result<(), Refusal> {
        if let Some(owner) = config.given_owner() {
            let held = self.look(now, &owner?, true, &mut wait).await?;
            return held.map(drop).ok_or_else(|| nothing_held(config));
        }
        self.import(now, config, &mut reserved, &mut wait).await?;
        let owner = config.owner(0);
        let decide = |_: &Ipam| Ok::<_, ReleaseError>(((), Vec::new()));
        let known = self
            .part()
            .try_with_claim(now, &owner, decide, &mut wait)
            .await;
        if known.map_err(|e| failed(&e))?.is_some() {
            return Ok(());
        }
        let whole = self.whole(now).await?;
        match whole.ipam().claim_of(&owner) {
            Some(_) => Ok(()),
            None => Err(nothing_held(config)),
        }
    }

    /// GC: what no valid attachment holds is released. A runtime that does not say which are valid has nothing released.
    ///
    /// # Errors
    /// [`Refusal`]: all that could not be released; the rest is.
    pub async fn collect<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        config: &Config,
        mut reserved: impl FnMut() -> Result<Reserved, Refusal>,
        mut wait: impl FnMut(Duration) -> W,
    ) -> Result<(), Refusal> {
        if config.settings().controller.is_some() {
            return Ok(());
        }
        self.import(now, config, &mut reserved, &mut wait).await?;
        let Some(valid) = &config.valid else {
            return Ok(());
        };
        let valid: std::collections::BTreeSet<(&str, &str)> =
            valid.iter().map(|(c, i)| (&**c, &**i)).collect();
        let stale = |owner: &str| {
            attachment(&config.name, owner).is_some_and(|whose| !valid.contains(&whose))
        };
        let host = self.host.clone();
        let stale = |claim: ClaimRef<'_>| claim.host() == host.as_deref() && stale(claim.owner());
        self.release_all(now, stale, &mut wait).await
    }

    /// STATUS: whether an ADD would be answered.
    ///
    /// # Errors
    /// [`Refusal`] of [`Code::NotAvailable`].
    pub async fn status(
        &mut self,
        now: Timestamp,
        config: &Config,
        mut reserved: impl FnMut() -> Result<Reserved, Refusal>,
    ) -> Result<(), Refusal> {
        let unavailable = |refusal: Refusal| Refusal {
            code: Code::NotAvailable,
            ..refusal
        };
        let damage = self
            .store
            .damage()
            .await
            .map_err(|e| unavailable(failed(&e)))?;
        if let Some(damage) = damage.first() {
            return Err(
                Refusal::new(Code::NotAvailable, format!("the store {damage}"))
                    .details("berth ipam fsck tells more"),
            );
        }
        if config.settings().controller.is_some() {
            return Ok(());
        }
        let import = reserved().map_err(unavailable)?;
        let whole = self.whole(now).await.map_err(unavailable)?;
        probe(whole.ipam(), config, &import).map_err(unavailable)
    }

    /// Releases what some owners have, as much of it as can be.
    async fn release_all<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        which: impl Fn(ClaimRef<'_>) -> bool,
        wait: &mut impl FnMut(Duration) -> W,
    ) -> Result<(), Refusal> {
        let mut replica = self.whole(now).await?;
        let claims = replica.ipam().claims().filter(|claim| which(*claim));
        let owners: Vec<String> = claims.map(|claim| claim.owner().to_owned()).collect();
        let mut errors = Vec::new();
        for batch in owners.chunks(BATCH) {
            let all = |ipam: &Ipam| releases(ipam, batch);
            if replica.transact(now, all, &mut *wait).await.is_ok() {
                continue;
            }
            // One that can't be released keeps the others from it no longer.
            for owner in batch {
                let one = |ipam: &Ipam| releases(ipam, std::slice::from_ref(owner));
                if let Err(error) = replica.transact(now, one, &mut *wait).await {
                    errors.push((error.to_string(), not_done(error, |never| match never {})));
                }
            }
        }
        let texts: Vec<&str> = errors.iter().map(|(text, _)| &**text).collect();
        match errors.first() {
            None => Ok(()),
            Some((_, first)) => Err(Refusal::new(first.code, texts.join(";"))),
        }
    }
}

/// How often an ADD begins anew because another configuration's pools came in between.
const ROUNDS: u32 = 8;

/// Whether the store has pools of this network.
fn knows(config: &Config, pools: &[PoolSpec]) -> bool {
    pools.iter().any(|pool| is_ours(&config.name, pool))
}

fn nothing_held(config: &Config) -> Refusal {
    let message = format!(
        "berth-cni: Failed to find address added by container {}",
        config.container
    );
    Refusal::new(Code::UnknownContainer, message).details(format!(
        "nothing is held on interface {} in network {}",
        config.interface, config.name
    ))
}

fn release(ipam: &Ipam, owner: &str) -> Result<Change<'static>, ReleaseError> {
    let sequence = ipam.claim_of(owner).map_or(0, ClaimRef::sequence);
    ipam.decide_release(owner, sequence).map(Change::into_owned)
}

/// The releases of owners; who has nothing any more is passed over.
fn releases(
    ipam: &Ipam,
    owners: &[String],
) -> Result<((), Vec<Change<'static>>), std::convert::Infallible> {
    let mut next = ipam.clone();
    let mut changes = Vec::new();
    for owner in owners {
        if let Ok(change) = release(&next, owner)
            && next.apply(&change).is_ok()
        {
            changes.push(change);
        }
    }
    Ok(((), changes))
}

/// Whether somebody new would get an address of each set.
fn probe(ipam: &Ipam, config: &Config, import: &Reserved) -> Result<(), Refusal> {
    let import = match ipam.pools().any(|p| is_ours(&config.name, p.spec())) {
        true => &Reserved::default(),
        false => import,
    };
    let (names, changes) = reconcile(ipam, config, import)?;
    let mut next = ipam.clone();
    for change in &changes {
        let applied = next.apply(change);
        applied.map_err(|e| Refusal::new(Code::NotAvailable, e.to_string()))?;
    }
    let requested = vec![None; config.sets.len()];
    for (number, sets) in groups(&config.sets, &names).iter().enumerate() {
        let group = Group::new(config, number, sets, &names, &requested);
        let owner = format!("{}//status/{number}", config.name);
        let request = group.request(&owner, None);
        next.decide_claim(&request)
            .map_err(|e| group.refusal(config, &e))?;
    }
    Ok(())
}
