//! The driver: carries out what a controller decides.

use crate::controller::{Controller, Counts, Settings};
use crate::effect::{Asked, Effect, Note, Outcome};
use crate::election::{Act, Election, Timing};
use crate::policy::Retain;
use crate::seam::{Clock, Cluster, Patched, Source};
use ipam::claim::Identity;
use ipam::collect::Census;
use ipam::net::AddressRange;
use ipam::{Replica, Request, Store, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long one effect may take, within what is left to the leader.
const EFFECT: Duration = Duration::from_secs(8);
/// Events taken in before something is done.
const EVENTS: usize = 4096;
/// The longest wait when nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

/// A controller with a cluster, a store and clocks. It never writes unless its candidate leads.
#[derive(Debug)]
pub struct Driver<C, S, K> {
    cluster: C,
    replica: Replica<S>,
    clock: K,
    controller: Controller,
    election: Election,
    timing: Timing,
    /// Whether the controller was told that it leads.
    leads: bool,
}

impl<C: Cluster, S: Store, K: Clock<S>> Driver<C, S, K> {
    /// A driver that stands as a candidate of this name, which no other may ever have.
    pub fn new(
        cluster: C,
        replica: Replica<S>,
        clock: K,
        settings: Settings,
        candidate: (String, Timing),
    ) -> Self {
        let (name, timing) = candidate;
        Self {
            cluster,
            replica,
            clock,
            election: Election::new(name, timing, settings.seed),
            controller: Controller::new(settings),
            timing,
            leads: false,
        }
    }

    /// The state of the store as it was read last, with what was rejected.
    pub fn replica(&self) -> &Replica<S> {
        &self.replica
    }

    /// How much is known, and waits.
    pub fn counts(&self) -> Counts {
        self.controller.counts()
    }

    /// Whether it leads.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// Serves until it is dropped: takes in events, stands for election, and does one thing after the other while it leads. `told` is
    /// called after each step with what happened. Dropping it leaves undone what was under way, or done and not noticed; both are
    /// met again by whoever leads next.
    pub async fn run(&mut self, source: &mut impl Source, mut told: impl FnMut(&Self, Vec<Note>)) {
        loop {
            self.step(source, &mut told).await;
        }
    }

    /// One step of [`Driver::run`].
    pub async fn step(
        &mut self,
        source: &mut impl Source,
        told: &mut impl FnMut(&Self, Vec<Note>),
    ) {
        self.take_in(source).await;
        let mut notes = self.controller.notes();
        let voted = self.elect(&mut notes).await;
        let worked = self.work(&mut notes).await;
        notes.append(&mut self.controller.notes());
        if !notes.is_empty() {
            told(self, notes);
        }
        if !voted && !worked {
            self.wait(source).await;
        }
    }

    /// Gives leading up, so that another need not wait. For a process that ends in order.
    pub async fn resign(&mut self) {
        self.controller.follow();
        self.leads = false;
        if let Some(wish) = self.election.resign() {
            // If it fails, others wait as long as ever.
            let _ = timeout(self.timing.retry, self.cluster.write_lease(&wish)).await;
        }
    }

    /// Takes in what has come, without waiting.
    async fn take_in(&mut self, source: &mut impl Source) {
        for _ in 0..EVENTS {
            let now = self.clock.monotonic();
            tokio::select! {
                biased;
                event = source.next() => self.controller.handle(now, event),
                () = std::future::ready(()) => return,
            }
        }
    }

    /// Waits for an event, or until something is due.
    async fn wait(&mut self, source: &mut impl Source) {
        let now = self.clock.monotonic();
        let vote = match self.election.act(now) {
            Act::Wait(until) => until,
            _ => now,
        };
        // A leader stops in time whatever else happens.
        let times = [
            Some(vote),
            self.election.until(),
            self.controller.next_deadline(),
        ];
        let next = times.into_iter().flatten().min().unwrap_or(now.after(IDLE));
        tokio::select! {
            event = source.next() => self.controller.handle(now, event),
            () = sleep(next.since(now).min(IDLE)) => {}
        }
    }

    /// Does what the election asks for, if anything; whether it did.
    async fn elect(&mut self, notes: &mut Vec<Note>) -> bool {
        let sent = self.clock.monotonic();
        let act = self.election.act(sent);
        let limit = self.timing.deadline;
        let failure = match act {
            Act::Wait(_) => {
                self.follow_election(notes);
                return false;
            }
            Act::Read => match timeout(limit, self.cluster.lease()).await {
                Ok(Ok(record)) => {
                    self.election.read(self.clock.monotonic(), record);
                    None
                }
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("the lease was not answered in time".to_owned()),
            },
            Act::Write(wish) => match timeout(limit, self.cluster.write_lease(&wish)).await {
                Ok(Ok(written)) => {
                    self.election.wrote(sent, self.clock.monotonic(), written);
                    None
                }
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("the lease was not written in time".to_owned()),
            },
        };
        if let Some(why) = failure {
            self.election.failed(self.clock.monotonic());
            notes.push(Note::Election(why));
        }
        self.follow_election(notes);
        true
    }

    /// Tells the controller what the election came to.
    fn follow_election(&mut self, notes: &mut Vec<Note>) {
        let now = self.clock.monotonic();
        let leads = self.election.leads(now);
        if leads == self.leads {
            return;
        }
        self.leads = leads;
        match leads {
            true => self.controller.lead(now),
            false => self.controller.follow(),
        }
        notes.push(if leads { Note::Leads } else { Note::Follows });
    }

    /// Does one thing, if there is one to do and this is the leader; whether it did.
    async fn work(&mut self, notes: &mut Vec<Note>) -> bool {
        let now = self.clock.monotonic();
        let due = self
            .controller
            .next_deadline()
            .is_some_and(|due| due <= now);
        let Some(until) = self
            .election
            .until()
            .filter(|until| self.leads && now < *until)
        else {
            return false;
        };
        if !due {
            return false;
        }
        let limit = until.since(now).min(EFFECT);
        // The limit is looked at first: a process that was stopped meanwhile goes on with nothing.
        let did = tokio::select! {
            biased;
            () = sleep(limit) => None,
            did = self.one(notes) => Some(did),
        };
        did.unwrap_or_else(|| {
            let why = format!("took longer than {} ms", limit.as_millis());
            let now = self.clock.monotonic();
            self.controller.done(now, Outcome::Failed(why));
            true
        })
    }

    async fn one(&mut self, notes: &mut Vec<Note>) -> bool {
        let sent = match self.clock.tick(self.replica.store_mut()).await {
            Ok(sent) => sent,
            Err(error) => return self.store_failed(&error.to_string(), notes).await,
        };
        if let Err(error) = self.replica.catch_up(sent.store).await {
            return self.store_failed(&error.to_string(), notes).await;
        }
        let now = self.clock.monotonic();
        let Some(effect) = self.controller.next(now, self.replica.ipam()) else {
            return true;
        };
        let outcome = self.perform(&effect, sent.store, notes).await;
        self.controller.done(self.clock.monotonic(), outcome);
        true
    }

    /// A store that fails is not asked again at once.
    async fn store_failed(&mut self, why: &str, notes: &mut Vec<Note>) -> bool {
        notes.push(Note::Store(why.to_owned()));
        sleep(Duration::from_secs(1)).await;
        true
    }

    async fn perform(&mut self, effect: &Effect, now: Timestamp, notes: &mut Vec<Note>) -> Outcome {
        match effect {
            Effect::Claim { asked, .. } => self.claim(asked, now).await,
            Effect::Release {
                pod,
                owner,
                sequence,
                ask,
            } => {
                if *ask {
                    match self.cluster.pod_uid(pod).await {
                        Ok(Some(uid)) if uid == pod.uid => return Outcome::Wrong,
                        Ok(_) => {}
                        Err(error) => return Outcome::Failed(error.to_string()),
                    }
                }
                outcome(self.replica.release(now, owner, *sequence, sleep).await)
            }
            Effect::Unreserve {
                workload,
                slot,
                unwanted,
            } => {
                if !unwanted {
                    match self.cluster.workload_uid(workload).await {
                        Ok(Some(uid)) if uid == workload.uid => return Outcome::Wrong,
                        Ok(_) => {}
                        Err(error) => return Outcome::Failed(error.to_string()),
                    }
                }
                let identity = Identity::from(slot);
                outcome(self.replica.unreserve(now, identity, &[], sleep).await)
            }
            Effect::Annotate {
                pod,
                version,
                lease,
            } => match self.cluster.annotate(pod, version, lease).await {
                Ok(Patched::Done(seen)) => Outcome::Written(seen),
                Ok(Patched::Conflict) => match self.cluster.pod(&pod.namespace, &pod.name).await {
                    Ok(Some(seen)) => Outcome::Fresh(Box::new(seen)),
                    // The watch will tell.
                    Ok(None) => Outcome::Wrong,
                    Err(error) => Outcome::Failed(error.to_string()),
                },
                Err(error) => Outcome::Failed(error.to_string()),
            },
            Effect::Collect => self.collect(now, notes).await,
        }
    }

    async fn claim(&mut self, asked: &Asked, now: Timestamp) -> Outcome {
        let pools: Vec<&str> = asked.pools.iter().map(String::as_str).collect();
        let ranges: Vec<AddressRange> = asked.addresses.iter().map(|a| (*a).into()).collect();
        let mut request = Request::new(&asked.owner)
            .host(&asked.host)
            .families(asked.families)
            .pools(&pools);
        if let Some(workload) = &asked.workload {
            request = request.workload(workload);
        }
        request = match asked.retain {
            Retain::Ephemeral => request.addresses(&asked.addresses),
            Retain::Sticky(time) => request.sticky(time).addresses(&asked.addresses),
            Retain::Fixed => request.fixed(&ranges),
        };
        outcome(self.replica.claim(now, &request, sleep).await)
    }

    /// A pass of collection. Who is missing is looked for on a list that is read for it: nothing ends because a watch is late.
    async fn collect(&mut self, began: Timestamp, notes: &mut Vec<Note>) -> Outcome {
        let listed = match self.controller.misses_any(self.replica.ipam()) {
            true => self.cluster.pods().await,
            false => Ok(BTreeSet::new()),
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let lives = |owner: &str| self.controller.lives(owner, &listed);
        let census = Census {
            began,
            grace: self.controller.settings().grace,
            lives: &lives,
        };
        match self.replica.collect(began, Some(census), sleep).await {
            Ok(pass) => {
                notes.push(Note::Collected {
                    suspects: pass.suspects.len(),
                    released: pass.released,
                    blocks: pass.blocks,
                });
                Outcome::Done
            }
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}

fn outcome<T, E: std::fmt::Display>(done: Result<T, E>) -> Outcome {
    match done {
        Ok(_) => Outcome::Done,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}
