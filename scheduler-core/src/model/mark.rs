//! A model's mark: what tells a placement of this model from one of another.

use super::Model;
use super::sets::{Lists, NodeSet};

/// The golden ratio in 64 bits (Knuth, The Art of Computer Programming 3, 6.4): odd, its bits well mixed.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

struct Mark(u64);

impl Mark {
    fn word(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(STEP);
        self.0 = mixed ^ (mixed >> 29);
    }

    fn words(&mut self, words: impl ExactSizeIterator<Item = u64>) {
        self.word(words.len() as u64);
        for word in words {
            self.word(word);
        }
    }

    fn amounts(&mut self, amounts: &[i64]) {
        self.words(amounts.iter().map(|v| v.cast_unsigned()));
    }

    fn numbers(&mut self, numbers: &[u32]) {
        self.words(numbers.iter().map(|v| u64::from(*v)));
    }

    fn flags(&mut self, flags: &[bool]) {
        self.words(flags.iter().map(|v| u64::from(*v)));
    }

    fn lists(&mut self, lists: &Lists, count: usize) {
        for list in 0..count {
            self.numbers(lists.of(list));
        }
    }
}

/// Sixty-four bits over everything that a placement's counters and costs depend on: equal models have equal marks,
/// whenever and wherever they were built. O(model).
pub(super) fn mark(model: &Model) -> u64 {
    let mut mark = Mark(model.resources as u64);
    mark.flags(&model.transient);
    mark.amounts(&model.load_weight);
    mark.numbers(&model.neighbourhood);
    mark.numbers(&model.location);
    mark.amounts(&model.capacity);
    mark.amounts(&model.safety);
    mark.numbers(&model.travel);
    mark.numbers(&model.spread);
    mark.numbers(&model.per_node);
    mark.lists(&model.depends, model.services());
    mark.numbers(&model.service_of);
    mark.amounts(&model.need);
    mark.amounts(&model.task_cost);
    mark.words(model.priority.iter().map(|v| u64::from(*v)));
    mark.flags(&model.pinned);
    mark.numbers(&model.class_of);
    mark.words(model.classes.iter().map(NodeSet::mark));
    for b in &model.balances {
        mark.words([b.first as u64, b.second as u64].into_iter());
        mark.amounts(&[b.target, b.weight]);
    }
    let weights = model.weights;
    mark.amounts(&[weights.task_move, weights.service_move, weights.node_move]);
    mark.0
}

/// The mark of some words.
pub(super) fn of_words(words: &[u64]) -> u64 {
    let mut mark = Mark(0);
    mark.words(words.iter().copied());
    mark.0
}
