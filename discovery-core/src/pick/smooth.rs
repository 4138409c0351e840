//! nginx's smooth weighted round robin, with its effective weights.

use alloc::vec::Vec;

use super::low_discrepancy::STEP;
use super::picker::{Picker, Request, among};

#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    weight: i64,
    /// Falls with failures, creeps back by 1 a pick.
    effective: i64,
    current: i64,
}

/// nginx's smooth weighted round robin: `current += effective` for all, the largest current is picked (the first on a tie) and loses the sum.
/// A pick is O(slots), a change of weight O(1) and keeps the state.
///
/// Nobody is ahead of its share by a pick, or behind by more than 1/2 + 1/3 + ... + 1/slots: let b be the most that the k
/// furthest behind lack on average. What they lack after a pick that is not theirs, the one picked, who was further
/// behind, lacked as well, so k + 1 lacked it before; hence b(k) <= b(k + 1) + 1 / (k + 1), and b(slots) is 0.
///
/// ```
/// use discovery_core::Picker;
/// use discovery_core::pick::{Request, SmoothRoundRobin};
///
/// let mut picker = SmoothRoundRobin::new(&[5, 1, 1]);
/// let picks: Vec<_> = (0..7).filter_map(|_| picker.pick(&Request::default())).collect();
/// assert_eq!(picks, [0, 0, 1, 0, 2, 0, 0]);
/// ```
#[doc(alias = "nginx")]
#[doc(alias = "smooth weighted round robin")]
#[doc(alias = "swrr")]
#[derive(Clone, Debug, Default)]
pub struct SmoothRoundRobin {
    peers: Vec<Peer>,
    /// The phase of retries, which go by a sequence of their own.
    retries: u64,
}

impl SmoothRoundRobin {
    /// Slots of these weights.
    #[must_use]
    pub fn new(weights: &[u32]) -> Self {
        let peer = |&w: &u32| Peer {
            weight: i64::from(w),
            effective: i64::from(w),
            current: 0,
        };
        Self {
            peers: weights.iter().map(peer).collect(),
            retries: 0,
        }
    }

    /// A call to the slot failed: its effective weight loses `weight / max_fails` (at least nothing is left
    /// of it), and recovers by 1 with each pick.
    pub fn failed(&mut self, slot: usize, max_fails: u32) {
        if let Some(peer) = self.peers.get_mut(slot) {
            let loss = peer.weight.checked_div(i64::from(max_fails)).unwrap_or(0);
            peer.effective = (peer.effective - loss).max(0);
        }
    }
}

impl Picker for SmoothRoundRobin {
    fn pick(&mut self, _request: &Request) -> Option<usize> {
        let (mut total, mut best): (i64, Option<(usize, i64)>) = (0, None);
        for (slot, peer) in self
            .peers
            .iter_mut()
            .enumerate()
            .filter(|(_, p)| p.weight > 0)
        {
            peer.current += peer.effective;
            total += peer.effective;
            if peer.effective < peer.weight {
                peer.effective += 1;
            }
            if best.is_none_or(|(_, most)| peer.current > most) {
                best = Some((slot, peer.current));
            }
        }
        let (slot, _) = best?;
        if let Some(peer) = self.peers.get_mut(slot) {
            peer.current -= total;
        }
        Some(slot)
    }

    /// By a sequence of their own: retries leave the order of ordinary picks alone.
    fn pick_except(&mut self, _request: &Request, tried: &[usize]) -> Option<usize> {
        self.retries = self.retries.wrapping_add(STEP);
        among(
            self.retries,
            self.peers.iter().map(|p| p.weight as u32),
            tried,
        )
    }

    fn set_weight(&mut self, slot: usize, weight: u32) {
        if slot >= self.peers.len() {
            if weight == 0 {
                return;
            }
            self.peers.resize(slot + 1, Peer::default());
        }
        if let Some(peer) = self.peers.get_mut(slot) {
            let new = i64::from(weight);
            // A failing peer keeps what it lost; the state of all goes on (Dubbo throws it away here).
            peer.effective = (peer.effective + new - peer.weight).clamp(0, new);
            peer.weight = new;
            if new == 0 {
                peer.current = 0;
            }
        }
    }

    fn weight(&self, slot: usize) -> u32 {
        self.peers.get(slot).map_or(0, |p| p.weight as u32)
    }

    fn slots(&self) -> usize {
        self.peers.len()
    }
}
