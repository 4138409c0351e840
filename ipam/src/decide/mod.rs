//! Deciding: each operation looks at the state, alters nothing, and says what to change, or why not.

mod again;
mod blockers;
mod choose;
pub(crate) mod claim;
mod clock;
mod collect;
mod errors;
mod finish;
mod lease;
mod moving;
mod own;
mod pass;
mod pool;
mod release;
mod request;
mod reserve;

pub use claim::Decision;
pub(crate) use collect::STUCK;
pub use collect::{Problem, Reconciliation};
pub use errors::{
    ClaimError, Considered, MoveError, PoolReason, ReleaseError, RenewError, ReserveError,
    UnavailableReason,
};
pub use pass::{Census, Collection};
pub(crate) use request::wanted;
