//! What a VXLAN device must know: who stands behind which hardware address, and where in the network that is.

use super::device::DeviceName;
use super::table::Peer;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

/// A neighbour entry (`ip neigh`): the hardware address of a next hop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Neighbour {
    /// The next hop.
    pub next_hop: IpAddr,
    /// Its hardware address.
    pub mac: [u8; 6],
}

/// A forwarding entry (`bridge fdb`): the host behind a hardware address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Forwarding {
    /// The hardware address of the far end.
    pub mac: [u8; 6],
    /// The host's address in the network that carries the hosts.
    pub host: IpAddr,
}

/// What is to be set and what removed on the tunnel device, which is ours alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EntryPlan<T> {
    /// The device.
    pub device: DeviceName,
    /// To be set, whatever is there under the same key.
    pub set: Vec<T>,
    /// To be removed.
    pub remove: Vec<T>,
}

impl EntryPlan<Neighbour> {
    /// What leads from the entries that are there, all ours, to those that `peers` need.
    #[must_use]
    pub fn neighbours(device: &DeviceName, there: &[Neighbour], peers: &[Peer]) -> Self {
        let entries = peers.iter().flat_map(|peer| {
            let entry = |&next_hop| Neighbour {
                next_hop,
                mac: peer.mac,
            };
            peer.next_hops.iter().map(entry)
        });
        Self::between(device, there, &entries.collect(), |entry| entry.next_hop)
    }
}

impl EntryPlan<Forwarding> {
    /// What leads from the entries that are there, all ours, to those that `peers` need.
    #[must_use]
    pub fn forwarding(device: &DeviceName, there: &[Forwarding], peers: &[Peer]) -> Self {
        let entry = |peer: &Peer| Forwarding {
            mac: peer.mac,
            host: peer.address,
        };
        let wanted = peers.iter().map(entry).collect();
        Self::between(device, there, &wanted, |entry| entry.mac)
    }
}

impl<T: Clone + Ord> EntryPlan<T> {
    fn between<K: Ord>(
        device: &DeviceName,
        there: &[T],
        wanted: &BTreeSet<T>,
        key: impl Fn(&T) -> K,
    ) -> Self {
        let kept: BTreeMap<K, &T> = wanted.iter().map(|entry| (key(entry), entry)).collect();
        let there: BTreeSet<&T> = there.iter().collect();
        let remove = there.iter().filter(|entry| !kept.contains_key(&key(entry)));
        Self {
            device: device.clone(),
            remove: remove.map(|entry| (*entry).clone()).collect(),
            set: wanted
                .iter()
                .filter(|e| !there.contains(e))
                .cloned()
                .collect(),
        }
    }
}
