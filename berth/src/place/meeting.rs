//! Where search threads meet: each leaves its best answer, waits for the others, and takes the best of all along.
//! Since all wait, what comes out depends on seeds and evaluations alone.

use scheduler_core::search::Exchange;
use scheduler_core::{Model, NodeId, Placement};
use std::sync::{Condvar, Mutex, PoisonError};

/// Broken constraints, cost, seat and assignment of the best answer left so far.
type Elite = (u64, i64, usize, Vec<NodeId>);

/// One meeting of so many threads.
#[derive(Debug)]
pub(super) struct Meeting<'a> {
    /// Model and initial assignment, where that one breaks constraints: then what breaks fewer is better.
    broken: Option<(&'a Model, &'a [NodeId])>,
    state: Mutex<(usize, Option<Elite>)>,
    all_here: Condvar,
}

/// One thread's place. A thread that ends without having met (a panic, a refused model) counts as come.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    meeting: &'a Meeting<'a>,
    number: usize,
    met: bool,
}

impl<'a> Meeting<'a> {
    pub(super) fn new(threads: usize, broken: Option<(&'a Model, &'a [NodeId])>) -> Self {
        Self {
            broken,
            state: Mutex::new((threads, None)),
            all_here: Condvar::new(),
        }
    }

    /// Constraints that an answer breaks.
    fn violations(&self, at: &[NodeId]) -> u64 {
        let placement = self
            .broken
            .and_then(|(model, initial)| Some((model, Placement::moved(model, initial, at).ok()?)));
        placement.map_or(0, |(model, p)| p.violations(model).total())
    }

    pub(super) fn seat(&'a self, number: usize) -> Seat<'a> {
        let meeting = self;
        Seat {
            meeting,
            number,
            met: false,
        }
    }

    /// Counts one thread as come, with what it leaves, and waits for the rest if it is to.
    fn come(&self, left: Option<Elite>, waits: bool) -> Option<Vec<NodeId>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = state.0.saturating_sub(1);
        if let Some(elite) = left
            && state
                .1
                .as_ref()
                .is_none_or(|best| (elite.0, elite.1, elite.2) < (best.0, best.1, best.2))
        {
            state.1 = Some(elite);
        }
        self.all_here.notify_all();
        if !waits {
            return None;
        }
        let state = self.all_here.wait_while(state, |s| s.0 > 0);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        state.1.as_ref().map(|best| best.3.clone())
    }
}

impl Exchange for Seat<'_> {
    fn meet(&mut self, cost: i64, best: &[NodeId]) -> Option<Vec<NodeId>> {
        if self.met {
            return None;
        }
        self.met = true;
        let left = (
            self.meeting.violations(best),
            cost,
            self.number,
            best.to_vec(),
        );
        self.meeting.come(Some(left), true)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if !self.met {
            self.meeting.come(None, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_leave_with_the_best_and_one_that_never_came_holds_nobody_up() {
        let meeting = Meeting::new(3, None);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let lost = scope.spawn(|| drop(meeting.seat(2)));
            let meet = |number: usize, cost: i64| {
                let mut seat = meeting.seat(number);
                seat.meet(cost, &[NodeId(number as u32)])
            };
            let (a, b) = (
                scope.spawn(move || meet(0, 7)),
                scope.spawn(move || meet(1, 5)),
            );
            assert!(lost.join().is_ok());
            [a, b].into_iter().filter_map(|t| t.join().ok()).collect()
        });
        assert_eq!(answers, [Some(vec![NodeId(1)]), Some(vec![NodeId(1)])]);
    }
}
