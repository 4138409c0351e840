//! Keeping the state somewhere: records, the seam, and a driver that keeps an allocator in step with it.

mod clear;
pub(crate) mod codec;
mod memory;
pub(crate) mod record;
mod replica;
mod restore;
mod seam;
mod snapshot;

pub use codec::RecordError;
pub use memory::MemoryStore;
pub use record::{MoveRecord, Record, Rested};
pub use replica::{Replica, TransactError, ready};
pub use restore::Misfit;
pub use seam::{Event, Page, Revision, Store, StoreError, Txn, Watched};
