//! Keeping the state somewhere: records, the seam, and a driver that keeps an allocator in step with it.

mod calls;
mod clear;
pub(crate) mod codec;
mod damage;
mod dirty;
mod memory;
mod ready;
pub(crate) mod record;
mod repair;
mod replica;
mod restore;
mod seam;
mod snapshot;
mod touched;

pub use codec::RecordError;
pub use damage::{Frozen, RejectedRecord};
pub(crate) use dirty::DirtyKeys;
pub use memory::MemoryStore;
pub use ready::ready;
pub use record::{DepartedAddress, MoveRecord, Record, ReleasedAddress, StickyRecord};
pub use replica::{Replica, TransactError};
pub(crate) use restore::MOST_COUNT;
pub use seam::{Event, Page, Revision, Store, StoreError, Txn, Watched};
