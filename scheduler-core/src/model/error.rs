//! Why a model was refused.

use thiserror::Error;

/// What is wrong with a model, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A row has the wrong number of amounts.
    #[error("{kind} {index} has {given} amounts, want one for each of the {want} resources")]
    Width {
        /// `node` or `task`.
        kind: &'static str,
        /// Its index.
        index: usize,
        /// Amounts given.
        given: usize,
        /// Resources in the model.
        want: usize,
    },
    /// Not one cost for each pair of nodes.
    #[error("{given} node move costs, want {want}: one for each pair of the {nodes} nodes")]
    NodePairs {
        /// Costs given.
        given: usize,
        /// Pairs of nodes.
        want: usize,
        /// Nodes added so far.
        nodes: usize,
    },
    /// An index names nothing.
    #[error("{kind} {index} names {target} {given}, but there are only {limit}")]
    Unknown {
        /// What holds the reference.
        kind: &'static str,
        /// Its index.
        index: usize,
        /// What it refers to.
        target: &'static str,
        /// The index given.
        given: usize,
        /// How many there are.
        limit: usize,
    },
    /// Something names what was removed.
    #[error("{kind} {index} names {target} {given}, which is removed")]
    Removed {
        /// What holds the reference.
        kind: &'static str,
        /// Its index.
        index: usize,
        /// What it refers to.
        target: &'static str,
        /// The index of what was removed.
        given: usize,
    },
    /// A number is outside of what is allowed.
    #[error("{kind} {index}: {field} is {given}, want {want}")]
    Range {
        /// What holds the number.
        kind: &'static str,
        /// Its index.
        index: usize,
        /// Which number.
        field: &'static str,
        /// The number given.
        given: i128,
        /// What would be right.
        want: &'static str,
    },
    /// The greatest cost that the model could reach does not fit.
    #[error("the cost could reach {given}, want at most {limit}: use smaller weights or units")]
    TooCostly {
        /// Upper bound on the total cost.
        given: i128,
        /// What fits.
        limit: i128,
    },
}
