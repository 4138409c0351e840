//! How long a search may go on.

/// Says how much of a search's budget is spent. Asked every few thousand evaluations.
///
/// Any `FnMut(u64) -> f64` is one:
///
/// ```
/// use scheduler_core::search::{Budget as _, Evaluations};
///
/// assert_eq!(Evaluations(200).spent(50), 0.25);
/// let deadline = std::time::Duration::from_millis(100);
/// let started = std::time::Instant::now();
/// let mut time = |_evaluations: u64| started.elapsed().as_secs_f64() / deadline.as_secs_f64();
/// assert!(time.spent(50) < 1.0);
/// ```
pub trait Budget {
    /// The share that is spent after so many evaluations: from 0, rising; at 1 or more, or at NaN, the search ends.
    /// Asked for numbers of evaluations not made yet too, so as not to make more than there are.
    /// Only a budget that depends on nothing but `evaluations` gives the same answer on any machine.
    fn spent(&mut self, evaluations: u64) -> f64;
}

/// At most so many evaluations: reproducible. 0 is none: the answer is the initial assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluations(pub u64);

impl Budget for Evaluations {
    fn spent(&mut self, evaluations: u64) -> f64 {
        if self.0 == 0 {
            return f64::INFINITY;
        }
        evaluations as f64 / self.0 as f64
    }
}

/// What is spent, for comparisons: a budget that is no number is spent.
pub(super) fn spent(budget: &mut dyn Budget, evaluations: u64) -> f64 {
    let share = budget.spent(evaluations);
    if share.is_nan() { f64::INFINITY } else { share }
}

/// The most evaluations from `made` on, up to `wanted`, that the budget has room for.
pub(super) fn affordable(budget: &mut dyn Budget, made: u64, wanted: u64) -> u64 {
    let fits = |budget: &mut dyn Budget, more: u64| spent(budget, made + more) <= 1.0;
    if fits(budget, wanted) {
        return wanted;
    }
    let (mut least, mut most) = (0, wanted);
    while least + 1 < most {
        let middle = least.midpoint(most);
        if fits(budget, middle) {
            least = middle;
        } else {
            most = middle;
        }
    }
    least
}

impl<F: FnMut(u64) -> f64> Budget for F {
    fn spent(&mut self, evaluations: u64) -> f64 {
        self(evaluations)
    }
}
