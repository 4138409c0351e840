//! Which nodes and tasks the steps are drawn from: all, or a sample; far and near.

use super::penalised::Penalised;
use crate::model::Model;
use crate::uniform::Uniform as _;
use alloc::vec;
use alloc::vec::Vec;
use rand::Rng;

/// Share of near targets that are in the same location; the others are in the same neighbourhood.
const SAME_LOCATION: f64 = 0.7;

/// Nodes that steps lead among. With fewer than all of a model's nodes a short run has as many steps for each task
/// as a long one on the whole model.
pub(super) struct Scope {
    nodes: Vec<u32>,
    /// Tasks that may leave their homes, which are in the scope.
    movable: Vec<u32>,
    /// The scope's nodes by location and by neighbourhood.
    locations: Vec<Vec<u32>>,
    neighbourhoods: Vec<Vec<u32>>,
    /// Which nodes are in the scope.
    inside: Vec<bool>,
    whole: bool,
}

impl Scope {
    /// All nodes.
    pub(super) fn whole(state: &Penalised<'_>) -> Self {
        let nodes = (0..state.model.nodes as u32).collect();
        let inside = vec![true; state.model.nodes];
        Self::of(state, nodes, inside, true)
    }

    /// So many nodes, location by location in random order: what is near to what stays as it is.
    pub(super) fn sample(state: &Penalised<'_>, count: usize, rng: &mut impl Rng) -> Self {
        let (model, all) = (state.model, state.model.nodes);
        if count >= all {
            return Self::whole(state);
        }
        let ranks = shuffled(model.locations, rng);
        let mut nodes = shuffled(all, rng);
        nodes.sort_by_key(|node| ranks[model.location[*node as usize] as usize]);
        nodes.truncate(count);
        let mut inside = vec![false; all];
        for node in &nodes {
            inside[*node as usize] = true;
        }
        Self::of(state, nodes, inside, false)
    }

    fn of(state: &Penalised<'_>, nodes: Vec<u32>, inside: Vec<bool>, whole: bool) -> Self {
        let model = state.model;
        let at_home_inside = |t: &u32| inside[state.home[*t as usize] as usize];
        let movable = state.reach.movable.iter().copied();
        Self {
            movable: movable.filter(at_home_inside).collect(),
            locations: grouped(&nodes, &model.location, model.locations),
            neighbourhoods: grouped(&nodes, &model.neighbourhood, model.neighbourhoods),
            nodes,
            inside,
            whole,
        }
    }

    pub(super) fn nodes(&self) -> &[u32] {
        &self.nodes
    }

    /// Tasks that may leave their homes, which are in the scope.
    pub(super) fn movable(&self) -> &[u32] {
        &self.movable
    }

    /// Whether a task's home is in the scope; a task whose home is not stays where it is.
    #[inline]
    pub(super) fn is_home_inside(&self, state: &Penalised<'_>, task: u32) -> bool {
        self.inside[state.home[task as usize] as usize]
    }

    /// The nodes of a neighbourhood.
    pub(super) fn in_neighbourhood(&self, neighbourhood: usize) -> &[u32] {
        &self.neighbourhoods[neighbourhood]
    }

    /// Whether no task can go anywhere.
    pub(super) fn is_stuck(&self) -> bool {
        self.movable.is_empty()
    }

    /// A task: with this probability one of those that are away from home, if there are any.
    /// The scope must not be stuck.
    #[inline]
    pub(super) fn task(&self, state: &Penalised<'_>, away: f64, rng: &mut impl Rng) -> usize {
        let from = if away > 0.0 && !state.away.is_empty() && rng.unit() < away {
            &state.away
        } else {
            &self.movable
        };
        from[rng.below(from.len())] as usize
    }

    /// A node for a task, with this probability one near its home; none if it can never stand on the one drawn.
    #[inline]
    pub(super) fn target(
        &self,
        state: &Penalised<'_>,
        task: usize,
        near: f64,
        rng: &mut impl Rng,
    ) -> Option<usize> {
        let home = state.home[task];
        let mut among = self.near(state.model, home as usize, near, rng);
        if among.is_empty() {
            if self.whole {
                return Some(state.draw(task, rng));
            }
            among = &self.nodes;
        }
        let node = among[rng.below(among.len())] as usize;
        state.reaches(task, node).then_some(node)
    }

    /// With this probability the nodes near one: those at its location or, sometimes and if it is alone there, of its
    /// neighbourhood; otherwise none.
    #[inline]
    pub(super) fn near(
        &self,
        model: &Model,
        node: usize,
        probability: f64,
        rng: &mut impl Rng,
    ) -> &[u32] {
        if probability == 0.0 {
            return &[];
        }
        let draw = rng.unit();
        if draw >= probability {
            return &[];
        }
        let location = &self.locations[model.location[node] as usize];
        let near = if draw < probability * SAME_LOCATION && location.len() > 1 {
            location
        } else {
            &self.neighbourhoods[model.neighbourhood[node] as usize]
        };
        if near.len() > 1 { near } else { &[] }
    }
}

/// The numbers below `count` in random order.
fn shuffled(count: usize, rng: &mut impl Rng) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count as u32).collect();
    for i in 0..count {
        numbers.swap(i, i + rng.below(count - i));
    }
    numbers
}

fn grouped(nodes: &[u32], of: &[u32], groups: usize) -> Vec<Vec<u32>> {
    let mut lists = vec![Vec::new(); groups];
    for node in nodes {
        lists[of[*node as usize] as usize].push(*node);
    }
    lists
}
