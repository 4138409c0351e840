//! Where search threads meet: each leaves its best answer, waits for the others, and takes the best of all along.
//! Since all wait, what comes out depends on seeds and evaluations alone.

use scheduler_core::{Exchange, NodeId};
use std::sync::{Condvar, Mutex, PoisonError};

/// Cost, seat and assignment of the best answer left so far.
type Elite = (i64, usize, Vec<NodeId>);

/// One meeting of so many threads.
#[derive(Debug)]
pub(super) struct Meeting {
    state: Mutex<(usize, Option<Elite>)>,
    all_here: Condvar,
}

/// One thread's place. A thread that ends without having met (a panic, a refused model) counts as come.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    meeting: &'a Meeting,
    number: usize,
    met: bool,
}

impl Meeting {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            state: Mutex::new((threads, None)),
            all_here: Condvar::new(),
        }
    }

    pub(super) fn seat(&self, number: usize) -> Seat<'_> {
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
                .is_none_or(|best| (elite.0, elite.1) < (best.0, best.1))
        {
            state.1 = Some(elite);
        }
        self.all_here.notify_all();
        if !waits {
            return None;
        }
        let state = self.all_here.wait_while(state, |s| s.0 > 0);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        state.1.as_ref().map(|best| best.2.clone())
    }
}

impl Exchange for Seat<'_> {
    fn meet(&mut self, cost: i64, best: &[NodeId]) -> Option<Vec<NodeId>> {
        if self.met {
            return None;
        }
        self.met = true;
        self.meeting
            .come(Some((cost, self.number, best.to_vec())), true)
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
        let meeting = Meeting::new(3);
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
