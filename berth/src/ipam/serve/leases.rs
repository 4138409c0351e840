//! Until when each lease's addresses may be used, by the host's own monotonic clock.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// A lease as the store tells of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) sequence: u64,
    /// How long it lasts from a renewal on.
    pub(super) length: Duration,
    /// How much of that is left.
    pub(super) left: Duration,
}

#[derive(Debug)]
struct Known {
    sequence: u64,
    usable_until: Instant,
    /// Whether its end was told.
    over: bool,
}

/// The leases of a host's claims.
#[derive(Debug)]
pub(super) struct Leases {
    margin: Duration,
    known: BTreeMap<String, Known>,
}

impl Leases {
    pub(super) fn new(margin: Duration) -> Self {
        let known = BTreeMap::new();
        Self { margin, known }
    }

    /// A lease that was seen in the store by a request that was sent at `sent`. Whether it is time to renew it: a third of it is
    /// over, as DHCP clients wait for half (RFC 2131, 4.4.5) and have fewer tries left then.
    pub(super) fn see(&mut self, owner: &str, told: Told, sent: Instant) -> bool {
        let usable_until = sent + told.left.saturating_sub(self.margin_of(told.length));
        match self.known.get_mut(owner) {
            // Renewed by somebody else, or for the first time.
            Some(known) if known.sequence == told.sequence && !known.over => {
                known.usable_until = known.usable_until.max(usable_until);
            }
            Some(known) if known.sequence == told.sequence => {}
            _ => self.insert(owner, told.sequence, usable_until),
        }
        told.left <= told.length - told.length / 3
    }

    /// A lease was renewed by a request that was sent at `sent`.
    pub(super) fn renewed(&mut self, owner: &str, told: Told, sent: Instant) {
        let usable_until = sent + told.length.saturating_sub(self.margin_of(told.length));
        self.insert(owner, told.sequence, usable_until);
    }

    fn insert(&mut self, owner: &str, sequence: u64, usable_until: Instant) {
        let over = false;
        let known = Known {
            sequence,
            usable_until,
            over,
        };
        self.known.insert(owner.to_owned(), known);
    }

    /// A short lease would be all margin.
    fn margin_of(&self, length: Duration) -> Duration {
        self.margin.min(length / 4)
    }

    /// Those whose addresses may no longer be used, each told once.
    pub(super) fn over(&mut self, now: Instant) -> Vec<String> {
        let over = self
            .known
            .iter_mut()
            .filter(|(_, known)| !known.over && known.usable_until <= now);
        let tell = |(owner, known): (&String, &mut Known)| {
            known.over = true;
            owner.clone()
        };
        over.map(tell).collect()
    }

    /// Drops what the store no longer has a lease of; those that were not told of as over.
    pub(super) fn retain(&mut self, there: impl Fn(&str) -> bool) -> Vec<String> {
        let mut gone = Vec::new();
        self.known.retain(|owner, known| {
            let stays = there(owner);
            if !stays && !known.over {
                gone.push(owner.clone());
            }
            stays
        });
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn told(left: u32) -> Told {
        Told {
            sequence: 1,
            length: SECOND * 60,
            left: SECOND * left,
        }
    }

    #[test]
    fn a_lease_is_renewed_when_a_third_of_it_is_over() {
        let (mut leases, start) = (Leases::new(SECOND * 5), Instant::now());
        assert!(!leases.see("a", told(60), start));
        assert!(!leases.see("a", told(41), start));
        assert!(leases.see("a", told(40), start));
    }

    #[test]
    fn an_address_is_usable_until_the_margin_and_its_end_is_told_once() {
        let (mut leases, start) = (Leases::new(SECOND * 5), Instant::now());
        leases.see("a", told(60), start);
        assert_eq!(leases.over(start + SECOND * 54), Vec::<String>::new());
        assert_eq!(leases.over(start + SECOND * 55), ["a"]);
        assert_eq!(leases.over(start + SECOND * 56), Vec::<String>::new());
        // Seeing it once more in a store that stands still begins nothing anew.
        leases.see("a", told(60), start + SECOND * 57);
        assert_eq!(leases.over(start + SECOND * 300), Vec::<String>::new());
        assert_eq!(leases.retain(|_| false), Vec::<String>::new());
    }

    #[test]
    fn a_renewal_counts_from_when_it_was_sent() {
        let (mut leases, start) = (Leases::new(SECOND * 5), Instant::now());
        leases.see("a", told(60), start);
        leases.renewed("a", told(40), start + SECOND * 20);
        assert_eq!(leases.over(start + SECOND * 74), Vec::<String>::new());
        assert_eq!(leases.over(start + SECOND * 75), ["a"]);
    }

    #[test]
    fn a_margin_is_a_quarter_of_a_short_lease_at_the_most() {
        let (mut leases, start) = (Leases::new(SECOND * 5), Instant::now());
        let short = Told {
            sequence: 1,
            length: SECOND * 8,
            left: SECOND * 8,
        };
        leases.see("a", short, start);
        assert_eq!(leases.over(start + SECOND * 5), Vec::<String>::new());
        assert_eq!(leases.over(start + SECOND * 6), ["a"]);
    }

    #[test]
    fn what_another_took_is_told_of_and_forgotten() {
        let (mut leases, start) = (Leases::new(SECOND * 5), Instant::now());
        leases.see("a", told(60), start);
        leases.see("b", told(60), start);
        assert_eq!(leases.retain(|owner| owner == "a"), ["b"]);
        assert_eq!(leases.over(start + SECOND * 55), ["a"]);
    }
}
