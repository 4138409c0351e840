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
pub(crate) struct DepartedEntry {
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
    pub(crate) fn iter(&self) -> impl Iterator<Item = DepartedEntry> + '_ {
        self.times.iter().map(entry)
    }

    /// What is in quarantine in a prefix for longer than now.
    pub(crate) fn within(
        &self,
        cidr: Cidr,
        now: Timestamp,
    ) -> impl Iterator<Item = DepartedEntry> + '_ {
        let inside = self.times.range(cidr.first()..=cidr.last()).map(entry);
        inside.filter(move |entry| entry.until > now)
    }

    /// Takes out the addresses of a prefix: those in quarantine for longer than now, in the order in which that began.
    pub(crate) fn take(&mut self, cidr: Cidr, now: Timestamp) -> Vec<DepartedEntry> {
        let mut entries: Vec<DepartedEntry> = self.within(cidr, now).collect();
        entries.sort_by_key(|entry| (entry.at, entry.address));
        self.clear(cidr);
        entries
    }

    pub(crate) fn extend(&mut self, entries: impl IntoIterator<Item = DepartedEntry>) {
        let times = entries.into_iter().map(|r| (r.address, (r.at, r.until)));
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
        let over = self.iter().filter(|entry| entry.until <= now);
        let over: BTreeSet<Cidr> = over.filter_map(|entry| chunk_of(entry.address)).collect();
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
        let entries = self.within(chunk, now);
        let quarantined: Vec<DepartedAddress> = entries
            .map(|entry| DepartedAddress {
                offset: (number(entry.address) - base) as u32,
                at: entry.at,
                until: entry.until,
            })
            .collect();
        (!quarantined.is_empty()).then_some(Record::Departed {
            block: chunk,
            quarantined,
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
        quarantined: &[DepartedAddress],
        now: Timestamp,
    ) -> Result<(Vec<DepartedEntry>, bool), &'static str> {
        if chunk_of(block.first()) != Some(block) {
            return Err("is no block of quarantined addresses");
        }
        let base = number(block.first());
        let (mut entries, mut altered) = (Vec::with_capacity(quarantined.len()), false);
        for entry in quarantined {
            if entry.offset >= 1 << CHUNK_BITS {
                return Err("quarantines an address that is not its own");
            }
            let address = block.family().address(base + u128::from(entry.offset));
            // It ends no earlier than it begins, whatever is stored.
            let (at, until) = (entry.at, entry.until.max(entry.at));
            altered |= until != entry.until || until <= now;
            entries.push(DepartedEntry { address, at, until });
        }
        Ok((entries, altered))
    }
}

fn entry((&address, &(at, until)): (&IpAddr, &(Timestamp, Timestamp))) -> DepartedEntry {
    DepartedEntry { address, at, until }
}
