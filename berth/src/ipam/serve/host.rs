//! One host's addresses, looked at again and again.

use super::super::args::ServeArgs;
use super::docker::{Docker, Living};
use super::metrics::Metrics;
use super::time::Clock;
use crate::service::{Complaints, say};
use ipam::claim::{ClaimRef, RenewError};
use ipam::collect::Census;
use ipam::store::{Due, HeldClaims, Margin, Sent, StoreError, TransactError};
use ipam::{Change, Ipam, Replica, Store, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) struct Host {
    pub(super) replica: Replica<Box<dyn Store>>,
    pub(super) clock: Clock,
    name: String,
    live: Option<PathBuf>,
    pub(super) grace: Duration,
    pause: Duration,
    collected: Option<Instant>,
    held: HeldClaims,
    margin: Margin,
    /// Whose end was told, and when the claim had been touched last by then: until it is claimed or renewed again, nothing more is
    /// said.
    stopped: BTreeMap<String, Timestamp>,
    pub(super) metrics: Arc<Metrics>,
    /// The engine that is served, if one is.
    pub(super) docker: Option<Docker>,
    pub(super) complaints: Complaints,
}

/// A renewal: owner, sequence, and how long it is for.
type Renewal = (String, u64, Option<Duration>);

/// What an attempt to renew came to.
#[derive(Default)]
struct Renewals {
    renewed: Vec<Renewal>,
    refused: Vec<(String, RenewError)>,
}

impl Host {
    pub(super) fn new(
        replica: Replica<Box<dyn Store>>,
        clock: Clock,
        args: &ServeArgs,
        metrics: Arc<Metrics>,
        docker: Option<Docker>,
    ) -> Self {
        let margin = Margin {
            lag: args.margin,
            ..Margin::default()
        };
        Self {
            replica,
            clock,
            name: args.host.clone(),
            live: args.live.clone(),
            grace: args.grace,
            pause: args.collect,
            collected: None,
            held: HeldClaims::new(margin),
            margin,
            stopped: BTreeMap::new(),
            metrics,
            docker,
            complaints: Complaints::default(),
        }
    }

    /// Learns what others did, renews what is due, says what must no longer be used, and collects when it is time.
    pub(super) async fn step(&mut self) {
        match self.look().await {
            Ok(sent) => {
                let damaged = self.replica.rejected().len();
                self.metrics.note(self.replica.ipam(), &self.name, damaged);
                self.note_claims(sent);
                // Who claims after the list was read is not on it: the pass begins before, at what the store's time was then.
                if let Some(live) = self.living() {
                    self.renew(live.as_ref()).await;
                    self.collect(sent, live).await;
                }
            }
            Err(error) => {
                self.metrics.failed("watch");
                self.complaints.say(&error.to_string());
            }
        }
        let Due { stop, .. } = self.held.due(self.clock.monotonic());
        for owner in stop {
            let lease = self.held.get(&owner).and_then(|held| held.lease);
            match lease.filter(|lease| self.margin.of(*lease) >= *lease) {
                Some(lease) => {
                    let why = format!("its lease of {lease:?} is no longer than the margin");
                    self.stop(&owner, &why);
                }
                None => self.stop(&owner, "its lease was not renewed in time"),
            }
        }
    }

    pub(super) async fn look(&mut self) -> Result<Sent, StoreError> {
        let sent = self.clock.tick(self.replica.store_mut()).await?;
        self.replica.catch_up(sent.store).await?;
        Ok(sent)
    }

    /// The owners that live here, if somebody says so; nothing while the list can't be read.
    pub(super) fn living(&mut self) -> Option<Option<BTreeSet<String>>> {
        let Some(path) = &self.live else {
            return Some(None);
        };
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let owners = text.lines().map(str::trim).filter(|line| !line.is_empty());
                Some(Some(owners.map(str::to_owned).collect()))
            }
            Err(error) => {
                let message = format!("--live {}: {error}", path.display());
                self.metrics.failed("live");
                self.complaints.say(&message);
                None
            }
        }
    }

    /// Takes over the host's leases as the store tells of them: those that others made, prolonged or ended.
    fn note_claims(&mut self, sent: Sent) {
        let mut there = BTreeSet::new();
        for claim in self.replica.ipam().claims_of_host(&self.name) {
            let (owner, sequence) = (claim.owner(), claim.sequence());
            there.insert(owner.to_owned());
            let Some(until) = claim.until() else {
                // Its lease was lifted.
                self.held.ended(owner);
                continue;
            };
            let told = self.stopped.get(owner) == Some(&claim.touched());
            let known = self.held.get(owner).map(|held| held.sequence);
            if known != Some(sequence) && !told {
                // The lease began when it was touched last, and the next renewal is for as long.
                let length = until.since(claim.touched());
                let passed = length.saturating_sub(until.since(sent.store));
                let begun = sent.monotonic.since(Timestamp::ZERO).saturating_sub(passed);
                let begun = Timestamp::ZERO.after(begun);
                self.held.renewed(owner, sequence, Some(length), begun);
            }
        }
        let gone = self.held.iter().map(|(owner, _)| owner.to_owned());
        let gone: Vec<String> = gone.filter(|owner| !there.contains(owner)).collect();
        for owner in gone {
            self.stop(&owner, "it is no longer this host's");
        }
        self.stopped.retain(|owner, _| there.contains(owner));
    }

    async fn renew(&mut self, live: Option<&BTreeSet<String>>) {
        let Due { renew, .. } = self.held.due(self.clock.monotonic());
        let docker = self.docker.as_ref();
        let lives = |owner: &String| {
            live.is_none_or(|live| live.contains(owner)) || docker.is_some_and(|d| d.owns(owner))
        };
        let renewal = |owner: String| {
            let held = self.held.get(&owner)?;
            Some((owner, held.sequence, held.lease))
        };
        let due: Vec<Renewal> = renew
            .into_iter()
            .filter(lives)
            .filter_map(renewal)
            .collect();
        if due.is_empty() {
            return;
        }
        let sent = match self.clock.tick(self.replica.store_mut()).await {
            Ok(sent) => sent,
            Err(error) => return self.failed("renew", &TransactError::Store(error)),
        };
        let decide = |ipam: &Ipam| Ok::<_, Infallible>(renewals(ipam, &due));
        match self.replica.transact(sent.store, decide, sleep).await {
            Ok(Renewals { renewed, refused }) => {
                self.metrics.renewed.inc_by(renewed.len() as u64);
                for (owner, sequence, lease) in renewed {
                    self.held.renewed(&owner, sequence, lease, sent.monotonic);
                }
                for (owner, error) in refused {
                    self.stop(&owner, &error.to_string());
                }
            }
            Err(error) => self.failed("renew", &error),
        }
    }

    async fn collect(&mut self, began: Sent, live: Option<BTreeSet<String>>) {
        let now = Instant::now();
        if self.collected.is_some_and(|at| now < at + self.pause) {
            return;
        }
        // Where an engine can tell who lives, the pass waits for its answer.
        if let Some(docker) = &self.docker
            && let Some(viewer) = &docker.viewer
        {
            viewer.look(began.store, docker.calls);
            self.collected = Some(now);
            return;
        }
        let census = live.map(|live| Living {
            live: Some(live),
            view: None,
        });
        self.collect_by(began.store, began.store, census).await;
        self.tidy(began.store).await;
    }

    /// One pass of collection: what lives is on the list, or is what an engine runs.
    pub(super) async fn collect_by(
        &mut self,
        now: Timestamp,
        began: Timestamp,
        living: Option<Living<'_>>,
    ) {
        let grace = self.grace;
        let rejected = self.replica.rejected().to_vec();
        let (host, docker) = (
            self.name.clone(),
            self.docker.as_ref().map(|docker| docker.driver.clone()),
        );
        let decide = |ipam: &Ipam| {
            // Of other hosts' owners nobody here says anything.
            let elsewhere = |owner: &str| {
                let claim = ipam.claim_of(owner);
                claim.and_then(ClaimRef::host) != Some(&*host)
            };
            let lives = |owner: &str| {
                elsewhere(owner)
                    || living
                        .as_ref()
                        .is_none_or(|l| l.has(docker.as_ref(), owner))
            };
            let census = Census {
                began,
                grace,
                lives: &lives,
            };
            let mut pass = ipam.decide_collection(&rejected, living.is_some().then_some(census));
            let changes = std::mem::take(&mut pass.changes);
            Ok::<_, Infallible>((pass, changes))
        };
        match self.replica.transact(now, decide, sleep).await {
            Ok(pass) => {
                self.collected = Some(Instant::now());
                let suspects = i64::try_from(pass.suspects.len()).unwrap_or(i64::MAX);
                self.metrics.store.suspects.set(suspects);
                self.metrics
                    .store
                    .released
                    .inc_by(pass.released.len() as u64);
                let owns = |owner: &&String| docker.as_ref().is_some_and(|d| d.owns(owner));
                for owner in pass.released.iter().filter(owns) {
                    say(&format!("the engine does not run {owner}: released"));
                }
                self.metrics.blocks.inc_by(pass.blocks as u64);
            }
            Err(error) => self.failed("collect", &error),
        }
    }

    pub(super) fn failed(&mut self, operation: &'static str, error: &TransactError<Infallible>) {
        match error {
            TransactError::Contended { .. } => self.metrics.was_contended(operation),
            _ => self.metrics.failed(operation),
        }
        self.complaints.say(&error.to_string());
    }

    /// A claim is over for this host.
    fn stop(&mut self, owner: &str, why: &str) {
        if self.held.ended(owner).is_none() {
            return;
        }
        if let Some(claim) = self.replica.ipam().claim_of(owner) {
            self.stopped.insert(owner.to_owned(), claim.touched());
        }
        self.metrics.refused.inc();
        say(&format!("{owner} must stop using its addresses: {why}"));
    }
}

fn renewals(ipam: &Ipam, due: &[Renewal]) -> (Renewals, Vec<Change<'static>>) {
    let (mut outcome, mut changes) = (Renewals::default(), Vec::new());
    for (owner, sequence, lease) in due {
        match ipam.decide_renew(owner, *sequence, *lease) {
            Ok(change) => {
                changes.push(change.into_owned());
                outcome.renewed.push((owner.clone(), *sequence, *lease));
            }
            Err(error) => outcome.refused.push((owner.clone(), error)),
        }
    }
    (outcome, changes)
}
