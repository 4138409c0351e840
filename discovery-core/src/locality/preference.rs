//! From where a caller stands to priorities and locality weights.

use alloc::vec::Vec;

/// Where something is: region, zone, subzone. Names, empty where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Locality<'a> {
    /// Region.
    pub region: &'a str,
    /// Zone in the region.
    pub zone: &'a str,
    /// Subzone in the zone.
    pub subzone: &'a str,
}

impl<'a> Locality<'a> {
    /// From `region/zone/subzone`; missing parts are empty.
    #[must_use]
    pub fn parse(path: &'a str) -> Self {
        let mut parts = path.splitn(3, '/');
        let mut next = || parts.next().unwrap_or("");
        Self {
            region: next(),
            zone: next(),
            subzone: next(),
        }
    }
}

/// Where a region's load goes first when the region itself cannot carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failover<'a> {
    /// The region left.
    pub from: &'a str,
    /// The region preferred.
    pub to: &'a str,
}

/// The priority of an endpoint at `there` for a caller at `here`, before [`compact_priorities`]: Istio's 0 same
/// subzone, 1 same zone, 2 same region, 3 another region, 4 another region although the failover names a
/// different one.
///
/// ```
/// use discovery_core::locality::{Locality, locality_priority};
///
/// let here = Locality::parse("north/a/rack-1");
/// assert_eq!(locality_priority(here, Locality::parse("north/a/rack-2"), &[]), 1);
/// assert_eq!(locality_priority(here, Locality::parse("south/a/rack-1"), &[]), 3);
/// ```
#[must_use]
pub fn locality_priority(
    here: Locality<'_>,
    there: Locality<'_>,
    failovers: &[Failover<'_>],
) -> u32 {
    if here.region != there.region {
        let mut named = failovers
            .iter()
            .filter(|f| f.from == here.region)
            .peekable();
        let elsewhere = named.peek().is_some() && !named.any(|f| f.to == there.region);
        return if elsewhere { 4 } else { 3 };
    }
    if here.zone != there.zone {
        return 2;
    }
    u32::from(here.subzone != there.subzone)
}

/// Priorities without gaps: the smallest becomes 0, the next 1, and so on, order kept. With priorities of
/// their own, endpoints have `own * 5 + locality_priority` before.
///
/// ```
/// use discovery_core::locality::compact_priorities;
///
/// assert_eq!(compact_priorities(&[3, 0, 3, 2]), [2, 0, 2, 1]);
/// ```
#[must_use]
pub fn compact_priorities(priorities: &[u32]) -> Vec<u32> {
    let mut known: Vec<u32> = priorities.to_vec();
    known.sort_unstable();
    known.dedup();
    let rank = |p: &u32| known.binary_search(p).unwrap_or_default();
    priorities
        .iter()
        .map(|p| u32::try_from(rank(p)).unwrap_or(u32::MAX))
        .collect()
}

/// A locality's weight by what its healthy part can carry: Envoy's
/// `weight * min(1, overprovisioning_percent / 100 * healthy / (hosts - excluded))`.
#[must_use]
pub fn locality_weight(
    weight: u32,
    overprovisioning_percent: u32,
    healthy: u32,
    hosts: u32,
) -> f64 {
    if hosts == 0 {
        return 0.0;
    }
    let able = f64::from(overprovisioning_percent) / 100.0 * f64::from(healthy) / f64::from(hosts);
    f64::from(weight) * able.min(1.0)
}
