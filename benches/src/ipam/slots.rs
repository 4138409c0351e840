//! The bitmap of free slots alone.

use crate::Measured;
use crate::measure::ns_per_call;
use ipam::{rng::stream, testing::SlotTree};
use rand::RngExt as _;

/// A tree of 2^bits slots of which the lowest per cent are taken, but for as many gaps spread over them.
fn tree(prefix: u32, full: u64, random: bool) -> (SlotTree, u32) {
    let len = 1u32 << (32 - prefix);
    let mut tree = SlotTree::from(0..len);
    let taken = (u64::from(len) * full / 100) as u32;
    let mut rng = stream(1, "fill");
    if random {
        while tree.free_count() > len - taken {
            tree.take(rng.random_range(0..u64::from(len)) as u32);
        }
    } else {
        tree.fill(0..taken, false);
    }
    (tree, len)
}

/// Takes the lowest free slot and gives it back a thousand takes later: each call is one pair.
fn pairs(prefix: u32, full: u64) -> Result<f64, String> {
    let (mut tree, _) = tree(prefix, full, false);
    const LAG: usize = 512;
    let mut ring = [0u32; LAG];
    for slot in &mut ring {
        *slot = tree.take_first().ok_or("the tree is full")?;
    }
    ns_per_call(7, 1_000_000, |i| {
        let slot = &mut ring[i % LAG];
        tree.release(*slot);
        *slot = tree.take_first().unwrap_or_default();
        *slot
    })
}

pub(super) fn slots(prefix: u32, full: u64) -> Result<Measured, String> {
    pairs(prefix, full).map(Measured::alone)
}

pub(super) fn spread() -> Result<Measured, String> {
    let mut all = Vec::new();
    for prefix in [16, 8] {
        for full in [0, 50, 99] {
            all.push(pairs(prefix, full)?);
        }
    }
    let (worst, best) = all
        .iter()
        .fold((0.0f64, f64::INFINITY), |(w, b), &n| (w.max(n), b.min(n)));
    Ok(Measured::alone(worst / best))
}

/// Gives a random taken slot back and takes the lowest free one: each random slot once, in an order made
/// beforehand.
pub(super) fn random_release() -> Result<Measured, String> {
    const OPS: usize = 1_000_000;
    let mut worst = 0.0f64;
    for full in [50, 99] {
        let (mut tree, len) = tree(8, full, true);
        let mut rng = stream(2, "release");
        let mut held: Vec<u32> = (0..len).filter(|&s| !tree.is_free(s)).collect();
        for i in 0..held.len() {
            let other = i + rng.random_range(0..(held.len() - i) as u64) as usize;
            held.swap(i, other);
        }
        let mut next = held.into_iter();
        let ns = ns_per_call(5, OPS, |_| {
            tree.release(next.next().unwrap_or_default());
            tree.take_first()
        })?;
        worst = worst.max(ns);
    }
    Ok(Measured::alone(worst))
}
