//! For a few moves: the largest set of them that can be made, by going through all there is.

use super::sequence::{End, Hop, Sequence};
use crate::model::{Model, NodeId};
use crate::placement::Placement;
use alloc::vec;
use alloc::vec::Vec;

/// Moves up to which all sets are tried.
pub(super) const MOST: usize = 12;
/// Assignments up to which all that can be reached are gone through, waiting included.
const STATES: usize = 1 << 16;

/// The sequence that gives up fewest moves. With waiting where all assignments can be gone through, else of
/// those in which each task moves once.
pub(super) fn exhaust(model: &Model, start: &Placement, target: &[NodeId]) -> Sequence {
    let moves = |t: &u32| start.at[*t as usize] != target[*t as usize].0;
    let may_move = |t: &u32| !model.pinned[*t as usize];
    let all = 0..model.tasks() as u32;
    let everyone: Vec<u32> = all.clone().filter(may_move).collect();
    let movers: Vec<u32> = all.filter(moves).collect();
    let states = |tasks: &[u32]| {
        let power = u32::try_from(tasks.len()).ok();
        power
            .and_then(|p| model.nodes.checked_pow(p))
            .filter(|s| *s <= STATES)
    };
    let anywhere: Vec<u32> = (0..model.nodes as u32).collect();
    if states(&everyone).is_some() {
        return Reached::new(model, start, target, everyone, |_| anywhere.clone()).best();
    }
    if states(&movers).is_some() {
        return Reached::new(model, start, target, movers, |_| anywhere.clone()).best();
    }
    Reached::new(model, start, target, movers, |t| {
        vec![start.at[t as usize], target[t as usize].0]
    })
    .best()
}

/// What can be reached, breadth first: so each state is reached in the fewest moves.
struct Reached<'m> {
    model: &'m Model,
    tasks: Vec<u32>,
    /// Nodes where each of the tasks may be; a state is a number with one digit for each task.
    places: Vec<Vec<u32>>,
    target: Vec<u32>,
    initial: Vec<u32>,
    end: End,
    /// The hop by which each state was reached first, and from which state.
    by: Vec<Option<(Hop, usize)>>,
    queue: Vec<usize>,
}

impl<'m> Reached<'m> {
    fn new(
        model: &'m Model,
        start: &Placement,
        target: &[NodeId],
        tasks: Vec<u32>,
        places: impl Fn(u32) -> Vec<u32>,
    ) -> Self {
        let places: Vec<Vec<u32>> = tasks.iter().map(|t| places(*t)).collect();
        let states = places.iter().map(Vec::len).product();
        Self {
            model,
            tasks,
            places,
            target: target.iter().map(|n| n.0).collect(),
            initial: start.at.clone(),
            end: End::new(start.clone()),
            by: vec![None; states],
            queue: Vec::new(),
        }
    }

    fn best(mut self) -> Sequence {
        let first = self.code();
        let mut seen = vec![false; self.by.len()];
        seen[first] = true;
        self.queue.push(first);
        let (mut best, mut next) = ((usize::MAX, usize::MAX), 0);
        let mut goal = first;
        while let Some(state) = self.queue.get(next).copied() {
            next += 1;
            self.go_to(state);
            let (missing, astray) = self.away();
            if (missing, astray) < best {
                (best, goal) = ((missing, astray), state);
            }
            if missing == 0 {
                break;
            }
            self.expand(state, &mut seen);
        }
        self.go_to(goal);
        let away = |t: &u32| self.end.now.at[*t as usize] != self.target[*t as usize];
        // Pinned tasks that should move among them, which have no part in the search.
        let given_up = (0..self.model.tasks() as u32).filter(away).collect();
        let (mut hops, mut state) = (Vec::new(), goal);
        while let Some((hop, from)) = self.by[state] {
            hops.push(hop);
            state = from;
        }
        hops.reverse();
        Sequence {
            hops,
            given_up,
            looked: 0,
        }
    }

    /// The number of the state that the end is in.
    fn code(&self) -> usize {
        let digits = self.tasks.iter().zip(&self.places).map(|(task, places)| {
            let at = self.end.now.at[*task as usize];
            (
                places.iter().position(|n| *n == at).unwrap_or(0),
                places.len(),
            )
        });
        digits
            .rev()
            .fold(0, |code, (digit, base)| code * base + digit)
    }

    fn go_to(&mut self, mut state: usize) {
        for (task, places) in self.tasks.iter().zip(&self.places) {
            let node = places[state % places.len()];
            state /= places.len();
            if self.end.now.at[*task as usize] != node {
                self.end.put(self.model, *task, node);
            }
        }
    }

    /// Tasks that are not where they should be, and those of them that are not where they came from.
    fn away(&self) -> (usize, usize) {
        let at = |t: &u32| self.end.now.at[*t as usize];
        let missing = self
            .tasks
            .iter()
            .filter(|t| at(t) != self.target[**t as usize]);
        let astray = missing
            .clone()
            .filter(|t| at(t) != self.initial[**t as usize]);
        (missing.count(), astray.count())
    }

    fn expand(&mut self, state: usize, seen: &mut [bool]) {
        let mut base = 1;
        for (task, places) in self.tasks.iter().zip(&self.places) {
            let digit = state / base % places.len();
            let from = places[digit];
            for (other, to) in places.iter().enumerate().filter(|(d, _)| *d != digit) {
                let next = state - digit * base + other * base;
                if !seen[next] && self.end.may(self.model, *task, *to) {
                    seen[next] = true;
                    let hop = Hop {
                        task: *task,
                        from,
                        to: *to,
                    };
                    self.by[next] = Some((hop, state));
                    self.queue.push(next);
                }
            }
            base *= places.len();
        }
    }
}
