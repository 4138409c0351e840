//! Quarantine that outlives its pool: an address that is in quarantine when its pool is removed stays so, whichever pool
//! it belongs to next.

use crate::cidr::{Cidr, Family, number};
use crate::pool::spec::QUARANTINE;
use crate::store::record::{DepartedAddress, Record};
use crate::time::Timestamp;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

/// Addresses of one record: a /26 or /122.
const CHUNK_BITS: u8 = 6;

/// The prefix whose record an address is in.
pub(crate) fn chunk_of(address: IpAddr) -> Option<Cidr> {
    let bits = Family::of(address).bits();
    Cidr::containing(address, bits - CHUNK_BITS).ok()
}

/// An address in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DepartedRest {
    pub(crate) address: IpAddr,
    /// Since when.
    pub(crate) at: Timestamp,
    pub(crate) until: Timestamp,
}

/// Addresses of removed pools in quarantine; no pool has one of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Departed {
    /// Since when, and until when.
    times: BTreeMap<IpAddr, (Timestamp, Timestamp)>,
}

impl Departed {
    /// Every address, by number, also those whose quarantine is over and of which nobody has taken note yet.
    pub(crate) fn iter(&self) -> impl Iterator<Item = DepartedRest> + '_ {
        self.times.iter().map(rest)
    }

    /// What is in quarantine in a prefix for longer than now.
    pub(crate) fn within(
        &self,
        cidr: Cidr,
        now: Timestamp,
    ) -> impl Iterator<Item = DepartedRest> + '_ {
        let inside = self.times.range(cidr.first()..=cidr.last()).map(rest);
        inside.filter(move |rest| rest.until > now)
    }

    /// Takes out the addresses of a prefix: those in quarantine for longer than now, in the order in which that began.
    pub(crate) fn take(&mut self, cidr: Cidr, now: Timestamp) -> Vec<DepartedRest> {
        let mut rests: Vec<DepartedRest> = self.within(cidr, now).collect();
        rests.sort_by_key(|rest| (rest.at, rest.address));
        self.clear(cidr);
        rests
    }

    pub(crate) fn extend(&mut self, rests: impl IntoIterator<Item = DepartedRest>) {
        let times = rests.into_iter().map(|r| (r.address, (r.at, r.until)));
        self.times.extend(times);
    }

    /// Takes out the addresses of a prefix.
    pub(crate) fn clear(&mut self, cidr: Cidr) {
        let inside = self.times.range(cidr.first()..=cidr.last());
        let inside: Vec<IpAddr> = inside.map(|(&address, _)| address).collect();
        for address in inside {
            self.times.remove(&address);
        }
    }

    /// Takes out addresses whose quarantine is over; the prefixes whose records that alters.
    pub(crate) fn purge(&mut self, now: Timestamp) -> BTreeSet<Cidr> {
        let over = self.iter().filter(|rest| rest.until <= now);
        let over: BTreeSet<Cidr> = over.filter_map(|rest| chunk_of(rest.address)).collect();
        self.times.retain(|_, (_, until)| *until > now);
        over
    }

    /// An address is in quarantine for as long as it was to be, from now on, where its time is ahead by more than clocks
    /// differ; where the times do not tell how long (they met the end of time, or one another), as long as in a pool that
    /// was not told.
    pub(crate) fn cap_times(&mut self, address: IpAddr, now: Timestamp) {
        if let Some((at, until)) = self.times.get_mut(&address)
            && at.is_ahead_of(now)
        {
            let told = *until > *at && *until < Timestamp::MAX;
            let length = if told { until.since(*at) } else { QUARANTINE };
            (*at, *until) = (now, now.after(length));
        }
    }

    /// The record of a chunk; `None` where nothing of it is in quarantine.
    pub(crate) fn record(&self, first: IpAddr, now: Timestamp) -> Option<Record<'static>> {
        let chunk = chunk_of(first)?;
        let base = number(chunk.first());
        let rests = self.within(chunk, now);
        let rested: Vec<DepartedAddress> = rests
            .map(|rest| DepartedAddress {
                offset: (number(rest.address) - base) as u32,
                at: rest.at,
                until: rest.until,
            })
            .collect();
        (!rested.is_empty()).then_some(Record::Departed {
            block: chunk,
            rested,
        })
    }

    /// Every such record.
    pub(crate) fn records(&self, now: Timestamp) -> impl Iterator<Item = Record<'_>> {
        let chunks = self
            .times
            .keys()
            .filter_map(|&a| Some(chunk_of(a)?.first()));
        let chunks: BTreeSet<IpAddr> = chunks.collect();
        chunks
            .into_iter()
            .filter_map(move |first| self.record(first, now))
    }

    /// Reads a chunk's record: what is in quarantine of it for longer than now, and whether the record says something else.
    pub(crate) fn read(
        block: Cidr,
        rested: &[DepartedAddress],
        now: Timestamp,
    ) -> Result<(Vec<DepartedRest>, bool), &'static str> {
        if chunk_of(block.first()) != Some(block) {
            return Err("is no block of quarantined addresses");
        }
        let base = number(block.first());
        let (mut rests, mut altered) = (Vec::with_capacity(rested.len()), false);
        for rest in rested {
            if rest.offset >= 1 << CHUNK_BITS {
                return Err("quarantines an address that is not its own");
            }
            let address = block.family().address(base + u128::from(rest.offset));
            // It ends no earlier than it begins, whatever is stored.
            let (at, until) = (rest.at, rest.until.max(rest.at));
            altered |= until != rest.until || until <= now;
            rests.push(DepartedRest { address, at, until });
        }
        Ok((rests, altered))
    }
}

fn rest((&address, &(at, until)): (&IpAddr, &(Timestamp, Timestamp))) -> DepartedRest {
    DepartedRest { address, at, until }
}
