//! One host's addresses, looked at again and again.

use super::super::args::ServeArgs;
use super::super::stores::clock;
use super::leases::{Leases, Told};
use super::metrics::Metrics;
use ipam::claim::{ClaimRef, RenewError};
use ipam::collect::Census;
use ipam::store::TransactError;
use ipam::{Ipam, Replica, Store, Timestamp};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) struct Host {
    replica: Replica<Box<dyn Store>>,
    name: String,
    live: Option<PathBuf>,
    grace: Duration,
    pause: Duration,
    collected: Option<Instant>,
    leases: Leases,
    metrics: Arc<Metrics>,
    /// What was complained about last: not every second anew.
    complaint: String,
}

/// What an attempt to renew came to.
#[derive(Default)]
struct Renewals {
    renewed: Vec<(String, Told)>,
    refused: Vec<(String, RenewError)>,
}

impl Host {
    pub(super) fn new(
        replica: Replica<Box<dyn Store>>,
        args: &ServeArgs,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            replica,
            name: args.host.clone(),
            live: args.live.clone(),
            grace: args.grace,
            pause: args.collect,
            collected: None,
            leases: Leases::new(args.margin),
            metrics,
            complaint: String::new(),
        }
    }

    /// Learns what others did, renews what is due, says what must no longer be used, and collects when it is time.
    pub(super) async fn step(&mut self) {
        let sent = Instant::now();
        match self.replica.catch_up(clock()).await {
            Ok(()) => {
                let damaged = self.replica.rejected().len();
                self.metrics.note(self.replica.ipam(), &self.name, damaged);
                // Who claims after the list was read is not on it: the pass begins before.
                let began = clock();
                if let Some(live) = self.living() {
                    self.renew(sent, live.as_ref()).await;
                    self.collect(began, live.as_ref()).await;
                }
            }
            Err(error) => {
                self.metrics.failed("watch");
                self.complain(&error.to_string());
            }
        }
        for owner in self.leases.over(Instant::now()) {
            self.stop(&owner, "its lease was not renewed in time");
        }
    }

    /// The owners that live here, if somebody says so; nothing while the list can't be read.
    fn living(&mut self) -> Option<Option<BTreeSet<String>>> {
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
                self.complain(&message);
                None
            }
        }
    }

    async fn renew(&mut self, sent: Instant, live: Option<&BTreeSet<String>>) {
        let now = self.replica.ipam().now();
        let mut due = Vec::new();
        let mut there = BTreeSet::new();
        for claim in self.replica.ipam().claims_of_host(&self.name) {
            let Some(told) = told(claim, now) else {
                continue;
            };
            there.insert(claim.owner().to_owned());
            let lives = live.is_none_or(|live| live.contains(claim.owner()));
            if self.leases.see(claim.owner(), told, sent) && lives {
                due.push((claim.owner().to_owned(), told));
            }
        }
        for owner in self.leases.retain(|owner| there.contains(owner)) {
            self.stop(&owner, "it is no longer this host's");
        }
        if due.is_empty() {
            return;
        }
        let sent = Instant::now();
        let decide = |ipam: &Ipam| Ok::<_, Infallible>(renewals(ipam, &due));
        match self.replica.transact(clock(), decide, sleep).await {
            Ok(Renewals { renewed, refused }) => {
                for (owner, told) in &renewed {
                    self.leases.renewed(owner, *told, sent);
                }
                self.metrics.renewed.inc_by(renewed.len() as u64);
                for (owner, error) in refused {
                    self.leases.retain(|known| known != owner);
                    self.stop(&owner, &error.to_string());
                }
            }
            Err(error) => self.failed("renew", &error),
        }
    }

    async fn collect(&mut self, began: Timestamp, live: Option<&BTreeSet<String>>) {
        let now = Instant::now();
        if self.collected.is_some_and(|at| now < at + self.pause) {
            return;
        }
        let grace = self.grace;
        let rejected = self.replica.rejected().to_vec();
        let host = self.name.clone();
        let decide = |ipam: &Ipam| {
            // Of other hosts' owners the list says nothing.
            let elsewhere = |owner: &str| {
                let claim = ipam.claim_of(owner);
                claim.and_then(ClaimRef::host) != Some(&*host)
            };
            let lives =
                |owner: &str| elsewhere(owner) || live.is_none_or(|live| live.contains(owner));
            let census = Census {
                began,
                grace,
                lives: &lives,
            };
            let census = live.is_some().then_some(census);
            let mut pass = ipam.decide_collection(&rejected, census);
            let changes = std::mem::take(&mut pass.changes);
            Ok::<_, Infallible>((pass, changes))
        };
        match self.replica.transact(clock(), decide, sleep).await {
            Ok(pass) => {
                self.collected = Some(now);
                let suspects = i64::try_from(pass.suspects.len()).unwrap_or(i64::MAX);
                self.metrics.suspects.set(suspects);
                self.metrics.released.inc_by(pass.released.len() as u64);
                self.metrics.blocks.inc_by(pass.blocks as u64);
            }
            Err(error) => self.failed("collect", &error),
        }
    }

    fn failed(&mut self, operation: &'static str, error: &TransactError<Infallible>) {
        match error {
            TransactError::Contended { .. } => self.metrics.was_contended(operation),
            _ => self.metrics.failed(operation),
        }
        self.complain(&error.to_string());
    }

    fn stop(&mut self, owner: &str, why: &str) {
        self.metrics.refused.inc();
        say(&format!("{owner} must stop using its addresses: {why}"));
    }

    fn complain(&mut self, why: &str) {
        if self.complaint != why {
            say(why);
            why.clone_into(&mut self.complaint);
        }
    }
}

/// One line on standard error, whatever stands in it.
fn say(message: &str) {
    let message = crate::answer::escaped(message).replace('\n', r"\u{a}");
    eprintln!("berth: {message}");
}

/// A claim's lease, if it has one.
fn told(claim: ClaimRef<'_>, now: Timestamp) -> Option<Told> {
    let (until, touched) = (claim.until()?, claim.touched());
    Some(Told {
        sequence: claim.sequence(),
        length: until.since(touched),
        left: until.since(now),
    })
}

fn renewals(ipam: &Ipam, due: &[(String, Told)]) -> (Renewals, Vec<ipam::Change<'static>>) {
    let (mut outcome, mut changes) = (Renewals::default(), Vec::new());
    for (owner, told) in due {
        match ipam.decide_renew(owner, told.sequence, Some(told.length)) {
            Ok(change) => {
                changes.push(change.into_owned());
                outcome.renewed.push((owner.clone(), *told));
            }
            Err(error) => outcome.refused.push((owner.clone(), error)),
        }
    }
    (outcome, changes)
}
