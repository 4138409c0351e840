//! Workloads, each through its interfaces: what finds them, what they retain, and which are on their way.

mod check;
mod moves;
mod record;
mod reserved;
mod retention;
mod sticky;

pub(crate) use moves::Move;
pub(crate) use retention::{LAST_END, WHILE_MOVING};

use crate::directory::Directory;
use crate::identity::{DEFAULT_INTERFACE, Identity};
use crate::state::NONE;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use record::Workload;
use reserved::Reserved;
use sticky::{Apart, Sticky};

/// The workloads that hold or retain anything: one record for each interface that one is known by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workloads {
    /// By [key](Identity::key).
    directory: Directory<Workload>,
    /// Interfaces other than the default one, by workload: its records beside the one that bears its name alone.
    interfaces: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    /// When sticky addresses that stand in workloads' records expire.
    sticky: Sticky,
    /// The other sticky addresses.
    apart: Apart,
    /// Reserved addresses beyond one per family.
    extra: BTreeMap<u32, Reserved>,
    moves: BTreeMap<u32, Move>,
}

/// Records and what finds them.
impl Workloads {
    pub(crate) fn len(&self) -> usize {
        self.directory.len()
    }

    /// The record of a [key](Identity::key), whose tag is known.
    #[inline]
    pub(crate) fn find(&self, tag: u32, key: &str) -> Option<u32> {
        self.directory.find(tag, key)
    }

    /// A workload and interface that are not known yet; the tag is its key's.
    #[inline]
    pub(crate) fn insert(&mut self, tag: u32, identity: Identity<'_>) -> u32 {
        if identity.interface != DEFAULT_INTERFACE {
            let interfaces = self.interfaces.entry(identity.workload.into());
            interfaces.or_default().insert(identity.interface.into());
        }
        self.directory.insert(tag, &identity.key(), Workload::new())
    }

    /// Removes a record that neither holds nor retains anything.
    #[inline]
    pub(crate) fn remove_idle(&mut self, id: u32) {
        let Some(workload) = self.directory.get(id) else {
            return;
        };
        let idle = workload.head() == NONE
            && workload.spots.is_empty()
            && !self.extra.contains_key(&id)
            && (self.apart.is_empty() || self.apart.of(id).next().is_none())
            && !self.is_moving(id);
        if !idle {
            return;
        }
        if !self.interfaces.is_empty() {
            self.remove_interface(id);
        }
        self.directory.remove(id);
    }

    /// A workload is no longer known by an interface.
    #[inline(never)]
    fn remove_interface(&mut self, id: u32) {
        let Some(key) = self.directory.name(id) else {
            return;
        };
        let identity = Identity::of_key(key);
        if let Some(known) = self.interfaces.get_mut(identity.workload) {
            known.remove(identity.interface);
            if known.is_empty() {
                self.interfaces.remove(identity.workload);
            }
        }
    }

    pub(crate) fn identity(&self, id: u32) -> Option<Identity<'_>> {
        self.directory.name(id).map(Identity::of_key)
    }

    pub(crate) fn name(&self, id: u32) -> Option<&str> {
        self.identity(id).map(|i| i.workload)
    }

    /// The identities that a workload may be known by: one for each of its interfaces.
    pub(crate) fn identities<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = Identity<'a>> + 'a {
        let others = self.interfaces.get(name).into_iter().flatten();
        let others = others.map(move |interface| Identity::from((name, &**interface)));
        core::iter::once(Identity::from(name)).chain(others)
    }

    /// Every record's number.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.directory.iter().map(|(id, _)| id)
    }

    /// The first of a workload's claims, [`NONE`] of none: the claims themselves name the next.
    #[inline]
    pub(crate) fn first_claim(&self, id: u32) -> u32 {
        self.directory.get(id).map_or(NONE, Workload::head)
    }

    /// As [`Workloads::first_claim`], with the tag of the record's key, which is zero of no record.
    #[inline]
    pub(crate) fn first_claim_and_tag(&self, id: u32) -> (u32, u32) {
        let known = self.directory.tagged(id);
        known.map_or((NONE, 0), |(workload, tag)| (workload.head(), tag))
    }

    #[inline]
    pub(crate) fn set_first_claim(&mut self, id: u32, claim: u32) {
        if let Some(workload) = self.directory.get_mut(id) {
            workload.set_head(claim);
        }
    }

    /// Prefetches a record.
    #[inline]
    pub(crate) fn prefetch(&self, id: u32) {
        self.directory.prefetch(id);
    }

    /// Prefetches what a tag's key is found by.
    #[inline]
    pub(crate) fn prefetch_tag(&self, tag: u32) {
        self.directory.prefetch_tag(tag);
    }

    /// Bytes on the heap without names.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.directory.heap_bytes() + self.sticky.heap_bytes() + self.apart.heap_bytes()
    }

    pub(crate) fn name_bytes(&self) -> usize {
        self.directory.name_bytes()
    }
}
