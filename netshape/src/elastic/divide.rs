//! Weighted max-min division with lower and upper bounds, exact, in integers.
//!
//! The one level λ is sought at which Σ clamp(λ·weight, floor, cap) is the capacity. It is found by narrowing a bracket
//! around it: what lies outside the bracket is settled and never looked at again. Two guesses either side of λ, found in
//! floating point, leave little between them; the claims' own breakpoints (floor/weight, cap/weight) are the pivots from
//! there on, so the expected work is linear. Every step of the bracket is exact, whatever the guess: the result does not
//! depend on the pivots, and so not on the order of the claims.

use alloc::vec::Vec;

/// One claim on the capacity, in bit/s. A `cap` below the `floor` counts as the floor, a `weight` of 0 as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Gets at least this much.
    pub floor: u64,
    /// Gets at most this much.
    pub cap: u64,
    /// Share in what is divided.
    pub weight: u32,
}

/// Buffers that [`divide`] reuses from call to call.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    open: Vec<u32>,
}

impl Scratch {
    /// Empty buffers.
    #[must_use]
    pub const fn new() -> Self {
        Self { open: Vec::new() }
    }
}

/// Rounds that a guess may take, and how far from it, relatively, its two levels are.
const GUESS_ROUNDS: usize = 8;
const GUESS_WIDTH: f64 = 1e-6;

/// A level: `rate / weight`.
#[derive(Clone, Copy)]
struct Level {
    rate: u64,
    weight: u32,
}

impl Level {
    /// Compares `rate` of a claim of `weight` with this level.
    fn reached(self, rate: u64, weight: u32) -> core::cmp::Ordering {
        (u128::from(self.rate) * u128::from(weight))
            .cmp(&(u128::from(rate) * u128::from(self.weight)))
    }
}

/// Divides `capacity` among claims: the `i`-th of `out` is the `i`-th claim's share. The sum is min(capacity, Σ caps)
/// exactly, as long as the floors fit in; a claim above its floor has, weight for weight, no more than any claim below
/// its cap, to within 1 bit/s. Single bits that do not divide go to the first claims by `key`, which must tell them
/// apart for the result not to depend on their order. Floors that don't fit in are all that is given, cut in the order
/// of `key`. Expected O(n).
///
/// ```
/// use netshape::elastic::{Claim, Scratch, divide};
///
/// let claims = [
///     Claim { floor: 0, cap: 100, weight: 1 },
///     Claim { floor: 50, cap: 100, weight: 1 }, // has 50 whatever happens
///     Claim { floor: 0, cap: 10, weight: 8 },   // wants 10 and no more
/// ];
/// let (mut scratch, mut shares) = (Scratch::new(), Vec::new());
/// divide(100, &claims, |i| i as u64, &mut scratch, &mut shares);
/// assert_eq!(shares, [40, 50, 10]);
/// ```
#[doc(alias = "max-min")]
#[doc(alias = "water-filling")]
pub fn divide(
    capacity: u64,
    claims: &[Claim],
    key: impl Fn(usize) -> u64,
    scratch: &mut Scratch,
    out: &mut Vec<u64>,
) {
    out.clear();
    let sum = |of: fn(&Claim) -> u64| claims.iter().map(|c| u128::from(of(c))).sum::<u128>();
    if sum(|c| c.cap.max(c.floor)) <= u128::from(capacity) {
        out.extend(claims.iter().map(|c| c.cap.max(c.floor)));
        return;
    }
    if sum(|c| c.floor) >= u128::from(capacity) {
        out.extend(claims.iter().map(|c| c.floor));
        return cut(capacity, key, scratch, out);
    }
    let (settled, weights) = level(capacity, claims, scratch);
    let left = u128::from(capacity).saturating_sub(settled);
    // λ = left / weights; what remains of it is less than one bit a claim.
    let mut given = 0_u128;
    scratch.open.clear();
    for (i, claim) in claims.iter().enumerate() {
        let (floor, cap, weight) = (claim.floor, claim.cap.max(claim.floor), claim.weight.max(1));
        let share = match weights {
            0 => u128::from(cap),
            w => proportion(left, weight, w),
        };
        let share = u64::try_from(share).unwrap_or(u64::MAX).clamp(floor, cap);
        if share < cap && share >= floor {
            scratch.open.push(u32::try_from(i).unwrap_or(u32::MAX));
        }
        given += u128::from(share);
        out.push(share);
    }
    let rest = usize::try_from(u128::from(capacity).saturating_sub(given)).unwrap_or(0);
    single_bits(rest, left, weights, claims, key, scratch, out);
}

/// `left · weight / weights`, in 64 bits where that is enough: a 128-bit division takes many times as long.
fn proportion(left: u128, weight: u32, weights: u128) -> u128 {
    let product = left.saturating_mul(u128::from(weight));
    match (u64::try_from(product), u64::try_from(weights)) {
        (Ok(product), Ok(weights)) => u128::from(product.checked_div(weights).unwrap_or(0)),
        _ => product.checked_div(weights).unwrap_or(0),
    }
}

/// Hands out the bits that did not divide, one each, among the claims that stand at the level.
fn single_bits(
    rest: usize,
    left: u128,
    weights: u128,
    claims: &[Claim],
    key: impl Fn(usize) -> u64,
    scratch: &mut Scratch,
    out: &mut [u64],
) {
    if rest == 0 {
        return;
    }
    // A claim held up by its floor has had more than its share already.
    scratch.open.retain(|i| {
        let claim = claims.get(*i as usize);
        claim.is_some_and(|c| {
            left * u128::from(c.weight.max(1)) >= u128::from(c.floor) * weights && weights > 0
        })
    });
    let rest = rest.min(scratch.open.len());
    if rest < scratch.open.len() {
        scratch
            .open
            .select_nth_unstable_by_key(rest, |i| key(*i as usize));
    }
    for i in scratch.open.iter().take(rest) {
        if let Some(share) = out.get_mut(*i as usize) {
            *share = share.saturating_add(1);
        }
    }
}

/// Floors over the capacity: the last by key are cut until the rest fits in.
fn cut(capacity: u64, key: impl Fn(usize) -> u64, scratch: &mut Scratch, out: &mut [u64]) {
    scratch.open.clear();
    scratch
        .open
        .extend((0..out.len()).map(|i| u32::try_from(i).unwrap_or(u32::MAX)));
    scratch.open.sort_unstable_by_key(|i| key(*i as usize));
    let mut left = capacity;
    for i in &scratch.open {
        if let Some(share) = out.get_mut(*i as usize) {
            *share = (*share).min(left);
            left -= *share;
        }
    }
}

/// What is settled at the level sought (floors above it and caps below it), and the weights of the claims at it.
fn level(capacity: u64, claims: &[Claim], scratch: &mut Scratch) -> (u128, u128) {
    use core::cmp::Ordering::{Greater, Less};
    let open = &mut scratch.open;
    open.clear();
    open.extend((0..claims.len()).map(|i| u32::try_from(i).unwrap_or(u32::MAX)));
    let (mut settled, mut weights) = (0_u128, 0_u128);
    let (mut low, mut high): (Level, Option<Level>) = (Level { rate: 0, weight: 1 }, None);
    for pivot in guesses(capacity, claims) {
        if at_most(capacity, pivot, open, claims, settled, weights) {
            low = pivot;
        } else {
            high = Some(pivot);
        }
        settle(open, claims, low, high, &mut settled, &mut weights);
    }
    while let Some(claim) = open
        .get(open.len() / 2)
        .and_then(|i| claims.get(*i as usize))
    {
        let (floor, cap, weight) = bounds(claim);
        // One breakpoint of the middle claim that is inside the bracket.
        let below = |rate| high.is_none_or(|h: Level| h.reached(rate, weight) == Greater);
        let pivot = if low.reached(floor, weight) == Less && below(floor) {
            Level {
                rate: floor,
                weight,
            }
        } else if low.reached(cap, weight) == Less && below(cap) {
            Level { rate: cap, weight }
        } else {
            settle(open, claims, low, high, &mut settled, &mut weights);
            continue;
        };
        if at_most(capacity, pivot, open, claims, settled, weights) {
            low = pivot;
        } else {
            high = Some(pivot);
        }
        settle(open, claims, low, high, &mut settled, &mut weights);
    }
    (settled, weights)
}

/// Whether what is taken at a level is the capacity at the most, given what is settled and the weights at the level sought.
fn at_most(
    capacity: u64,
    pivot: Level,
    open: &[u32],
    claims: &[Claim],
    settled: u128,
    weights: u128,
) -> bool {
    use core::cmp::Ordering::{Greater, Less};
    let (mut fixed, mut moving) = (settled, weights);
    for claim in open.iter().filter_map(|i| claims.get(*i as usize)) {
        let (floor, cap, weight) = bounds(claim);
        if pivot.reached(floor, weight) != Greater {
            fixed += u128::from(floor);
        } else if pivot.reached(cap, weight) != Less {
            fixed += u128::from(cap);
        } else {
            moving += u128::from(weight);
        }
    }
    let per = u128::from(pivot.weight);
    let taken = fixed
        .saturating_mul(per)
        .saturating_add(moving.saturating_mul(u128::from(pivot.rate)));
    taken <= u128::from(capacity) * per
}

/// A level a little below and one a little above where the level sought should be: from the mean on, each round divides among
/// the claims between their bounds what the others leave. Wrong ones cost time and nothing else.
fn guesses(capacity: u64, claims: &[Claim]) -> [Level; 2] {
    let mut level = 0.0_f64;
    for round in 0..GUESS_ROUNDS {
        let (mut fixed, mut moving) = (0.0_f64, 0.0_f64);
        for claim in claims {
            let (floor, cap, weight) = bounds(claim);
            let (floor, cap, weight) = (floor as f64, cap as f64, f64::from(weight));
            let at = level * weight;
            let free = round == 0 || (floor < at && at < cap);
            moving += if free { weight } else { 0.0 };
            fixed += if free { 0.0 } else { at.clamp(floor, cap) };
        }
        let next = (capacity as f64 - fixed) / moving;
        if !next.is_finite() || (next - level).abs() <= level * GUESS_WIDTH {
            break;
        }
        level = next;
    }
    let around = |factor: f64| Level {
        rate: (level * factor) as u64,
        weight: 1,
    };
    [around(1.0 - GUESS_WIDTH), around(1.0 + GUESS_WIDTH)]
}

fn bounds(claim: &Claim) -> (u64, u64, u32) {
    (claim.floor, claim.cap.max(claim.floor), claim.weight.max(1))
}

/// Takes out of `open` whatever the bracket decides.
fn settle(
    open: &mut Vec<u32>,
    claims: &[Claim],
    low: Level,
    high: Option<Level>,
    settled: &mut u128,
    weights: &mut u128,
) {
    use core::cmp::Ordering::{Greater, Less};
    open.retain(|i| {
        let Some(claim) = claims.get(*i as usize) else {
            return false;
        };
        let (floor, cap, weight) = bounds(claim);
        if low.reached(cap, weight) != Less {
            *settled += u128::from(cap);
            return false;
        }
        let Some(high) = high else { return true };
        if high.reached(floor, weight) != Greater {
            *settled += u128::from(floor);
            return false;
        }
        if low.reached(floor, weight) != Less && high.reached(cap, weight) != Greater {
            *weights += u128::from(weight);
            return false;
        }
        true
    });
}
