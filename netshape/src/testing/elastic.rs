//! Division: a naive model, and what must hold of any result.

use super::Draws;
use crate::Rate;
use crate::elastic::{Claim, Elastic, ElasticConfig, Entitlement, Scratch, Usage, divide};
use crate::policy::Slot;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

/// The same division by bisection on the level, slowly: shares to within a bit a claim.
#[must_use]
pub fn naive_division(capacity: u64, claims: &[Claim]) -> Vec<u64> {
    let at = |level: u128| {
        let share = |c: &Claim| {
            let rise = (level * u128::from(c.weight.max(1))) >> 32;
            let rise = u64::try_from(rise).unwrap_or(u64::MAX);
            rise.clamp(c.floor, c.cap.max(c.floor))
        };
        claims.iter().map(share).collect::<Vec<u64>>()
    };
    let sum = |shares: &[u64]| shares.iter().map(|s| u128::from(*s)).sum::<u128>();
    let (mut low, mut high) = (0_u128, 1_u128 << 97);
    if sum(&at(high)) <= u128::from(capacity) {
        return at(high);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if sum(&at(middle)) <= u128::from(capacity) {
            low = middle;
        } else {
            high = middle;
        }
    }
    at(low)
}

/// What must hold: bounds, the sum, and fairness. Floors must fit in.
pub fn check_division(capacity: u64, claims: &[Claim], shares: &[u64]) {
    assert_eq!(claims.len(), shares.len());
    let sum: u128 = shares.iter().map(|s| u128::from(*s)).sum();
    let caps: u128 = claims.iter().map(|c| u128::from(c.cap.max(c.floor))).sum();
    let floors: u128 = claims.iter().map(|c| u128::from(c.floor)).sum();
    if floors > u128::from(capacity) {
        assert_eq!(sum, u128::from(capacity));
        return;
    }
    assert_eq!(
        sum,
        caps.min(u128::from(capacity)),
        "work-conserving and within capacity"
    );
    for (claim, share) in claims.iter().zip(shares) {
        assert!(
            (claim.floor..=claim.cap.max(claim.floor)).contains(share),
            "{claim:?} {share}"
        );
    }
    // Whoever is above its floor has, weight for weight, no more than whoever is below its cap, but for a bit.
    let above = claims.iter().zip(shares).filter(|(c, s)| **s > c.floor);
    let highest = above.map(|(c, s)| ((*s - 1), c.weight.max(1)));
    let highest = highest.reduce(|a, b| {
        if u128::from(a.0) * u128::from(b.1) >= u128::from(b.0) * u128::from(a.1) {
            a
        } else {
            b
        }
    });
    let Some((rate, weight)) = highest else {
        return;
    };
    for (claim, share) in claims.iter().zip(shares).filter(|(c, s)| **s < c.cap) {
        let theirs = (u128::from(*share) + 1) * u128::from(weight);
        let ours = u128::from(rate) * u128::from(claim.weight.max(1));
        assert!(ours <= theirs, "{rate}/{weight} against {claim:?} {share}");
    }
}

/// Any bytes as claims, and as a life of an elastic division with true demands.
pub fn fuzz_elastic(data: &[u8]) {
    let mut bytes = Draws(data.get(..data.len().min(4_096)).unwrap_or(&[]));
    let capacity = bytes.rate();
    let mut claims = Vec::new();
    for _ in 0..bytes.u8() % 40 {
        let (floor, more) = (bytes.rate(), bytes.rate());
        claims.push(Claim {
            floor,
            cap: floor.saturating_add(more),
            weight: bytes.below(1_001),
        });
    }
    let (mut scratch, mut shares) = (Scratch::new(), Vec::new());
    divide(capacity, &claims, |i| i as u64, &mut scratch, &mut shares);
    check_division(capacity, &claims, &shares);
    live(&mut bytes);
}

/// Classes with demands that change: nobody who wants its guarantee goes without it for more than one interval.
fn live(bytes: &mut Draws<'_>) {
    let n = usize::from(bytes.u8() % 12) + 1;
    let mut elastic = Elastic::new(Rate::gbit(1), ElasticConfig::default());
    let each = 1_000_000_000 / n as u64;
    let mut guarantees = vec![0_u64; n];
    let mut demands = vec![0_u64; n];
    for (i, guarantee) in guarantees.iter_mut().enumerate() {
        *guarantee = u64::from(bytes.u8()) * each / 255;
        let ceiling = Rate::from_bits(
            guarantee
                .saturating_add(bytes.rate() % 1_000_000_000)
                .max(8),
        );
        let terms = Entitlement {
            guarantee: Rate::from_bits(*guarantee),
            ceiling,
            weight: 1 + bytes.below(9),
        };
        elastic.set(Slot(u32::try_from(i).unwrap_or(0)), Some(terms));
    }
    let mut usage = vec![Usage::default(); n];
    elastic.step(Duration::from_secs(1), &usage);
    while bytes.more() {
        let who = usize::from(bytes.u8()) % n;
        if let Some(demand) = demands.get_mut(who) {
            *demand = bytes.rate() % 2_000_000_000;
        }
        // Two intervals of the same demand: the first is where it is seen, the second where it is served.
        for served in [false, true] {
            let mut sent = 0_u128;
            for (i, use_) in usage.iter_mut().enumerate() {
                let given = elastic
                    .allocation(Slot(u32::try_from(i).unwrap_or(0)))
                    .unwrap_or_default()
                    .bits();
                let wants = demands.get(i).copied().unwrap_or(0);
                let guarantee = guarantees.get(i).copied().unwrap_or(0);
                let due = wants.min(guarantee);
                assert!(!served || given >= due, "{given} given, {due} due");
                sent += u128::from(wants.min(given));
                let backlog = if wants > given { u32::MAX } else { 0 };
                *use_ = Usage {
                    sent: Rate::from_bits(wants.min(given)),
                    backlog,
                    overlimits: 0,
                };
            }
            // Each may reach its guarantee at any time. Once those who want theirs are seen, all that is sent fits in.
            let capacity = elastic.capacity();
            assert!(
                !served || sent <= u128::from(capacity.bits()),
                "{sent} sent"
            );
            elastic.step(Duration::from_secs(1), &usage);
            assert!(
                elastic.allocated() <= elastic.capacity(),
                "sum over capacity"
            );
        }
    }
}
