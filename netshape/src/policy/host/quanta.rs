//! Turns: how many bytes a class sends before its neighbour's turn, which is what weights come down to in HTB.
//!
//! A class sends at least one whole packet in its turn, and a GSO packet has up to 64 KiB: quanta below that give equal shares
//! whatever the weights are. So the smallest weight has one GSO packet, and the others as many times that as they weigh more.

use super::wanted::Host;

impl Host {
    /// Bytes of a turn for a weight: `weight / least weight` GSO packets, rounded up to a byte.
    pub(crate) fn quantum(&self, weight: u32, gso: u32) -> u32 {
        let least = self.least_weight.max(1);
        let bytes = u64::from(weight.max(least)) * u64::from(gso);
        u32::try_from(bytes.div_ceil(u64::from(least))).unwrap_or(u32::MAX)
    }

    /// Counts a weight that shares the uplink in or out; says whether the smallest one is another now, which changes all quanta.
    pub(super) fn count_weight(&mut self, weight: u32, comes: bool) -> bool {
        let count = self.weights.entry(weight).or_default();
        *count = match comes {
            true => count.saturating_add(1),
            false => count.saturating_sub(1),
        };
        if *count == 0 {
            self.weights.remove(&weight);
        }
        let declared = self.tiers.iter().map(|t| t.tier.weight);
        let shared = self.weights.first_key_value().map(|(w, _)| *w);
        let least = declared.chain(shared).min().unwrap_or(1);
        core::mem::replace(&mut self.least_weight, least) != least
    }
}
