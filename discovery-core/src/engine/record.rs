//! Endpoints at rest: one compact record each, found by name or by dense index.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use hashbrown::HashTable;

use super::division::Counted;
use crate::endpoint::Conditions;
use crate::hash::hash;
use crate::health::Checker;
use crate::health::Status;
use crate::id::{EndpointId, NodeId, RegionId, ServiceId, ZoneId};
use crate::registry::RegistrationStatus;
use crate::time::Timestamp;

/// How an endpoint counts in its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Class {
    /// Neither used nor counted: not ready, drained, going without serving, or of weight 0.
    #[default]
    Out,
    /// Ready, not yet checked: neither used nor counted.
    Pending,
    /// Ready, failing or ejected: counted, used in panic only.
    Failed,
    /// Ready, asks for less.
    Degraded,
    /// Ready and well.
    Good,
    /// On its way out and well: used when nothing else is.
    Fallback,
}

/// A socket address in 16 bytes rather than 32: most are IPv4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl Address {
    pub(crate) fn get(&self) -> SocketAddr {
        match self {
            Self::V4(address) => SocketAddr::V4(*address),
            Self::V6(address) => SocketAddr::V6(**address),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self::V4(address),
            SocketAddr::V6(address) => Self::V6(Box::new(address)),
        }
    }
}

/// One endpoint. Field order and widths are chosen for size.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) name: Box<str>,
    pub(crate) address: Address,
    pub(crate) started_at: Timestamp,
    /// From when its age counts; MAX while it has not been up.
    pub(crate) warm_from: Timestamp,
    /// When it stopped being up; MAX while it is.
    pub(crate) down_at: Timestamp,
    /// The next probe; while one is under way, when it has failed; for a TTL, when it lapses.
    pub(crate) check_due: Timestamp,
    /// The next step of its weight.
    pub(crate) warm_due: Timestamp,
    /// Its earliest entry among the timers.
    pub(crate) queued: Timestamp,
    pub(crate) service: ServiceId,
    pub(crate) node: NodeId,
    pub(crate) zone: ZoneId,
    pub(crate) region: RegionId,
    pub(crate) generation: u32,
    pub(crate) slot: u32,
    pub(crate) base: u32,
    /// In use and said aloud, in thousandths.
    pub(crate) weight: u32,
    /// What it would weigh if it were used, in thousandths; and the region it is counted in.
    pub(crate) full: u32,
    pub(crate) counted_region: u32,
    pub(crate) attempt: u32,
    pub(crate) permille: u16,
    pub(crate) checker: Checker,
    pub(crate) class: Class,
    pub(crate) registration_status: RegistrationStatus,
    pub(crate) conditions: Conditions,
    pub(crate) alive: bool,
    /// Counts as warm whatever its age.
    pub(crate) warm: bool,
    /// Has been up before.
    pub(crate) seen_up: bool,
    pub(crate) drained: bool,
    pub(crate) probing: bool,
    pub(crate) ejected: bool,
    pub(crate) held: bool,
    /// Not checked yet, and added while its service was settling: a registry may know more.
    pub(crate) unsettled: bool,
}

impl Record {
    /// How its service counts it.
    pub(crate) fn counted(&self) -> Counted {
        Counted {
            class: self.class,
            region: self.counted_region,
            weight: self.full,
        }
    }

    /// Ready and well: what warm-up counts from.
    pub(crate) fn up(&self) -> bool {
        let well = matches!(self.checker.status, Status::Passing | Status::Degraded);
        self.conditions.ready && !self.conditions.terminating && well
    }

    /// Worth probing: something answers there.
    pub(crate) fn answers(&self) -> bool {
        self.conditions.ready || self.conditions.serving
    }
}

/// All records, with the index of their names and the places that are free.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    all: Vec<Record>,
    free: Vec<u32>,
    index: HashTable<u32>,
}

impl Records {
    pub(crate) fn get(&self, index: u32) -> Option<&Record> {
        self.all.get(index as usize).filter(|r| r.alive)
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Record> {
        self.all.get_mut(index as usize).filter(|r| r.alive)
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let is = |&i: &u32| self.get(i).is_some_and(|r| *r.name == *name);
        self.index.find(hash(name.as_bytes()), is).copied()
    }

    pub(crate) fn living(&self, id: EndpointId) -> Option<u32> {
        let same = self.get(id.index)?.generation == id.generation;
        same.then_some(id.index)
    }

    pub(crate) fn id(&self, index: u32) -> EndpointId {
        let generation = self.all.get(index as usize).map_or(0, |r| r.generation);
        EndpointId { index, generation }
    }

    /// Puts a record in; `None` when there are 2^32 of them. Its generation is set here.
    pub(crate) fn insert(&mut self, mut record: Record) -> Option<u32> {
        let hashed = hash(record.name.as_bytes());
        let index = match self.free.last() {
            Some(&index) => index,
            None => u32::try_from(self.all.len())
                .ok()
                .filter(|&i| i < u32::MAX)?,
        };
        match self.all.get_mut(index as usize) {
            Some(place) => {
                self.free.pop();
                record.generation = place.generation;
                *place = record;
            }
            None => self.all.push(record),
        }
        let all = &self.all;
        let rehash = |&i: &u32| all.get(i as usize).map_or(0, |r| hash(r.name.as_bytes()));
        self.index.insert_unique(hashed, index, rehash);
        Some(index)
    }

    /// Takes a record out and gives its name back.
    pub(crate) fn remove(&mut self, index: u32) -> Option<Box<str>> {
        let record = self.all.get_mut(index as usize).filter(|r| r.alive)?;
        record.alive = false;
        record.generation = record.generation.wrapping_add(1);
        record.queued = Timestamp::MAX;
        let name = core::mem::take(&mut record.name);
        if let Ok(entry) = self
            .index
            .find_entry(hash(name.as_bytes()), |&i| i == index)
        {
            entry.remove();
        }
        self.free.push(index);
        Some(name)
    }

    /// The indices of living records, in order.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u32> + '_ {
        (0..)
            .zip(&self.all)
            .filter(|(_, r)| r.alive)
            .map(|(i, _)| i)
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }
}
