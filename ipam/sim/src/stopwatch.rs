//! The store's clock, which loses what it has counted when another member begins to count.

use crate::net::{Answer, Ask};
use ipam::Timestamp;
use ipam::store::{Elapsed, Started};
use std::collections::BTreeMap;
use std::time::Duration;

/// The store's stopwatches, as etcd's leases are some.
#[derive(Debug, Default)]
pub(crate) struct Stopwatches {
    /// From when each counts, by the true time.
    from: BTreeMap<u64, Timestamp>,
    started: u64,
    term: u64,
}

impl Stopwatches {
    /// The answer to what is asked of them.
    pub(crate) fn answer(&mut self, ask: &Ask, now: Timestamp) -> Option<Answer> {
        Some(match ask {
            Ask::Start => {
                self.started += 1;
                self.from.insert(self.started, now);
                Answer::Started(Some(Started {
                    stopwatch: self.started,
                    term: self.term,
                }))
            }
            Ask::Show(stopwatch) => Answer::Shown(self.elapsed(*stopwatch, now)),
            Ask::Stop(stopwatch) => {
                self.from.remove(stopwatch);
                Answer::Stopped
            }
            _ => return None,
        })
    }

    /// What one shows: no more than has passed, in whole seconds.
    pub(crate) fn elapsed(&self, stopwatch: u64, now: Timestamp) -> Option<Elapsed> {
        let from = self.from.get(&stopwatch)?;
        let passed = now.since(*from).saturating_sub(Duration::from_nanos(1));
        Some(Elapsed {
            time: Duration::from_secs(passed.as_secs()),
            term: self.term,
        })
    }

    /// Another member counts: it knows that permille of what was counted.
    pub(crate) fn elect(&mut self, now: Timestamp, known: u64) {
        self.term += 1;
        for from in self.from.values_mut() {
            let lost = now.since(*from).as_nanos() * u128::from(1000 - known) / 1000;
            *from = from.after(Duration::from_nanos(lost as u64));
        }
    }

    /// Somebody removes them.
    pub(crate) fn clear(&mut self) {
        self.from.clear();
    }
}
