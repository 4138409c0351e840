//! Who is missing, and what counts as a sign of life.

use super::{Holding, Model};
use crate::{Change, Timestamp, change::ChangeKind};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

impl Model {
    /// Everyone but the owners of one remainder is missing; the pass began a second ago.
    pub(super) fn reconcile(&mut self, alive: u8) {
        let began = Timestamp::from_nanos(self.now.as_nanos() - 1_000_000_000);
        let grace = Duration::from_secs(30);
        let lives = |owner: &str| {
            owner
                .trim_start_matches('c')
                .parse::<u8>()
                .is_ok_and(|n| n % 3 == alive % 3)
        };
        let (mut suspects, mut gone) = (Vec::new(), Vec::new());
        for (owner, holding) in &mut self.holdings {
            if lives(owner) {
                holding.missing = None;
            } else if holding.seen < began {
                let since = *holding.missing.get_or_insert(self.now);
                let over = since < began && since.after(grace) <= self.now;
                let list = if over { &mut gone } else { &mut suspects };
                list.push(owner.clone());
            }
        }
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        let out = self.ipam.decide_reconcile(began, grace, lives);
        assert_eq!(out.suspects, sorted(suspects), "other suspects");
        assert_eq!(out.released, sorted(gone), "others are gone");
        self.carry_out(out.changes);
    }

    /// A claim repeated by its owner is written again where that is asked for: by suspicion, by half of the lease
    /// being over, or all of it.
    pub(super) fn check_repeated(&self, had: &Holding, changes: &[Change<'_>]) {
        let half_over = had.until.is_some_and(|until| {
            let length = until.since(had.seen);
            self.now >= had.seen.after(length / 2)
        });
        let asked = had.missing.is_some() || half_over;
        match changes {
            [] => assert!(!asked, "a sign of life went unnoticed: {had:?}"),
            [change] => {
                assert!(asked, "{change} was not asked for");
                let (ChangeKind::Renewed { until, .. } | ChangeKind::Reissued { until, .. }) =
                    &change.kind
                else {
                    panic!("a repeated claim gave {change}");
                };
                assert!(
                    until.is_none() || (had.until.is_some() && *until >= had.until),
                    "a repeated claim cut a lease short: {change}, {had:?}"
                );
            }
            more => panic!("a repeated claim gave {more:?}"),
        }
    }
}
