//! What runs when: a descent that has an answer soon; a race of recipes, since which one pays differs from model
//! to model and shows early; the winner for most of the time; the best answer refined.

use super::anneal::{Recipe, Search};
use super::block::Branching;
use super::soft::Soft;
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
/// Evaluations for each task in a race: with fewer, what is quickest wins, not what gets furthest. Where there is no
/// time for as many, or for as many as the winner will have, recipes race on a sample of the nodes.
const FAIR: f64 = 5_000.0;
/// Fewest nodes in a sample.
const SAMPLE: usize = 30;
/// Where cooling ends: each entry of each node's row holds about half a temperature above its least cost, and all
/// of them together are to hold no more than this share of what the best answer costs above the bound.
const WARMTH: f64 = 0.03;
/// Evaluations for each task in the whole budget below which there is no race, and below which nothing is
/// heated at all.
const SHORT: f64 = 2_000.0;
const HASTY: f64 = 100.0;

/// Single steps among nodes that may be overfull for long: for few tasks a node, of which some are large.
const SINGLES: Recipe = Recipe {
    hot: 1.5,
    cold: 0.02,
    first_rate: 2.0,
    last_rate: 30.0,
    growth: 70.0,
    price: 0.0,
    away: 0.0,
    blocks: 0.0,
    branching: Branching::Weight,
    knee: 0.9,
    reheat: 3.0,
    near: 0.0,
    roam: 0.5,
};
/// Both kinds of steps, transient room priced: for many tasks a node, with transient resources.
const MIXED: Recipe = Recipe {
    hot: 2.0,
    cold: 0.013,
    first_rate: 5.0,
    last_rate: 1e4,
    growth: 0.0,
    price: 1.0,
    away: 0.0,
    blocks: 0.5,
    branching: Branching::Weight,
    knee: 0.98,
    reheat: 1.0,
    near: 0.0,
    roam: 0.6,
};
/// The same, but few tasks leave their homes: where moves cost much beside what there is to gain.
const SPARSE: Recipe = Recipe { away: 3.0, ..MIXED };
/// Fewer still, and most stay near: where what there is to gain can all be gained, and moves are what is left.
const TIGHT: Recipe = Recipe {
    hot: 10.0,
    away: 6.0,
    near: 0.9,
    ..MIXED
};
/// Between these.
const CLOSE: Recipe = Recipe {
    away: 1.7,
    near: 0.8,
    ..MIXED
};
/// Sub-problems only, from hotter: where nodes must be filled exactly in many resources.
const BLOCKS: Recipe = Recipe {
    hot: 4.0,
    cold: 0.013,
    first_rate: 5.0,
    last_rate: 1e6,
    growth: 0.0,
    price: 1.0,
    away: 0.0,
    blocks: 1.0,
    branching: Branching::Regret,
    knee: 0.98,
    reheat: 1.0,
    near: 0.0,
    roam: 0.5,
};
/// Downhill from where it stands, nothing overfull for long.
const DOWNHILL: Recipe = Recipe {
    hot: 0.0,
    cold: 0.0,
    first_rate: 1e6,
    last_rate: 1e6,
    growth: 0.0,
    price: 0.0,
    away: 0.0,
    blocks: 0.5,
    branching: Branching::Regret,
    knee: 1.0,
    reheat: 1.0,
    near: 0.0,
    roam: 0.0,
};
/// Once more from warm, strictly: for the last share of the budget.
const REFINE: Recipe = Recipe {
    hot: 0.02,
    cold: 1e-6,
    first_rate: 1e4,
    last_rate: 1e6,
    growth: 0.0,
    price: 0.0,
    away: 0.0,
    blocks: 0.5,
    branching: Branching::Regret,
    knee: 0.95,
    reheat: 1.0,
    near: 0.0,
    roam: 0.0,
};

/// Runs the whole search.
pub(super) fn run(search: &mut Search<'_, '_>, soft: &mut Soft<'_>, exchange: &mut dyn Exchange) {
    let home = search.keeper.best().0.to_vec();
    search.run(soft, &DOWNHILL, (0.0, DESCENT));
    let spent = search.spent().max(1e-9);
    let each = search.evaluations as f64 / spent / soft.model.tasks().max(1) as f64;
    let mut last = DOWNHILL;
    if each >= HASTY {
        let recipe = if each >= SHORT {
            race(search, soft, &home, each)
        } else {
            // With little time it starts less hot, so that it has time to settle.
            let hot = MIXED.hot * each / SHORT;
            Recipe { hot, ..MIXED }
        };
        let from = search.spent();
        soft.jump(&home);
        let recipe = cooled(search, soft, recipe);
        search.run(soft, &recipe, (from, MAIN));
        // Not much warmer than where the run ended: what has settled should stay.
        last = Recipe {
            hot: REFINE.hot.min(recipe.cold * 10.0),
            away: recipe.away,
            near: recipe.near,
            roam: recipe.roam,
            ..REFINE
        };
    }
    let (best, cost) = search.keeper.best();
    if let Some(elite) = exchange.meet(cost, best) {
        search.keeper.adopt(&elite);
    }
    soft.jump(search.keeper.best().0);
    let from = search.spent();
    search.run(soft, &last, (from, 1.0));
}

/// Each recipe in turn, then the best two for longer, since some pay late: the winner. The whole budget is good for
/// `each` evaluations for each task.
fn race(search: &mut Search<'_, '_>, soft: &mut Soft<'_>, home: &[NodeId], each: f64) -> Recipe {
    let nodes = soft.model.nodes;
    let enough = FAIR.min(each * (MAIN - FINAL));
    let mut round = |recipes: &[Recipe], begin: f64, end: f64| {
        let steps = each * (end - begin) / recipes.len() as f64;
        let part = libm::ceil(nodes as f64 * steps / enough) as usize;
        soft.jump(home);
        search.narrow(soft, part.max(SAMPLE));
        ranked(search, soft, home, recipes, (begin, end))
    };
    let all = [MIXED, SPARSE, CLOSE, TIGHT, SINGLES, BLOCKS];
    let heats = round(&all, DESCENT, HEATS);
    let places = round(heats.get(..2).unwrap_or(&heats), HEATS, FINAL);
    search.narrow(soft, nodes);
    let winner = places.first().copied().unwrap_or(MIXED);
    let most = if nodes > MANY_NODES {
        BLOCKS_AMONG_MANY
    } else {
        1.0
    };
    Recipe {
        blocks: winner.blocks.min(most),
        ..winner
    }
}

/// Recipes from home, each for its part of a share of the budget; the one with the best answer first.
fn ranked(
    search: &mut Search<'_, '_>,
    soft: &mut Soft<'_>,
    home: &[NodeId],
    recipes: &[Recipe],
    (begin, end): (f64, f64),
) -> Vec<Recipe> {
    let each = (end - begin) / recipes.len() as f64;
    let mut found = Vec::new();
    for (i, recipe) in recipes.iter().enumerate() {
        soft.jump(home);
        let from = begin + each * i as f64;
        let tried = cooled(search, soft, *recipe);
        let cost = search.run(soft, &tried, (from, from + each));
        found.push((cost.unwrap_or(f64::INFINITY), *recipe));
    }
    // Stable: of equals the earlier one stays first.
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, recipe)| recipe).collect()
}

/// The recipe, going on to a temperature that is low for what the best answer so far leaves to be gained.
fn cooled(search: &Search<'_, '_>, soft: &Soft<'_>, recipe: Recipe) -> Recipe {
    let entries = (soft.model.nodes * soft.width).max(1) as f64;
    let above = (search.keeper.best().1 - super::lower_bound(soft.model)) as f64;
    let cold = WARMTH * 2.0 * above / entries / search.scale.max(1e-9);
    Recipe {
        cold: recipe.cold.min(cold),
        ..recipe
    }
}
