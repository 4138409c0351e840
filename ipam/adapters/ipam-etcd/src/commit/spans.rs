//! Guards, one a key or in ranges where etcd takes no more.

use crate::keys::{Keys, after};
use ipam::store::{Guard, Revision};

/// Guards of the keys from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span<'a> {
    pub(super) first: &'a str,
    pub(super) last: &'a str,
    /// As little as is known of any of them.
    pub(super) since: Revision,
    pub(super) absent: bool,
}

impl<'a> Span<'a> {
    pub(super) fn of(guard: &'a Guard) -> Self {
        Self {
            first: &guard.key,
            last: &guard.key,
            since: guard.since,
            absent: guard.absent,
        }
    }

    /// Both, and what lies between.
    fn join(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            since: self.since.min(other.since),
            absent: self.absent && other.absent,
        }
    }

    pub(super) fn range(
        &self,
        keys: &Keys,
        name: fn(&Keys, &str) -> Vec<u8>,
    ) -> (Vec<u8>, Vec<u8>) {
        let end = match self.first == self.last {
            true => Vec::new(),
            false => after(name(keys, self.last)),
        };
        (name(keys, self.first), end)
    }
}

/// The guards, each for itself and in their order; or, where they are more than `most`, ranges that cover them. Of absent keys and of others
/// there are ranges of their own: `None` where there is room for one of both.
pub(super) fn spans(guards: &[Guard], most: usize) -> Option<Vec<Span<'_>>> {
    if guards.len() <= most {
        return Some(guards.iter().map(Span::of).collect());
    }
    let mut parts = [Vec::new(), Vec::new()];
    for guard in guards {
        parts[usize::from(guard.absent)].push(Span::of(guard));
    }
    let shares = match parts.each_ref().map(Vec::len) {
        [0, _] => [0, most],
        [_, 0] => [most, 0],
        _ if most < 2 => return None,
        _ => [most.div_ceil(2), most / 2],
    };
    let mut spans = Vec::new();
    for (mut part, share) in parts.into_iter().zip(shares) {
        part.sort_unstable_by_key(|span| span.first);
        let length = part.len().div_ceil(share.max(1)).max(1);
        let joined = part.chunks(length);
        spans.extend(joined.filter_map(|part| part.iter().copied().reduce(Span::join)));
    }
    Some(spans)
}
