//! What a host does next.

use crate::agent::Action;
use crate::setup::{GIVE_UP, LONGEST_STALL};
use crate::view::{CENSUS_LASTS, CensusTaken, Held, State};
use crate::world::{Phase, World};
use rand::RngExt as _;
use std::time::Duration;

impl World {
    /// How long a host waits before it does something.
    pub(crate) fn pause(&mut self, host: usize) -> Duration {
        let mean = match self.phase {
            Phase::Busy => self.setup.pause,
            _ => Duration::from_secs(2),
        };
        let most = 2 * mean.as_millis() as u64;
        Duration::from_millis(self.hosts[host].rng.random_range(0..=most))
    }

    /// What a host does next.
    pub(crate) fn next_action(&mut self, host: usize) -> Action {
        self.stop_in_time(host);
        if let Some(action) = self.upkeep(host) {
            return action;
        }
        match self.phase {
            Phase::Busy => self.new_action(host),
            _ => Action::Nothing,
        }
    }

    /// An agent stops using an address in time; its container waits for another.
    fn stop_in_time(&mut self, host: usize) {
        let now = self.now;
        let mut over = 0;
        for slot in self.hosts[host].slots.values_mut() {
            if let State::Running(held) = &slot.state
                && held.stop_at <= now
            {
                slot.state = State::Starting;
                over += 1;
            }
        }
        *self.counts.entry("lease run out").or_default() += over;
    }

    /// What was begun goes on.
    fn upkeep(&mut self, host: usize) -> Option<Action> {
        let (now, settling) = (self.now, self.phase > Phase::Busy);
        let host = &mut self.hosts[host];
        let mut due = Vec::new();
        for (owner, slot) in &host.slots {
            let owner = owner.clone();
            match &slot.state {
                State::Starting => due.push(Action::Claim { owner }),
                State::Stopping { sequence } => due.push(Action::Release {
                    owner,
                    sequence: *sequence,
                }),
                State::Running(held) if held.renew_at <= now => {
                    due.push(match host.rng.random_bool(0.6) {
                        true => Action::Renew {
                            owner,
                            sequence: held.sequence,
                        },
                        false => Action::Claim { owner },
                    });
                }
                _ => {}
            }
        }
        let wanted = !due.is_empty() && (settling || host.rng.random_bool(0.7));
        wanted.then(|| due.swap_remove(host.rng.random_range(0..due.len())))
    }

    /// Something new.
    fn new_action(&mut self, number: usize) -> Action {
        let damaged = self.checks.damaged().next().is_some();
        let hosts = self.setup.hosts;
        let draw = self.hosts[number].rng.random_range(0..100);
        if damaged && draw % 8 == 0 {
            return Action::Repair;
        }
        let awaited = self.moves.values().any(|&to| to == number);
        if awaited && draw % 3 == 0 {
            return self.finish_move(number);
        }
        if self.setup.passing.is_some() && (45..48).contains(&draw) {
            return Action::PassPool;
        }
        match draw {
            0..45 => self.start(number),
            45..62 => self.stop(number),
            62..68 => self.claim_again(number),
            68..74 => match self.hosts[number].late.pop() {
                Some((owner, sequence)) => Action::LateRelease { owner, sequence },
                None => Action::Nothing,
            },
            74..88 => self.begin_move(number),
            88..90 => {
                let workload = self.moves.keys().next().cloned();
                workload.map_or(Action::Nothing, |workload| Action::AbortMove { workload })
            }
            90 | 91 => Action::Refresh,
            92..98 => match self.census(number) {
                Some(census) => Action::Collect {
                    census: Some(census),
                },
                None => {
                    let rng = &mut self.hosts[number].rng;
                    let other = rng.random_range(0..hosts);
                    Action::Census {
                        leave_out: rng.random_bool(0.5).then_some(other),
                    }
                }
            },
            _ => Action::Collect { census: None },
        }
    }

    /// A census that was taken and is not too old; it is used once.
    pub(crate) fn census(&mut self, host: usize) -> Option<CensusTaken> {
        let most = CENSUS_LASTS.saturating_sub(GIVE_UP + LONGEST_STALL);
        let census = self.hosts[host].census.take()?;
        (census.at.after(most) >= self.now).then_some(census)
    }

    /// One of a host's owners that are in a state.
    fn one_of(&mut self, host: usize, fits: impl Fn(&State) -> bool) -> Option<String> {
        let host = &mut self.hosts[host];
        let slots = host.slots.iter().filter(|(_, slot)| fits(&slot.state));
        let owners: Vec<&String> = slots.map(|(owner, _)| owner).collect();
        match owners.len() {
            0 => None,
            n => Some(owners[host.rng.random_range(0..n)].clone()),
        }
    }

    fn start(&mut self, host: usize) -> Action {
        let Some(owner) = self.one_of(host, |state| *state == State::Gone) else {
            return Action::Nothing;
        };
        self.set(host, &owner, State::Starting);
        Action::Claim { owner }
    }

    fn stop(&mut self, host: usize) -> Action {
        let Some(owner) = self.one_of(host, |state| matches!(state, State::Running(_))) else {
            return Action::Nothing;
        };
        let state = self.hosts[host]
            .slots
            .get(&owner)
            .map(|slot| slot.state.clone());
        let Some(State::Running(Held { sequence, .. })) = state else {
            return Action::Nothing;
        };
        self.set(host, &owner, State::Stopping { sequence });
        Action::Release { owner, sequence }
    }

    fn claim_again(&mut self, host: usize) -> Action {
        let owner = self.one_of(host, |state| matches!(state, State::Running(_)));
        owner.map_or(Action::Nothing, |owner| Action::Claim { owner })
    }

    fn begin_move(&mut self, host: usize) -> Action {
        let hosts = self.setup.hosts;
        let owner = self.one_of(host, |state| matches!(state, State::Running(_)));
        let slot = owner.and_then(|owner| self.hosts[host].slots.get(&owner));
        let workload = slot.and_then(|slot| slot.workload.clone());
        let Some(workload) = workload.filter(|w| w.starts_with('m')) else {
            return Action::Nothing;
        };
        let to = self.hosts[host].rng.random_range(0..hosts);
        Action::BeginMove { workload, to }
    }

    fn finish_move(&mut self, host: usize) -> Action {
        let mine = self.moves.iter().find(|(_, to)| **to == host);
        let Some(workload) = mine.map(|(workload, _)| workload.clone()) else {
            return Action::Nothing;
        };
        let owner = format!("{}/{workload}", self.hosts[host].name);
        Action::FinishMove { workload, owner }
    }
}
