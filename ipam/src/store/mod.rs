//! Keeping the state somewhere: records, the seam, and a driver that keeps an allocator in step with it.

mod calls;
pub(crate) mod checksum;
mod clear;
mod clock;
pub(crate) mod codec;
mod damage;
mod dirty;
mod held;
mod memory;
mod partial;
mod proof;
mod ready;
mod rebuild;
pub(crate) mod record;
mod repair;
mod replica;
mod restore;
mod seam;
mod snapshot;
mod subject;
mod summary;
mod touched;
mod write;

pub use clock::StoreClock;
pub use codec::RecordError;
pub use damage::{Frozen, RejectedRecord};
pub(crate) use dirty::DirtyKeys;
pub use held::{Due, Held, HeldClaims, Margin, Sent};
pub use memory::MemoryStore;
pub use partial::{HostReplica, PartialReplica};
pub use ready::ready;
pub use record::{
    BlockSummary, DepartedAddress, Holder, MoveRecord, Record, ReleasedAddress, StickyRecord,
    TimeOrigin, UsedAddress,
};
pub use replica::{Replica, TransactError};
pub(crate) use restore::MOST_COUNT;
pub use seam::{
    Elapsed, Event, Guard, PUT_BACK, Page, Revision, Started, Store, StoreError, Txn, Watched,
};
