//! Bounds of weights and of GSO packets.

/// Least bytes of a turn: the largest GSO packet of a device that was not told otherwise (`GSO_LEGACY_MAX_SIZE` in Linux).
pub(super) const TURN_LEAST: u32 = 65_536;

/// Largest GSO packet that a device can be told to take (`GSO_MAX_SIZE`: 8 · 65,535).
const GSO_MOST: u32 = 524_280;

/// Greatest weight; the smallest is 1, so that no two are further apart than 1 to 1,000. The largest quantum is then 524 MB, which
/// HTB's 32-bit signed deficit holds.
pub(crate) const WEIGHT_MOST: u32 = 1_000;

/// What is known of a device that a tree is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct On {
    /// Major number of its root qdisc.
    pub(crate) major: u16,
    /// Largest GSO packet that may come to it, in bytes.
    pub(crate) gso: u32,
    /// Quantum of a class that shares with nobody: any will do, so that the one it has stays.
    pub(crate) alone: u32,
}

/// The largest GSO packet that has to be reckoned with: at least what every kernel makes, at most what one can be told to.
pub(crate) fn gso(said: u32) -> u32 {
    said.clamp(TURN_LEAST, GSO_MOST)
}
