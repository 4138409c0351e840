//! Zone-aware routing: callers keep to their zone as far as its endpoints can carry them.

use alloc::vec;
use alloc::vec::Vec;

use crate::builder::builder;

/// Envoy's knobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ZoneRules {
    /// With fewer healthy endpoints than this zones are ignored (Envoy: 6).
    pub min_endpoints: u64,
}

builder!(ZoneRules {
    with_min_endpoints: min_endpoints: u64,
});

impl Default for ZoneRules {
    fn default() -> Self {
        Self { min_endpoints: 6 }
    }
}

/// The parts per 10,000 of a caller's requests that each zone gets. `callers` and `endpoints` count those of
/// each zone (endpoints: healthy ones), `here` is the caller's zone. `None` when zones are not to be
/// regarded: no callers or endpoints here, too few endpoints, or lists of different lengths.
///
/// Envoy's rule: where the zone's share of endpoints is at least its share of callers, all stays; else the
/// share that fits stays, and the rest goes where there is room, in proportion to it. Sums to 10,000.
///
/// ```
/// use discovery_core::locality::{ZoneRules, zone_shares};
///
/// // Half of the callers are here, but a quarter of the endpoints: half of the requests can stay.
/// let shares = zone_shares(&[2, 1, 1], &[2, 3, 3], 0, &ZoneRules::default());
/// assert_eq!(shares, Some(vec![5_000, 2_500, 2_500]));
/// ```
#[must_use]
pub fn zone_shares(
    callers: &[u64],
    endpoints: &[u64],
    here: usize,
    rules: &ZoneRules,
) -> Option<Vec<u32>> {
    let (us, them) = (percentages(callers)?, percentages(endpoints)?);
    let enough = endpoints.iter().sum::<u64>() >= rules.min_endpoints;
    if callers.len() != endpoints.len() || !enough {
        return None;
    }
    let (local, upstream) = (*us.get(here)?, *them.get(here)?);
    if local == 0 || upstream == 0 {
        return None;
    }
    let mut shares = vec![0u32; endpoints.len()];
    let stays = (upstream * 10_000 / local).min(10_000);
    let left = 10_000 - stays;
    let room: Vec<u64> = us
        .iter()
        .zip(&them)
        .map(|(l, u)| u.saturating_sub(*l))
        .collect();
    let whole: u64 = room.iter().sum();
    let mut given = 0;
    for (share, room) in shares.iter_mut().zip(&room) {
        let part = (left * room).checked_div(whole).unwrap_or(0);
        *share = part as u32;
        given += part;
    }
    // What rounding left stays here.
    if let Some(own) = shares.get_mut(here) {
        *own = (10_000 - given) as u32;
    }
    Some(shares)
}

/// The weights to give a picker so that each zone gets its share (see [`zone_shares`]) and its endpoints divide it
/// by their own weights: each endpoint is `(its zone, its weight)`. A zone without weight gives its share up; who
/// has a weight and a share gets at least 1. Zones beyond `shares` get nothing. O(endpoints + zones).
#[must_use]
pub fn zone_weights(endpoints: &[(usize, u32)], shares: &[u32]) -> Vec<u32> {
    /// What a whole is divided into: 1,000 a part of 10,000.
    const PART: u128 = 1_000;
    let mut sums = vec![0u64; shares.len()];
    for (zone, weight) in endpoints {
        if let Some(sum) = sums.get_mut(*zone) {
            *sum += u64::from(*weight);
        }
    }
    let weigh = |(zone, weight): &(usize, u32)| {
        let (sum, share) = (sums.get(*zone)?, shares.get(*zone)?);
        let product = u128::from(*weight) * u128::from(*share) * PART;
        let part = (product + u128::from(*sum) / 2).checked_div(u128::from(*sum))?;
        let least = u32::from(*weight > 0 && *share > 0);
        Some(u32::try_from(part).unwrap_or(u32::MAX).max(least))
    };
    endpoints.iter().map(|e| weigh(e).unwrap_or(0)).collect()
}

/// Parts per 10,000 of the sum; `None` when it is 0 or absurdly large.
fn percentages(counts: &[u64]) -> Option<Vec<u64>> {
    let sum = counts
        .iter()
        .try_fold(0u64, |s, c| s.checked_add(*c))
        .filter(|&s| s > 0)?;
    counts
        .iter()
        .map(|c| Some(c.checked_mul(10_000)? / sum))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(callers: &[u64], endpoints: &[u64], here: usize) -> Option<Vec<u32>> {
        zone_shares(callers, endpoints, here, &ZoneRules::default())
    }

    #[test]
    fn all_stays_where_there_is_room() {
        assert_eq!(shares(&[1, 1], &[4, 4], 0), Some(vec![10_000, 0]));
        assert_eq!(shares(&[1, 3], &[4, 4], 0), Some(vec![10_000, 0]));
    }

    #[test]
    fn the_rest_goes_where_there_is_room() {
        // Here half of the callers but a quarter of the endpoints: half of it fits.
        assert_eq!(
            shares(&[2, 1, 1], &[2, 3, 3], 0),
            Some(vec![5_000, 2_500, 2_500])
        );
    }

    #[test]
    fn every_zone_gets_its_share_of_all_calls() {
        let (callers, endpoints) = ([5u64, 3, 2], [4u64, 9, 7]);
        let mut load = [0u64; 3];
        for (here, &n) in callers.iter().enumerate() {
            for (to, s) in shares(&callers, &endpoints, here)
                .unwrap()
                .iter()
                .enumerate()
            {
                load[to] += n * u64::from(*s);
            }
        }
        for (load, n) in load.iter().zip(endpoints) {
            let share = *load as f64 / 100_000.0;
            assert!(
                (share - n as f64 / 20.0).abs() < 0.15,
                "{share} for {n} of 20"
            );
        }
    }

    #[test]
    fn weights_carry_the_shares() {
        let endpoints = [(0, 10), (1, 300), (0, 30), (1, 100), (2, 7), (3, 7), (1, 0)];
        let weights = zone_weights(&endpoints, &[5_000, 2_500, 0]);
        let expected = [1_250_000, 1_875_000, 3_750_000, 625_000, 0, 0, 0];
        assert_eq!(weights, expected);
        let crowd = vec![(0, 1); 20_000];
        assert!(zone_weights(&crowd, &[1]).iter().all(|&w| w == 1));
        let heavy = zone_weights(&[(0, u32::MAX), (0, 1)], &[10_000]);
        assert_eq!(heavy, [10_000_000, 1], "never lost altogether");
        assert_eq!(zone_weights(&[(0, u32::MAX)], &[u32::MAX]), [u32::MAX]);
    }

    #[test]
    fn too_few_or_none_are_not_routed_by_zone() {
        assert_eq!(shares(&[1, 1], &[2, 3], 0), None);
        assert_eq!(shares(&[0, 1], &[4, 4], 0), None);
        assert_eq!(shares(&[1, 1], &[0, 8], 0), None);
        assert_eq!(shares(&[1], &[4, 4], 0), None);
        assert_eq!(shares(&[1, 1], &[8, 8], 7), None);
        assert_eq!(shares(&[u64::MAX, 1], &[8, 8], 0), None);
    }
}
