//! What runs when: a descent that has an answer soon; a race of schedules, since which one pays differs from model
//! to model and shows early; the winner for most of the time; the best answer refined.

use super::anneal::Search;
use super::penalised::Penalised;
use super::schedules::{DOWNHILL, MIXED, RACING, REFINE, Schedule};
use super::solve::Exchange;
use crate::model::NodeId;
use alloc::vec::Vec;

/// Shares of the budget at which descent, heats, final and the winner's run end.
const DESCENT: f64 = 0.02;
const HEATS: f64 = 0.12;
const FINAL: f64 = 0.22;
const MAIN: f64 = 0.92;
/// Most of the evaluations that go to sub-problems on the whole of a model with many nodes: the more there are, the
/// more seldom a task's places come together in one.
const BLOCKS_AMONG_MANY: f64 = 0.8;
const MANY_NODES: usize = 300;
/// Tasks a node above which single steps alone do not race: there they lead early, and where they end is chance. On b_2 of the
/// challenge (50 a node; seeds 2 and 3, 60 CPU s or 620 million evaluations, 2026-11-30) they won and ended at 1,015.7 to
/// 1,018.7 million in four runs; without them others won and ended at 1,015.4. The challenge's set A has 10 to 25 tasks a node,
/// but for a1_5 with 83 on 12 nodes: where there are as few nodes as never race on a sample, they race (20 CPU s, seeds 1 and 2:
/// 727,578,310 both, the best known; without them 727,578,509 and 727,578,409).
const FEW_TASKS: usize = 30;
/// Evaluations for each task in a race: with fewer, what is quickest wins, not what gets furthest. Where there is no
/// time for as many, or for as many as the winner will have, schedules race on a sample of the nodes.
const FAIR: f64 = 5_000.0;
/// Fewest nodes in a sample.
const SAMPLE: usize = 30;
/// Where cooling ends: each entry of each node's row holds about half a temperature above its least cost, and all
/// of them together are to hold no more than this share of what the best answer costs above the bound.
const WARMTH: f64 = 0.03;
/// Evaluations for each task in the whole budget below which there is no race (soft limit), and below which nothing is
/// heated at all (hard limit).
const RACE_LIMIT: f64 = 2_000.0;
const ANNEALING_LIMIT: f64 = 100.0;

/// Runs the whole search.
pub(super) fn run(
    search: &mut Search<'_, '_>,
    state: &mut Penalised<'_>,
    exchange: &mut dyn Exchange,
) {
    let home = search.incumbent.best().0.to_vec();
    search.run(state, &DOWNHILL, (0.0, DESCENT));
    let spent = search.spent().max(1e-9);
    let each = search.evaluations as f64 / spent / state.model.tasks().max(1) as f64;
    let mut last = DOWNHILL;
    if each >= ANNEALING_LIMIT {
        let schedule = if each >= RACE_LIMIT {
            race(search, state, &home, each)
        } else {
            // With little time it starts less hot, so that it has time to settle.
            let hot = MIXED.hot * each / RACE_LIMIT;
            Schedule { hot, ..MIXED }
        };
        let from = search.spent();
        state.jump(&home);
        let schedule = cooled(search, state, schedule);
        search.run(state, &schedule, (from, MAIN));
        // Not much warmer than where the run ended: what has settled should stay.
        last = Schedule {
            hot: REFINE.hot.min(schedule.cold * 10.0),
            away: schedule.away,
            near: schedule.near,
            roam: schedule.roam,
            ..REFINE
        };
    }
    let (best, cost) = search.incumbent.best();
    if let Some(elite) = exchange.meet(cost, best) {
        search.incumbent.adopt(&elite);
    }
    state.jump(search.incumbent.best().0);
    let from = search.spent();
    search.run(state, &last, (from, 1.0));
}

/// Each schedule in turn, then the best two for longer, since some pay late: the winner. The whole budget is good for
/// `each` evaluations for each task.
fn race(
    search: &mut Search<'_, '_>,
    state: &mut Penalised<'_>,
    home: &[NodeId],
    each: f64,
) -> Schedule {
    let nodes = state.model.nodes;
    let few = state.model.tasks() <= FEW_TASKS * nodes || nodes <= SAMPLE;
    let enough = FAIR.min(each * (MAIN - FINAL));
    let mut round = |schedules: &[Schedule], begin: f64, end: f64| {
        let steps = each * (end - begin) / schedules.len() as f64;
        let part = libm::ceil(nodes as f64 * steps / enough) as usize;
        state.jump(home);
        search.narrow(state, part.max(SAMPLE));
        ranked(search, state, home, schedules, (begin, end))
    };
    let racing = RACING.into_iter().filter(|s| few || s.blocks > 0.0);
    let heats = round(&racing.collect::<Vec<_>>(), DESCENT, HEATS);
    let places = round(heats.get(..2).unwrap_or(&heats), HEATS, FINAL);
    search.narrow(state, nodes);
    let winner = places.first().copied().unwrap_or(MIXED);
    let most = if nodes > MANY_NODES {
        BLOCKS_AMONG_MANY
    } else {
        1.0
    };
    Schedule {
        blocks: winner.blocks.min(most),
        ..winner
    }
}

/// Schedules from home, each for its part of a share of the budget; the one with the best answer first.
fn ranked(
    search: &mut Search<'_, '_>,
    state: &mut Penalised<'_>,
    home: &[NodeId],
    schedules: &[Schedule],
    (begin, end): (f64, f64),
) -> Vec<Schedule> {
    let each = (end - begin) / schedules.len() as f64;
    let mut found = Vec::new();
    for (i, schedule) in schedules.iter().enumerate() {
        state.jump(home);
        let from = begin + each * i as f64;
        let tried = cooled(search, state, *schedule);
        let cost = search.run(state, &tried, (from, from + each));
        found.push((cost.unwrap_or(f64::INFINITY), *schedule));
    }
    // Stable: of equals the earlier one stays first.
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, schedule)| schedule).collect()
}

/// The schedule, going on to a temperature that is low for what the best answer so far leaves to be gained.
fn cooled(search: &Search<'_, '_>, state: &Penalised<'_>, schedule: Schedule) -> Schedule {
    let entries = (state.model.nodes * state.width).max(1) as f64;
    let above = (search.incumbent.best().1 - super::lower_bound(state.model)) as f64;
    let cold = WARMTH * 2.0 * above / entries / search.scale.max(1e-9);
    Schedule {
        cold: schedule.cold.min(cold),
        ..schedule
    }
}
