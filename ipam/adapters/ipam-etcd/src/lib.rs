//! A store for `ipam` in etcd: one set of pools for many hosts.
//!
//! Any number of processes on any number of hosts open an [`EtcdStore`] on the same etcd and prefix; each commit is one etcd
//! transaction, which etcd puts in one order for all. etcd 3.4 and later.
//!
//! ```no_run
//! use ipam::{PoolSpec, Replica, Request, Timestamp};
//! use ipam_etcd::{EtcdConfig, EtcdStore};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! // As many members as there are; `.ca(..)` and `.user(..)` where they are asked for.
//! let store = EtcdStore::new(EtcdConfig::new(["http://10.0.0.1:2379", "http://10.0.0.2:2379"]))?;
//! let now = Timestamp::from_secs(1);
//! let mut replica = Replica::open(store, now, 7).await?;
//! replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/22".parse()?), tokio::time::sleep).await?;
//! let grant = replica.claim(now, &Request::new("container-1/eth0"), tokio::time::sleep).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does not do
//! It decides nothing, keeps no record of its own, starts no etcd and compacts none: without `--auto-compaction-retention` etcd keeps
//! every value that ever was. It needs a tokio runtime with time and I/O.
//!
//! # Revisions and deletions
//! The store's revision is etcd's, which every commit of anybody's raises, also of those who use other prefixes. A condition on a key
//! compares etcd's `mod_revision`. A key that is absent has none, so each deletion leaves a tombstone beside the records, whose revision
//! stands for it; one deletion in 64 sweeps those older than 20,000 revisions, in a transaction that also writes down up to where
//! (the horizon). Who knows the store from before the horizon is refused, and reads again; nobody is ever believed for want of a
//! tombstone.
//!
//! # Values that were put back
//! A value is as sound in itself after it was put back, by hand or out of a backup of some keys, as it was before. A block's would call addresses free
//! that were given since. So a digest of eight bytes stands beside each block (`PREFIXdigest/KEY`), written in the same transaction; who reads
//! a block reads both, and one that is not what its digest says is damage ([`PUT_BACK`](ipam::store::PUT_BACK)): nothing is given out of
//! it until `fsck --repair`. A store whose keys were all copied, or all set back together, is sound by that.
//!
//! # What a failure says
//! A read is asked of another member until [`EtcdConfig::timeout`] is over. A write is sent once: it goes to another member only when
//! it is certain that it changed nothing (no connection, no leader, a token that was rejected). Every other failure of
//! a write is a [`StoreError::Io`](ipam::store::StoreError::Io) of unknown outcome. Members of another cluster than the first that
//! answered are refused.
//!
//! # Damage
//! Each record has a checksum of its own (`ipam::store::Record`). A handle remembers the last commit it saw; a store whose last commit
//! is older was set back, to a backup say, and nothing is committed to it through that handle until
//! [`Store::accept`](ipam::Store::accept). Handles opened afterwards can't know: stop them all before a backup is restored.
//!
//! # Time
//! Leases, quarantines and retentions end by etcd's clock, whichever commands or daemons run, and whatever hosts' wall clocks show. A stopwatch is a lease of
//! etcd's of ten years that nobody prolongs: the member that leads counts it down by its own monotonic clock, and tells how many seconds are left. How far
//! time has come by that stands in the record `t/`, written by compare-and-swap before anybody goes by it
//! ([`StoreClock`](ipam::store::StoreClock) has the rules), so it never runs backwards, and never faster than the leader's clock.
//!
//! It may be slow. An elected leader gives every lease its full length again, so what was counted since anybody looked last is lost, and what passes after
//! that counts only once it is more than what the lease had counted by then: five minutes at the most, since the stopwatch is started anew that often. In other words:
//!
//! | what happens | what time loses |
//! | --- | --- |
//! | nothing | a second at most, as seconds are told; another each time that the stopwatch is started anew, once in five minutes |
//! | another leader, while any host serves | nothing: that host bridges up to five seconds by its own monotonic clock |
//! | another leader, while nobody looks (single commands far apart) | from the last command to the election, and up to five minutes more: a lease ends no later than its own length and five minutes after the election |
//! | all members are down | that time, besides |
//! | the lease is revoked, or etcd's data is replaced | from the last look to the next, which starts another stopwatch |
//! | a member that leads is paused with its clock going on | nothing |
//!
//! With `--experimental-enable-lease-checkpoint` (and, where there is one, `--experimental-enable-lease-checkpoint-persist`) etcd writes down every five minutes how much of a lease
//! is left, and an election while nobody looks loses no more than that. A user of etcd's needs no rights for leases but to be logged in.
//!
//! # Watching
//! [`Store::watch`](ipam::Store::watch) costs one read of one key while nothing has changed. The first times that something has, the
//! keys of later revisions are asked for, for which etcd walks through all keys below the prefix. From the second time on a watch of etcd's
//! stays open and tells of each change once; when it breaks (a member gone, compaction), the store asks again. So compaction
//! loses nothing; [`Watched::Compacted`](ipam::store::Watched::Compacted) is for who is behind the horizon, for a store that was
//! set back, and for more than 10,000 changes at once.
//!
//! # Limits
//! etcd takes 128 operations in one list and 1.5 MiB in one request unless it is told otherwise. A larger number of operations is nested in one
//! transaction, up to some 74,000 (more than 60 conditions then hold for ranges of keys, which are stricter); a transaction
//! with more bytes is refused with both figures and nothing is written. None is ever split.
//!
//! | operation | round trips | etcd's work |
//! | --- | --- | --- |
//! | `get` | one for each 128 keys | logarithmic for each key |
//! | `list` | one for each 1,000 keys | linear in the page |
//! | `commit` | one; two more for one deletion in 64 | logarithmic for each key |
//! | time | none if it was looked at 2.5 s ago or less; else two, and one more if nobody wrote it down for 1.25 s | one transaction of one key |
//! | `watch` | one; two when the feed can't tell | linear in the changes; in the keys when the feed can't tell |
#![forbid(unsafe_code)]

mod client;
mod commit;
mod config;
mod digest;
mod endpoint;
mod failure;
mod feed;
mod keys;
mod lease;
mod proto;
mod store;

pub use config::{ConfigError, EtcdConfig};
pub use lease::{HostLease, LeaseError};
pub use store::EtcdStore;
