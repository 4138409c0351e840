//! How Envoy is told of an assignment: localities, health, weights; whatever the encoding.

use crate::assignment::{Assignment, Member};
use discovery_core::registry::RegistrationStatus;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The endpoints of one zone.
pub(crate) struct Locality<'a> {
    pub(crate) region: &'a str,
    pub(crate) zone: &'a str,
    /// For clusters that balance localities by weight; others pass it over. The sum of its hosts'.
    pub(crate) weight: u32,
    pub(crate) hosts: Vec<Host>,
}

pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    pub(crate) health: Health,
    /// 1 at least: Envoy refuses 0.
    pub(crate) weight: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Healthy,
    Unhealthy,
    Draining,
}

/// By region and zone. Where the sum of all weights would not fit 32 bits they are scaled alike.
pub(crate) fn localities(assignment: &Assignment) -> Vec<Locality<'_>> {
    let mut places: BTreeMap<(&str, &str), Vec<&Member>> = BTreeMap::new();
    for member in &assignment.members {
        let place = (&*member.region, &*member.zone);
        places.entry(place).or_default().push(member);
    }
    let members = assignment.members.iter();
    let total: u64 = members.map(|m| u64::from(m.weight.max(1))).sum();
    let divisor = total / (u64::from(u32::MAX) / 2) + 1;
    let locality = |((region, zone), members): ((_, _), Vec<&Member>)| {
        let hosts: Vec<Host> = members.into_iter().map(|m| host(m, divisor)).collect();
        let sum: u64 = hosts.iter().map(|h| u64::from(h.weight)).sum();
        Locality {
            region,
            zone,
            weight: u32::try_from(sum).unwrap_or(u32::MAX),
            hosts,
        }
    };
    places.into_iter().map(locality).collect()
}

fn host(member: &Member, divisor: u64) -> Host {
    let weight = u64::from(member.weight) / divisor;
    Host {
        address: member.address,
        health: match (member.weight, member.status) {
            (1.., _) => Health::Healthy,
            (0, RegistrationStatus::Failing) => Health::Unhealthy,
            (0, _) => Health::Draining,
        },
        weight: u32::try_from(weight).unwrap_or(u32::MAX).max(1),
    }
}

/// FNV-1a, 64 bits: the version of what is told is a hash of it.
pub(crate) fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
