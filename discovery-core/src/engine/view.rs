//! A service as a whole, as its source sees it: each record is taken by itself, bad ones are reported.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::Engine;
use crate::effect::Effect;
use crate::endpoint::{EndpointSpec, MAX_NAME};
use crate::error::InputError;
use crate::id::ServiceId;
use crate::time::Timestamp;

type View<'a> = [(&'a str, EndpointSpec)];

impl Engine {
    pub(super) fn snapshot_of(
        &mut self,
        now: Timestamp,
        id: ServiceId,
        view: &View<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let service = self.service_of(id)?;
        let order = by_name(view);
        let name = |i: &usize| view.get(*i).map_or("", |e| e.0);
        // A bad record is no absence: what is known of its endpoint stays.
        let seen = |n: &str| order.binary_search_by(|i| name(i).cmp(n)).is_ok();
        let gone = |i: &u32| self.records.get(*i).is_some_and(|r| !seen(&r.name));
        let lost: Vec<u32> = service.members().filter(gone).collect();
        let mut repeated = repeated(view, &order);
        self.together(now, out, |engine, out| {
            for (entry, (name, spec)) in view.iter().enumerate() {
                let first = repeated.get_mut(entry).and_then(Option::take);
                let taken = match first.map(|first| (first, view.get(first))) {
                    // Two records that say the same are one.
                    Some((_, Some((_, other)))) if other == spec => Ok(()),
                    Some((first, _)) => Err(InputError::Twice {
                        first,
                        second: entry,
                    }),
                    None if spec.service != id => Err(InputError::OtherService {
                        holder: id,
                        given: spec.service,
                    }),
                    None => engine.upsert(now, name, *spec, out),
                };
                if let Err(problem) = taken {
                    out.push(rejected(id, entry, name, problem));
                }
            }
            let service = engine.services.of_mut(id);
            service.settled_at = service.settled_at.min(now);
            let from = out.len();
            engine.lose(now, &lost, out);
            let said = |e: &Effect| matches!(e, Effect::Hold { .. });
            if engine.held(id) > 0 && !out.iter().skip(from).any(said) {
                engine.say_held(id, out);
            }
        });
        Ok(())
    }
}

/// The records' places in order of names, the first of one name first.
fn by_name(view: &View<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..view.len()).collect();
    order.sort_by_key(|&i| view.get(i).map_or("", |e| e.0));
    order
}

/// For each record whose name stood before, where it stood first.
fn repeated(view: &View<'_>, order: &[usize]) -> Vec<Option<usize>> {
    let mut firsts = alloc::vec![None; view.len()];
    let name = |i: usize| view.get(i).map(|e| e.0);
    let mut first = None;
    for &i in order {
        match first {
            Some(f) if name(f) == name(i) => {
                if let Some(place) = firsts.get_mut(i) {
                    *place = Some(f);
                }
            }
            _ => first = Some(i),
        }
    }
    firsts
}

fn rejected(service: ServiceId, entry: usize, name: &str, problem: InputError) -> Effect {
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
