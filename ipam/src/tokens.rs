//! Fencing tokens: each claim's sequence number is above all that were given before it, also of claims that are gone.

use crate::store::MOST_COUNT;

/// The numbers given so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    latest: u64,
    /// Added to the store's revision it is behind every number still to be given.
    base: u64,
}

/// Added to the latest number that is still known where the record that tells where counting began is damaged: more than a
/// store has commits.
const BEYOND: u64 = 1 << 40;

impl Tokens {
    #[inline]
    pub(crate) fn latest(&self) -> u64 {
        self.latest
    }

    /// The next to be given; checked against [`MOST_COUNT`] before it is.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.latest.saturating_add(1)
    }

    /// A number was given, here or elsewhere.
    #[inline]
    pub(crate) fn note(&mut self, given: u64) {
        self.latest = self.latest.max(given);
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Counting began there, as the store's own record says.
    pub(crate) fn begin(&mut self, base: u64) {
        self.base = base;
        self.note(base);
    }

    /// Where counting began is not known any more: it goes on far above what is known.
    pub(crate) fn begin_anew(&mut self) {
        self.base = self.latest.saturating_add(BEYOND).min(MOST_COUNT);
    }

    /// Sees to it that a store whose next commit is of this revision has then counted all that were given, however many
    /// that commit gives: where counting began before, if that was not so.
    pub(crate) fn begin_later(&mut self, revision: u64) -> Option<u64> {
        let missing = self
            .latest
            .saturating_sub(self.base.saturating_add(revision));
        let later = self.base.saturating_add(missing);
        (missing > 0).then(|| core::mem::replace(&mut self.base, later))
    }

    /// Counting began there after all.
    pub(crate) fn begin_again(&mut self, base: u64) {
        self.base = base;
    }

    /// A store's revision: numbers come after every commit, also after those whose claims are gone.
    pub(crate) fn count(&mut self, revision: u64) {
        self.note(self.base.saturating_add(revision));
    }
}
