//! What runs when: a descent that has an answer soon; a race of recipes, since which one pays differs from model
//! to model and shows early; the winner for most of the time; the best answer refined.

use super::anneal::{Recipe, Search};
use super::block::Branching;
use super::soft::Soft;
use super::solve::Exchange;
use crate::NodeId;

/// Shares of the budget at which descent, race and the winner's run end.
const DESCENT: f64 = 0.02;
const RACE: f64 = 0.14;
const MAIN: f64 = 0.90;
/// Evaluations for each task in the whole budget below which there is no race, and below which nothing is
/// heated at all.
const SHORT: f64 = 2_000.0;
const HASTY: f64 = 100.0;

/// Single steps among nodes that may be overfull for long: for few tasks a node, of which some are large.
const SINGLES: Recipe = Recipe {
    hot: 3.0,
    cold: 0.01,
    first_rate: 2.0,
    last_rate: 30.0,
    growth: 70.0,
    price: 0.0,
    blocks: 0.0,
    branching: Branching::Weight,
    knee: 0.9,
    reheat: 3.0,
};
/// Both kinds of steps, transient room priced: for many tasks a node, with transient resources.
const MIXED: Recipe = Recipe {
    hot: 2.0,
    cold: 0.013,
    first_rate: 5.0,
    last_rate: 1e4,
    growth: 0.0,
    price: 1.0,
    blocks: 0.5,
    branching: Branching::Weight,
    knee: 0.98,
    reheat: 1.0,
};
/// Sub-problems only, from hotter: where nodes must be filled exactly in many resources.
const BLOCKS: Recipe = Recipe {
    hot: 4.0,
    cold: 0.013,
    first_rate: 5.0,
    last_rate: 1e6,
    growth: 0.0,
    price: 1.0,
    blocks: 1.0,
    branching: Branching::Regret,
    knee: 0.98,
    reheat: 1.0,
};
/// Downhill from where it stands, nothing overfull for long.
const DOWNHILL: Recipe = Recipe {
    hot: 0.0,
    cold: 0.0,
    first_rate: 1e6,
    last_rate: 1e6,
    growth: 0.0,
    price: 0.0,
    blocks: 0.5,
    branching: Branching::Regret,
    knee: 1.0,
    reheat: 1.0,
};
/// Once more from warm, strictly: for the last share of the budget.
const REFINE: Recipe = Recipe {
    hot: 0.02,
    cold: 1e-6,
    first_rate: 1e4,
    last_rate: 1e6,
    growth: 0.0,
    price: 0.0,
    blocks: 0.5,
    branching: Branching::Regret,
    knee: 0.95,
    reheat: 1.0,
};

/// Runs the whole search.
pub(super) fn run(search: &mut Search<'_, '_>, soft: &mut Soft<'_>, exchange: &mut dyn Exchange) {
    let home = search.keeper.best().0.to_vec();
    search.run(soft, &DOWNHILL, (0.0, DESCENT));
    let spent = search.budget.spent(search.evaluations).max(1e-9);
    let each = search.evaluations as f64 / spent / soft.model.tasks().max(1) as f64;
    if each >= HASTY {
        let recipe = if each >= SHORT {
            race(search, soft, &home)
        } else {
            // With little time it starts less hot, so that it has time to settle.
            Recipe {
                hot: MIXED.hot * each / SHORT,
                ..MIXED
            }
        };
        let from = search.budget.spent(search.evaluations);
        soft.jump(&home);
        search.run(soft, &recipe, (from, MAIN));
    }
    let (best, cost) = search.keeper.best();
    if let Some(elite) = exchange.meet(cost, best) {
        search.keeper.adopt(&elite);
    }
    soft.jump(search.keeper.best().0);
    let last = if each >= HASTY { REFINE } else { DOWNHILL };
    let from = search.budget.spent(search.evaluations);
    search.run(soft, &last, (from, 1.0));
}

/// Each recipe in turn, from home; the one that found the best answer.
fn race(search: &mut Search<'_, '_>, soft: &mut Soft<'_>, home: &[NodeId]) -> Recipe {
    let recipes = [MIXED, SINGLES, BLOCKS];
    let each = (RACE - DESCENT) / recipes.len() as f64;
    let (mut winner, mut least) = (MIXED, f64::INFINITY);
    for (i, recipe) in recipes.into_iter().enumerate() {
        soft.jump(home);
        let window = (DESCENT + each * i as f64, DESCENT + each * (i + 1) as f64);
        if let Some(cost) = search.run(soft, &recipe, window)
            && cost < least
        {
            (winner, least) = (recipe, cost);
        }
    }
    winner
}
