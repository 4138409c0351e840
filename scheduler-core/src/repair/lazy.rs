//! The best of many moves, each looked at anew only when it comes up: what a move repairs hardly ever grows by others being
//! made, so one that is still the best when it is looked at again is the best of all (lazy greedy, Minoux 1978).

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Tasks with the best move of each as it was when it was last looked at: its rank (least is best) and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Lazy<R> {
    heap: BinaryHeap<Reverse<(R, u32, u32)>>,
}

impl<R: Ord + Copy> Lazy<R> {
    /// Looks at each of the tasks; `best` is a task's best move, if it has any.
    pub(crate) fn new(tasks: &[u32], mut best: impl FnMut(u32) -> Option<(R, u32)>) -> Self {
        let mut entry = |t: &u32| best(*t).map(|(rank, to)| Reverse((rank, *t, to)));
        let entries: Vec<_> = tasks.iter().filter_map(&mut entry).collect();
        Self {
            heap: entries.into(),
        }
    }

    /// Takes out the task with the best move.
    pub(crate) fn next(
        &mut self,
        mut best: impl FnMut(u32) -> Option<(R, u32)>,
    ) -> Option<(R, u32, u32)> {
        while let Some(Reverse((_, task, _))) = self.heap.pop() {
            let Some((rank, to)) = best(task) else {
                continue;
            };
            if self.heap.peek().is_none_or(|Reverse(next)| rank <= next.0) {
                return Some((rank, task, to));
            }
            self.heap.push(Reverse((rank, task, to)));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_comes_first_and_what_has_become_worse_comes_later_or_not_at_all() {
        let mut worth = [3, 1, 2, 9];
        let mut lazy = Lazy::new(&[0, 1, 2, 3], |t| Some((worth[t as usize], t + 10)));
        assert_eq!(lazy.next(|t| Some((worth[t as usize], t))), Some((1, 1, 1)));
        worth[2] = 5;
        assert_eq!(lazy.next(|t| Some((worth[t as usize], t))), Some((3, 0, 0)));
        let gone = |t: u32| (t != 2).then_some((worth[t as usize], t));
        assert_eq!(lazy.next(gone), Some((9, 3, 3)));
        assert_eq!(lazy.next(gone), None);
    }
}
