//! Hosts: their settings, and how many claims and moves refer to each.

use crate::change::HostSettings;
use crate::directory::Directory;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A host: small, since every claim and every release looks at one.
#[derive(Clone, Debug, Default)]
struct Host {
    /// Claims and moves that refer to it.
    uses: u32,
    /// What it has been set to, if that is not what every host is.
    settings: Option<Box<HostSettings>>,
}

/// What a host is set to that nobody has set.
static UNSET: HostSettings = HostSettings {
    block_limit: None,
    draining: false,
    starts: Vec::new(),
    address: None,
    subnet: None,
};

/// The hosts that anything refers to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    directory: Directory<Host>,
}

impl Hosts {
    pub(crate) fn len(&self) -> usize {
        self.directory.len()
    }

    #[inline]
    pub(crate) fn find(&self, tag: u32, name: &str) -> Option<u32> {
        self.directory.find(tag, name)
    }

    /// The number of a host, which is added if it is not known yet. Who does not refer to it afterwards
    /// [removes](Self::remove_idle) it again.
    #[inline]
    pub(crate) fn intern(&mut self, tag: u32, name: &str) -> u32 {
        match self.find(tag, name) {
            Some(id) => id,
            None => self.directory.insert(tag, name, Host::default()),
        }
    }

    pub(crate) fn name(&self, id: u32) -> Option<&str> {
        self.directory.name(id)
    }

    /// What a host is set to, by itself or as every host is.
    #[inline]
    pub(crate) fn settings(&self, id: u32) -> Option<&HostSettings> {
        let host = self.directory.get(id)?;
        Some(host.settings.as_deref().unwrap_or(&UNSET))
    }

    /// The settings of its own that a host has, if it has any.
    pub(crate) fn own_settings(&self, id: u32) -> Option<&HostSettings> {
        self.directory.get(id)?.settings.as_deref()
    }

    pub(crate) fn set(&mut self, id: u32, settings: HostSettings) {
        if let Some(host) = self.directory.get_mut(id) {
            host.settings = (settings != UNSET).then(|| Box::new(settings));
        }
    }

    /// A claim or a move refers to a host from now on; none to no host.
    #[inline]
    pub(crate) fn begin_use(&mut self, id: u32) {
        if let Some(host) = self.directory.get_mut(id) {
            host.uses += 1;
        }
    }

    /// A claim or a move does not refer to a host any more.
    #[inline]
    pub(crate) fn end_use(&mut self, id: u32) {
        if let Some(host) = self.directory.get_mut(id) {
            host.uses = host.uses.saturating_sub(1);
        }
    }

    /// How many claims and moves refer to a host.
    pub(crate) fn uses(&self, id: u32) -> Option<u32> {
        self.directory.get(id).map(|h| h.uses)
    }

    /// Removes a host without claims, moves and settings of its own, unless `has_blocks` says that a pool refers to it.
    #[inline]
    pub(crate) fn remove_idle(&mut self, id: u32, has_blocks: impl FnOnce() -> bool) {
        let idle = |h: &Host| h.uses == 0 && h.settings.is_none();
        if self.directory.get(id).is_some_and(idle) && !has_blocks() {
            self.directory.remove(id);
        }
    }

    /// Every host's number and name, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        let all = self.directory.iter();
        all.filter_map(|(id, _)| Some((id, self.name(id)?)))
    }

    /// Whether every host is found by its name, told the tag of a name.
    pub(crate) fn is_consistent(&self, tag: impl Fn(&str) -> u32) -> bool {
        self.directory.is_consistent(tag)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.directory.heap_bytes()
    }

    pub(crate) fn name_bytes(&self) -> usize {
        self.directory.name_bytes()
    }
}
