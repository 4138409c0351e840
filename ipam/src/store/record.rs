//! What is stored: one record a pool, host, block, workload and claim.

mod fields;
mod keys;

use super::codec::{Reader, RecordError, Writer};
use crate::change::HostSettings;
use crate::cidr::Cidr;
use crate::claim::Kept;
use crate::identity::{DEFAULT_INTERFACE, Identity};
use crate::pool::PoolId;
use crate::pool::blocks::BlockState;
use crate::pool::spec::PoolSpec;
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use fields::{
    pool_id, read_departed, read_interface, read_kept, read_places, read_settings, read_since,
    read_spec, read_state, read_sticky, write_departed, write_interface, write_kept, write_places,
    write_settings, write_spec, write_sticky,
};
pub(crate) use keys::{
    COPIES, KINDS, block_key, claim_key, copy_key, cursor_key, departed_key, departed_of, host_key,
    identity_of, pool_key, workload_key,
};

/// The version that is written, and the oldest that is still read: a field that came with a version is read
/// where [`Reader::version`] is that version or later, and has its default in older records. A record is
/// rewritten in the present version by the first write that alters it.
const VERSION: u8 = 2;
const OLDEST_VERSION: u8 = 1;

/// A released address of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rested {
    /// Its number within the block.
    pub offset: u32,
    /// When it was released.
    pub at: Timestamp,
    /// Breaks ties of `at`.
    pub order: u64,
}

/// A released address of a pool that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RestedUntil {
    /// Its number within the block.
    pub offset: u32,
    /// When it was released.
    pub at: Timestamp,
    /// When its quarantine ends.
    pub until: Timestamp,
}

/// A workload on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MoveRecord<'a> {
    /// The host it leaves.
    pub from: Cow<'a, str>,
    /// The host it goes to.
    pub to: Cow<'a, str>,
    /// Since when.
    pub since: Timestamp,
    /// How its addresses are kept.
    pub kept: Kept,
    /// What moves.
    pub addresses: Vec<(PoolId, IpAddr)>,
}

/// A sticky address that nobody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StickyRecord {
    /// Its pool.
    pub pool: PoolId,
    /// The address.
    pub address: IpAddr,
    /// Until when it is kept; [`Timestamp::MAX`] for as long as the move takes.
    pub until: Timestamp,
}

/// One stored record. Together they are the allocator's whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "record", rename_all = "kebab-case"))]
pub enum Record<'a> {
    /// The allocator's seed.
    Meta {
        /// It decides where hosts start and what random order gives.
        seed: u64,
    },
    /// A pool.
    Pool {
        /// Its number.
        id: PoolId,
        /// Whether it gives nothing more.
        draining: bool,
        /// What it is.
        spec: Box<PoolSpec>,
    },
    /// Where a pool's order goes on.
    Cursor {
        /// The pool.
        id: PoolId,
        /// Offset from its first address, as text: JSON has no numbers of 128 bits.
        cursor: Cow<'a, str>,
    },
    /// A host's settings.
    Host {
        /// Its name.
        name: Cow<'a, str>,
        /// The settings.
        settings: HostSettings,
    },
    /// A block: the unit of compare-and-swap.
    Block {
        /// Its pool.
        pool: PoolId,
        /// Its prefix.
        block: Cidr,
        /// The host that has it, and how far its hold has come.
        host: Option<(Cow<'a, str>, BlockState)>,
        /// Counts its changes of host.
        generation: u64,
        /// Since when it is empty, if it is.
        empty_since: Timestamp,
        /// Addresses that rest or queue.
        rested: Vec<Rested>,
    },
    /// A workload that keeps addresses or moves.
    Workload {
        /// Its name.
        name: Cow<'a, str>,
        /// The workload's interface.
        #[cfg_attr(
            feature = "serde",
            serde(default = "crate::identity::default_interface")
        )]
        interface: Cow<'a, str>,
        /// The latest time known about what it keeps.
        #[cfg_attr(feature = "serde", serde(default))]
        since: Timestamp,
        /// Until when it keeps `kept`, if that is no reservation.
        until: Timestamp,
        /// Whether `kept` is a reservation.
        fixed: bool,
        /// Addresses kept; of no reservation at most one of each family.
        kept: Vec<(PoolId, IpAddr)>,
        /// Sticky addresses that have an end of their own, at most one of a pool.
        #[cfg_attr(feature = "serde", serde(default))]
        sticky: Vec<StickyRecord>,
        /// Its move.
        moving: Option<MoveRecord<'a>>,
    },
    /// A claim.
    Claim {
        /// Its owner.
        owner: Cow<'a, str>,
        /// The workload behind it.
        workload: Option<Cow<'a, str>>,
        /// The workload's interface; without a workload it says nothing.
        #[cfg_attr(
            feature = "serde",
            serde(default = "crate::identity::default_interface")
        )]
        interface: Cow<'a, str>,
        /// The host that uses it.
        host: Option<Cow<'a, str>>,
        /// Its fencing token.
        sequence: u64,
        /// When it was made or last renewed.
        touched: Timestamp,
        /// The end of its lease.
        until: Option<Timestamp>,
        /// How its addresses are kept.
        kept: Kept,
        /// Its addresses, at most one of each family.
        addresses: Vec<(PoolId, IpAddr)>,
        /// Since when its owner is missing, and its token then.
        suspect: Option<(Timestamp, u64)>,
    },
    /// Addresses in quarantine whose pools were removed: whichever pool they belong to next, they rest on.
    Departed {
        /// The /26 or /122 that they are in.
        block: Cidr,
        /// The addresses.
        rested: Vec<RestedUntil>,
    },
}

impl<'a> Record<'a> {
    /// The key under which it is stored.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Meta { .. } => "m/".into(),
            Self::Pool { id, .. } => pool_key(*id),
            Self::Cursor { id, .. } => cursor_key(*id),
            Self::Host { name, .. } => host_key(name),
            Self::Block { pool, block, .. } => block_key(*pool, block.first()),
            Self::Workload {
                name, interface, ..
            } => workload_key(Identity::from((&**name, &**interface))),
            Self::Claim { owner, .. } => claim_key(owner),
            Self::Departed { block, .. } => departed_key(block.first()),
        }
    }

    /// Whether a key is the one under which it is stored; without writing that one where it is a name.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        match self {
            Self::Claim { owner, .. } => key.strip_prefix("c/") == Some(owner),
            Self::Workload {
                name, interface, ..
            } if interface == DEFAULT_INTERFACE => key.strip_prefix("w/") == Some(name),
            _ => self.key() == key,
        }
    }

    /// Its place in the order of restoring.
    pub(crate) fn rank(&self) -> usize {
        match self {
            Self::Meta { .. } => 0,
            Self::Pool { .. } => 1,
            Self::Cursor { .. } => 2,
            Self::Host { .. } => 3,
            Self::Block { .. } => 4,
            Self::Workload { .. } => 5,
            Self::Claim { .. } => 6,
            Self::Departed { .. } => 7,
        }
    }

    /// Its bytes: version, kind, fields, checksum.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.byte(VERSION);
        w.byte(self.rank() as u8);
        match self {
            Self::Meta { seed } => w.number(*seed),
            Self::Pool { id, draining, spec } => {
                w.number(id.0.into());
                w.flag(*draining);
                write_spec(&mut w, spec);
            }
            Self::Cursor { id, cursor } => {
                w.number(id.0.into());
                w.wide(cursor.parse().unwrap_or_default());
            }
            Self::Host { name, settings } => {
                w.text(name);
                write_settings(&mut w, settings);
            }
            Self::Block {
                pool,
                block,
                host,
                generation,
                empty_since,
                rested,
            } => {
                w.number(pool.0.into());
                w.cidr(*block);
                w.maybe(host.as_ref(), |w, (name, state)| {
                    w.text(name);
                    w.byte(*state as u8);
                });
                w.number(*generation);
                w.time(*empty_since);
                w.number(rested.len() as u64);
                for rest in rested {
                    w.number(rest.offset.into());
                    w.time(rest.at);
                    w.number(rest.order);
                }
            }
            Self::Workload {
                name,
                interface,
                since,
                until,
                fixed,
                kept,
                sticky,
                moving,
            } => {
                w.text(name);
                write_interface(&mut w, interface);
                w.time(*since);
                w.time(*until);
                w.flag(*fixed);
                write_places(&mut w, kept);
                write_sticky(&mut w, sticky);
                w.maybe(moving.as_ref(), |w, m| {
                    w.text(&m.from);
                    w.text(&m.to);
                    w.time(m.since);
                    write_kept(w, m.kept);
                    write_places(w, &m.addresses);
                });
            }
            Self::Claim { .. } => self.encode_claim(&mut w),
            Self::Departed { block, rested } => {
                w.cidr(*block);
                write_departed(&mut w, rested);
            }
        }
        w.finish()
    }

    fn encode_claim(&self, w: &mut Writer) {
        let Self::Claim {
            owner,
            workload,
            interface,
            host,
            sequence,
            touched,
            until,
            kept,
            addresses,
            suspect,
        } = self
        else {
            return;
        };
        w.text(owner);
        w.maybe(workload.as_deref(), Writer::text);
        write_interface(w, interface);
        w.maybe(host.as_deref(), Writer::text);
        w.number(*sequence);
        w.time(*touched);
        w.maybe(*until, Writer::time);
        write_kept(w, *kept);
        write_places(w, addresses);
        w.maybe(*suspect, |w, (at, sequence)| {
            w.time(at);
            w.number(sequence);
        });
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError`]: torn, damaged, of another version, or with a field out of its bounds.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut r = Reader::new(bytes)?;
        let found = r.byte()?;
        if !(OLDEST_VERSION..=VERSION).contains(&found) {
            return Err(RecordError::Version {
                found,
                known: VERSION,
            });
        }
        r.version = found;
        let record = match r.byte()? {
            0 => Self::Meta { seed: r.number()? },
            1 => {
                let (id, draining) = (pool_id(&mut r)?, r.flag()?);
                Self::Pool {
                    id,
                    draining,
                    spec: Box::new(read_spec(&mut r)?),
                }
            }
            2 => Self::Cursor {
                id: pool_id(&mut r)?,
                cursor: format!("{}", r.wide()?).into(),
            },
            3 => Self::Host {
                name: r.text()?,
                settings: read_settings(&mut r)?,
            },
            4 => Self::Block {
                pool: pool_id(&mut r)?,
                block: r.cidr()?,
                host: r.maybe(|r| Ok((r.text()?, read_state(r)?)))?,
                generation: r.number()?,
                empty_since: r.time()?,
                rested: r.list(|r| {
                    let offset = r
                        .number()?
                        .try_into()
                        .map_err(|_| RecordError::Field("offset"))?;
                    Ok(Rested {
                        offset,
                        at: r.time()?,
                        order: r.number()?,
                    })
                })?,
            },
            5 => Self::Workload {
                name: r.text()?,
                interface: read_interface(&mut r)?,
                since: read_since(&mut r)?,
                until: r.time()?,
                fixed: r.flag()?,
                kept: read_places(&mut r)?,
                sticky: read_sticky(&mut r)?,
                moving: r.maybe(|r| {
                    Ok(MoveRecord {
                        from: r.text()?,
                        to: r.text()?,
                        since: r.time()?,
                        kept: read_kept(r)?,
                        addresses: read_places(r)?,
                    })
                })?,
            },
            6 => Self::Claim {
                owner: r.text()?,
                workload: r.maybe(Reader::text)?,
                interface: read_interface(&mut r)?,
                host: r.maybe(Reader::text)?,
                sequence: r.number()?,
                touched: r.time()?,
                until: r.maybe(Reader::time)?,
                kept: read_kept(&mut r)?,
                addresses: read_places(&mut r)?,
                suspect: r.maybe(|r| Ok((r.time()?, r.number()?)))?,
            },
            7 => Self::Departed {
                block: r.cidr()?,
                rested: read_departed(&mut r)?,
            },
            _ => return Err(RecordError::Field("kind")),
        };
        r.end()?;
        Ok(record)
    }
}
