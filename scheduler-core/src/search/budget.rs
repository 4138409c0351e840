//! How long a search may go on.

/// Says how much of a search's budget is spent. Asked every few thousand evaluations.
pub trait Budget {
    /// The share that is spent after so many evaluations: from 0, rising; at 1 or more the search ends.
    /// Only a budget that depends on nothing but `evaluations` gives the same answer on any machine.
    fn spent(&mut self, evaluations: u64) -> f64;
}

/// A number of evaluations: reproducible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluations(pub u64);

impl Budget for Evaluations {
    fn spent(&mut self, evaluations: u64) -> f64 {
        evaluations as f64 / self.0.max(1) as f64
    }
}

impl<F: FnMut(u64) -> f64> Budget for F {
    fn spent(&mut self, evaluations: u64) -> f64 {
        self(evaluations)
    }
}
