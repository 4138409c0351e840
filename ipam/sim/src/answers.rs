//! What agents make of the answers that they get.

use crate::agent::{Action, Done};
use crate::driver::Failure;
use crate::setup::GRACE;
use crate::view::State;
use crate::world::{Operation, Phase, World};
use ipam::Timestamp;
use rand::RngExt as _;

impl World {
    /// An operation begins, at a time that its host goes by.
    pub(crate) fn begin(&mut self, host: usize, action: &Action, now: Timestamp) {
        self.hosts[host].operation = Operation {
            name: format!("{}: {}", self.hosts[host].name, action.name()),
            began: self.now,
            repairs: matches!(action, Action::Repair),
        };
        match action {
            Action::Census { leave_out } => {
                let census = self.take_census(now, *leave_out);
                self.hosts[host].census = Some(census);
            }
            Action::Release { owner, sequence } => self.release_asked(owner, *sequence),
            // Whatever comes of it, the lease may end no later than it will.
            Action::Renew { owner, .. } => self.renewing(host, owner),
            _ => {}
        }
    }

    /// An operation ended so.
    pub(crate) fn end(
        &mut self,
        host: usize,
        action: &Action,
        done: Result<Done, Failure>,
        at: (Timestamp, Timestamp),
    ) {
        let refused = matches!(done, Err(Failure::Refused(_)));
        match (action, done) {
            (Action::Claim { owner }, Ok(Done::Granted(grant))) => {
                self.count("claim");
                self.granted(host, owner, &grant, at);
            }
            (Action::Claim { owner }, Err(Failure::Refused(why))) => {
                self.count("claim refused");
                self.lost_if_used(host, owner, &why);
                if self.phase > Phase::Busy {
                    self.set(host, owner, State::Gone);
                }
            }
            (Action::Renew { owner, sequence }, Ok(_)) => {
                self.count("renewal");
                self.renewed(host, owner, *sequence, at);
            }
            (Action::Renew { owner, .. }, Err(Failure::Refused(why))) => {
                self.count("renewal refused");
                self.lost_if_used(host, owner, &why);
                self.set(host, owner, State::Starting);
            }
            (Action::Release { owner, sequence }, done) if done.is_ok() || refused => {
                self.count("release");
                self.set(host, owner, State::Gone);
                self.hosts[host].late.push((owner.clone(), *sequence));
            }
            (Action::LateRelease { .. }, _) => self.count("late release"),
            (Action::BeginMove { workload, to }, done) if !refused => {
                self.count("move begun");
                self.moves.insert(workload.clone(), *to);
                let sure = done.is_ok();
                self.stop_workload(host, workload, sure);
            }
            (Action::FinishMove { workload, owner }, Ok(Done::Granted(grant))) => {
                self.count("move finished");
                self.moves.remove(workload);
                self.granted(host, owner, &grant, at);
            }
            (Action::FinishMove { workload, owner }, Err(failure)) => {
                // Not moving any more: perhaps an answer was lost.
                if matches!(&failure, Failure::Refused(why) if why.contains("is not moving")) {
                    self.moves.remove(workload);
                }
                if matches!(failure, Failure::Unknown(_)) {
                    self.set(host, owner, State::Starting);
                }
            }
            (Action::AbortMove { workload }, Ok(_)) => {
                self.count("move aborted");
                self.moves.remove(workload);
            }
            (Action::Collect { .. }, Ok(Done::Collected(count))) => {
                self.count("collection");
                *self.counts.entry("claim collected").or_default() += count as u64;
            }
            (Action::Repair, Ok(_)) => self.count("repair"),
            _ => {}
        }
    }

    /// The answer is no to somebody who holds an address and may use it still.
    fn lost_if_used(&mut self, host: usize, owner: &str, why: &str) {
        let slot = self.hosts[host].slots.get(owner);
        if let Some(held) = slot.and_then(|slot| slot.used(self.now)) {
            let line = format!(
                "{owner} uses {:?} ({}) and was told: {why}",
                held.addresses, held.sequence
            );
            self.checks.fail(|| line);
        }
    }

    /// A lease that is to be renewed ends then at the latest: it may have had no end.
    fn renewing(&mut self, host: usize, owner: &str) {
        let ends = self.setup.lease_ends(self.now);
        if let Some(State::Running(held)) =
            self.hosts[host].slots.get_mut(owner).map(|s| &mut s.state)
        {
            held.stop_at = held.stop_at.min(ends);
        }
    }

    fn renewed(
        &mut self,
        host: usize,
        owner: &str,
        sequence: u64,
        (sent, _): (Timestamp, Timestamp),
    ) {
        self.sign_of_life(owner, sequence, sent);
        let (lease, ends) = (self.setup.lease, self.setup.lease_ends(sent));
        let slot = self.hosts[host].slots.get_mut(owner);
        if let Some(State::Running(held)) = slot.map(|slot| &mut slot.state)
            && held.sequence == sequence
        {
            held.stop_at = ends;
            held.renew_at = sent.after(lease.map_or(GRACE / 3, |lease| lease / 3));
        }
    }

    pub(crate) fn set(&mut self, host: usize, owner: &str, state: State) {
        if let Some(slot) = self.hosts[host].slots.get_mut(owner) {
            slot.state = state;
        }
    }

    /// A workload leaves a host: its container ends at once, or some time later.
    fn stop_workload(&mut self, host: usize, workload: &str, sure: bool) {
        let soon = sure && self.hosts[host].rng.random_bool(0.7);
        for slot in self.hosts[host].slots.values_mut() {
            if let State::Running(held) = &slot.state
                && slot.workload.as_deref() == Some(workload)
                && soon
            {
                slot.state = State::Stopping {
                    sequence: held.sequence,
                };
            }
        }
    }
}
