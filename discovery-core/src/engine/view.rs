//! A service as a whole, as its source sees it: each record is taken by itself, bad ones are reported.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use crate::effect::Effect;
use crate::endpoint::{EndpointSpec, MAX_NAME};
use crate::error::InputError;
use crate::id::ServiceId;

/// The records of one snapshot of a source, with their order by name.
pub(super) struct View<'a> {
    records: &'a [(&'a str, EndpointSpec)],
    /// Places in order of names, the first of one name first.
    order: Vec<usize>,
}

impl<'a> View<'a> {
    /// O(n log n).
    pub(super) fn new(records: &'a [(&'a str, EndpointSpec)]) -> Self {
        let mut order: Vec<usize> = (0..records.len()).collect();
        order.sort_by_key(|&i| records.get(i).map_or("", |e| e.0));
        Self { records, order }
    }

    fn name(&self, place: usize) -> &'a str {
        self.records.get(place).map_or("", |e| e.0)
    }

    /// Whether a record has this name. O(log n).
    pub(super) fn has(&self, name: &str) -> bool {
        let found = self.order.binary_search_by(|&i| self.name(i).cmp(name));
        found.is_ok()
    }

    /// For each record whether it is taken, as one of this service: `Ok(None)` for one that repeats another to the letter.
    pub(super) fn judged(
        &self,
        id: ServiceId,
    ) -> impl Iterator<Item = (usize, &'a str, Result<Option<EndpointSpec>, InputError>)> {
        let records = self.records;
        let firsts = self.firsts();
        records
            .iter()
            .zip(firsts)
            .enumerate()
            .map(move |(entry, ((name, spec), first))| {
                let first = first.map(|first| (first, records.get(first)));
                let verdict = match first {
                    Some((_, Some((_, other)))) if other == spec => Ok(None),
                    Some((first, _)) => Err(InputError::Twice {
                        first,
                        second: entry,
                    }),
                    None if spec.service != id => Err(InputError::OtherService {
                        holder: id,
                        given: spec.service,
                    }),
                    None => Ok(Some(*spec)),
                };
                (entry, *name, verdict)
            })
    }

    /// For each record whose name stood before, where it stood first.
    fn firsts(&self) -> Vec<Option<usize>> {
        let mut firsts = alloc::vec![None; self.records.len()];
        let mut first = None;
        for &i in &self.order {
            match first {
                Some(f) if self.name(f) == self.name(i) => {
                    if let Some(place) = firsts.get_mut(i) {
                        *place = Some(f);
                    }
                }
                _ => first = Some(i),
            }
        }
        firsts
    }
}

/// A record was not taken.
pub(super) fn rejected(
    service: ServiceId,
    entry: usize,
    name: &str,
    problem: InputError,
) -> Effect {
    // A name that is too long is not repeated in full.
    let short = (0..=MAX_NAME.min(name.len()))
        .rev()
        .find_map(|end| name.get(..end));
    Effect::Rejected {
        service,
        entry: u32::try_from(entry).unwrap_or(u32::MAX),
        name: Box::from(short.unwrap_or_default()),
        problem: problem.to_string().into_boxed_str(),
    }
}
