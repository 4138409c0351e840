//! Claims: what finds them by owner, their leases, and which owners are missing.

mod arena;
mod leases;
mod record;

pub(crate) use record::{Claim, Kind};

use crate::check::{Broken, ensure};
use crate::claim::RetentionKind;
use crate::index::{Home, Index};
use crate::spots::{Spot, Spots};
use crate::state::NONE;
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::format;
use arena::Arena;
use core::time::Duration;
use leases::Leases;
use record::Ttl;

/// Every claim.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    arena: Arena,
    /// By owner.
    index: Index,
    leases: Leases,
    /// Times of sticky claims that are not whole seconds, in nanoseconds.
    odd_ttls: BTreeMap<u32, u64>,
    /// Owners that were missing: since when, and their token then.
    suspects: BTreeMap<u32, (Timestamp, u64)>,
}

/// A claim that is to be stored.
pub(crate) struct NewClaim<'a> {
    pub(crate) owner: &'a str,
    /// The owner's tag.
    pub(crate) tag: u32,
    pub(crate) sequence: u64,
    pub(crate) touched: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) workload: u32,
    pub(crate) host: u32,
    pub(crate) spots: Spots,
    pub(crate) retention: RetentionKind,
}

/// Finding and looking.
impl Claims {
    pub(crate) fn len(&self) -> usize {
        self.arena.len()
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&Claim> {
        self.arena.get(id)
    }

    /// The owner's name; empty of no claim.
    #[inline]
    pub(crate) fn owner(&self, id: u32) -> &str {
        match self.arena.get(id) {
            Some(_) => self.arena.owner(id),
            None => "",
        }
    }

    /// Whether a claim's owner has this name.
    #[inline]
    pub(crate) fn is(&self, id: u32, owner: &str) -> bool {
        self.arena.is(id, owner)
    }

    /// The claim of an owner, whose tag is known.
    #[inline]
    pub(crate) fn find(&self, tag: u32, owner: &str) -> Option<u32> {
        self.find_by(tag, |id| {
            self.arena.get(id).is_some() && self.arena.is(id, owner)
        })
    }

    /// The claim for which `same` says that it is the owner's, of those that may be by their tag: it may prefetch as it looks.
    #[inline]
    pub(crate) fn find_by(&self, tag: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        self.index.find(tag, same)
    }

    /// Prefetches what an owner's tag is found by.
    #[inline]
    pub(crate) fn prefetch_tag(&self, tag: u32) {
        self.index.prefetch(tag);
    }

    /// Prefetches the end of an owner's name.
    #[inline]
    pub(crate) fn prefetch_owner(&self, id: u32) {
        self.arena.prefetch_owner(id);
    }

    /// Every claim, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Claim)> {
        self.arena.iter()
    }

    /// A workload's claims, told its first.
    pub(crate) fn chain(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        let mut id = first;
        core::iter::from_fn(move || {
            let claim = self.arena.get(id)?;
            Some(core::mem::replace(&mut id, claim.next))
        })
    }

    /// How a claim's addresses are retained.
    pub(crate) fn retention(&self, id: u32) -> RetentionKind {
        let Some(claim) = self.arena.get(id) else {
            return RetentionKind::Ephemeral;
        };
        match claim.kind {
            Kind::Ephemeral => RetentionKind::Ephemeral,
            Kind::Fixed => RetentionKind::Fixed,
            Kind::Sticky => RetentionKind::Sticky(self.ttl(id, claim)),
        }
    }

    /// How long a sticky claim's addresses stay after release.
    #[inline]
    pub(crate) fn ttl(&self, id: u32, claim: &Claim) -> Duration {
        match claim.ttl.whole_seconds() {
            Some(seconds) => Duration::from_secs(seconds),
            None => Duration::from_nanos(self.odd_ttls.get(&id).copied().unwrap_or_default()),
        }
    }

    /// Whether any claim's lease is over.
    pub(crate) fn any_over(&self, now: Timestamp) -> bool {
        self.leases.any_over(now)
    }

    /// Since when a claim's owner is missing, and its token then.
    #[inline]
    pub(crate) fn suspected(&self, id: u32) -> Option<(Timestamp, u64)> {
        self.suspects.get(&id).copied()
    }

    /// Bytes on the heap, but for owners' names.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.arena.heap_bytes() + self.index.heap_bytes()
    }

    /// Bytes of the owners' names.
    pub(crate) fn name_bytes(&self) -> usize {
        self.arena.name_bytes()
    }
}

/// Beginning, going on and ending.
impl Claims {
    /// Stores a claim of an owner that has none, before the one that was its workload's first; the tag is the workload's.
    #[inline(always)]
    pub(crate) fn insert(&mut self, new: &NewClaim<'_>, next: u32, workload_tag: u32) -> u32 {
        self.leases.begin(new.until);
        let (ttl, odd) = Ttl::of(new.retention);
        let claim = Claim {
            sequence: new.sequence,
            touched: new.touched,
            until: new.until,
            workload: new.workload,
            workload_tag,
            host: new.host,
            next,
            previous: NONE,
            spots: new.spots,
            home: Home::of(new.tag),
            kind: Kind::from(new.retention),
            ttl,
        };
        let id = self.arena.insert(new.owner, claim);
        if let Some(nanos) = odd {
            self.odd_ttls.insert(id, nanos);
        }
        let arena = &self.arena;
        self.index.insert(new.tag, id, |id| tag_of(arena, id));
        if let Some(next) = self.arena.get_mut(next) {
            next.previous = id;
        }
        id
    }

    /// Takes out a claim, whose owner's tag this is; with it the workload's first claim, where that is another from now on.
    #[inline]
    pub(crate) fn remove(&mut self, id: u32, tag: u32) -> Option<(Claim, Option<u32>)> {
        let claim = self.arena.remove(id)?;
        let arena = &self.arena;
        self.index.remove(tag, id, |id| tag_of(arena, id));
        if !self.suspects.is_empty() {
            self.suspects.remove(&id);
        }
        if claim.ttl == Ttl::ODD {
            self.odd_ttls.remove(&id);
        }
        self.leases.end(claim.until);
        let first = match self.arena.get_mut(claim.previous) {
            Some(previous) => {
                previous.next = claim.next;
                None
            }
            None => Some(claim.next),
        };
        if let Some(next) = self.arena.get_mut(claim.next) {
            next.previous = claim.previous;
        }
        Some((claim, first))
    }

    /// Notes the addresses that a claim has.
    #[inline]
    pub(crate) fn set_spots(&mut self, id: u32, spots: Spots) {
        if let Some(claim) = self.arena.get_mut(id) {
            claim.spots = spots;
        }
    }

    /// A claim's owner is alive: its lease ends at `until` from now on, under this token.
    pub(crate) fn renew(&mut self, id: u32, sequence: u64, until: Timestamp, now: Timestamp) {
        let suspected = self.suspects.remove(&id).map(|(since, _)| since);
        let Some(claim) = self.arena.get_mut(id) else {
            return;
        };
        let before = core::mem::replace(&mut claim.until, until);
        claim.touched = claim.touched.max(now).max(suspected.unwrap_or(now));
        claim.sequence = sequence;
        self.leases.end(before);
        self.leases.begin(until);
    }

    /// A claim's owner is alive, whatever its lease says: since when that is known, which is no earlier than what was known.
    pub(crate) fn touch(&mut self, id: u32, now: Timestamp) -> Timestamp {
        self.suspects.remove(&id);
        let Some(claim) = self.arena.get_mut(id) else {
            return now;
        };
        claim.touched = claim.touched.max(now);
        claim.touched
    }

    /// A claim's owner is missing under this token, since now or as long as it was known to be.
    pub(crate) fn suspect(&mut self, id: u32, sequence: u64, now: Timestamp) {
        let touched = self.arena.get(id).map_or(now, |c| c.touched);
        self.suspects
            .entry(id)
            .or_insert((now.max(touched), sequence));
    }

    /// A claim's owner was missing, as a record says.
    pub(crate) fn restore_suspect(&mut self, id: u32, suspect: (Timestamp, u64)) {
        self.suspects.insert(id, suspect);
    }

    /// A claim's owner is not missing any more.
    pub(crate) fn clear_suspect(&mut self, id: u32) {
        self.suspects.remove(&id);
    }

    /// Times of a claim that are ahead by more than clocks differ become now; its lease lasts as long from then on.
    pub(crate) fn cap_times(&mut self, id: u32, now: Timestamp) {
        if let Some((since, _)) = self.suspects.get_mut(&id) {
            *since = since.capped(now);
        }
        let Some(claim) = self.arena.get_mut(id) else {
            return;
        };
        let before = claim.until;
        if claim.touched.is_ahead_of(now) {
            if claim.until != Timestamp::MAX {
                claim.until = now.after(claim.until.since(claim.touched));
            }
            claim.touched = now;
        }
        let after = claim.until;
        self.leases.end(before);
        self.leases.begin(after);
    }

    /// Gives addresses the numbers that they have in a pool that grew.
    pub(crate) fn renumber(&mut self, spot: impl Fn(Spot) -> Spot) {
        self.arena.iter_mut().for_each(|c| c.spots.renumber(&spot));
    }

    /// Checks that index, lists and claims agree, told the tag of an owner's name.
    pub(crate) fn check(&self, tag: impl Fn(&str) -> u32) -> Result<(), Broken> {
        let mut leases = Leases::default();
        for (id, claim) in self.arena.iter() {
            leases.begin(claim.until);
            let owner = self.arena.owner(id);
            ensure!(
                self.find(tag(owner), owner) == Some(id),
                "owner `{owner}` is not found by name"
            );
        }
        ensure!(
            self.index.len() == self.arena.len(),
            "owners and claims differ in number"
        );
        ensure!(leases == self.leases, "the ends of leases are miscounted");
        for &id in self.odd_ttls.keys() {
            let claim = self.arena.get(id);
            ensure!(
                claim.is_some_and(|c| c.ttl == Ttl::ODD),
                "a time is noted of claim {id}, which has none"
            );
        }
        Ok(())
    }
}

/// A tag of a claim's owner, as far as its home in the index goes.
#[inline]
fn tag_of(arena: &Arena, claim: u32) -> u32 {
    arena.get(claim).map_or(0, |c| c.home.tag())
}
