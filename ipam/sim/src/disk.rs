//! The store's side: what it holds, and the bugs that can be put into it.

use crate::Bug;
use crate::net::{Answer, Ask, Reply, Sent};
use crate::stopwatch::Stopwatches;
use crate::world::World;
use ipam::Store as _;
use ipam::store::{Event, MemoryStore, Record, StoreError, Txn, Watched, ready};

/// A store in memory, and its clock.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) memory: MemoryStore,
    pub(crate) clock: Stopwatches,
    pub(crate) bug: Option<Bug>,
}

impl World {
    /// Does what a message asks.
    pub(crate) fn serve(&mut self, sent: Sent) -> Reply {
        if let Some(answer) = self.disk.clock.answer(&sent.ask, self.now) {
            return Ok(answer);
        }
        let Ask::Commit(txn) = sent.ask else {
            return self.disk.read(sent.ask);
        };
        let txn = self.disk.altered(txn);
        let (put, delete) = (txn.put.clone(), txn.delete.clone());
        let reply = never_waits(ready(self.disk.memory.commit(txn)));
        match &reply {
            Ok(_) => {
                self.count("commit");
                self.note(sent.host, || {
                    let keys = put.iter().map(|(key, _)| key).chain(&delete);
                    let keys: Vec<_> = keys.map(String::as_str).collect();
                    format!("  commit of `{}`: {}", sent.operation.name, keys.join(" "))
                });
                self.committed(&sent.operation, put, delete);
            }
            Err(_) => self.count("conflict"),
        }
        reply.map(Answer::Committed)
    }
}

impl Disk {
    fn read(&mut self, ask: Ask) -> Reply {
        let memory = &mut self.memory;
        let asked = match &ask {
            Ask::Get(keys) if self.bug == Some(Bug::DamageGiven) => keys.clone(),
            _ => Vec::new(),
        };
        let mut answer = match ask {
            Ask::Get(keys) => never_waits(ready(memory.get(&keys)))
                .map(|(values, revision)| Answer::Values(values, revision)),
            Ask::List {
                prefix,
                after,
                limit,
            } => {
                never_waits(ready(memory.list(&prefix, after.as_deref(), limit))).map(Answer::Page)
            }
            Ask::Watch { prefix, from } => {
                never_waits(ready(memory.watch(&prefix, from))).map(Answer::Watched)
            }
            Ask::Commit(txn) => never_waits(ready(memory.commit(txn))).map(Answer::Committed),
            Ask::Start | Ask::Show(_) | Ask::Stop(_) => {
                Err(StoreError::Io("its clock answers that".into()))
            }
        }?;
        if self.bug == Some(Bug::DamageGiven) {
            hide_damage(&asked, &mut answer);
        }
        Ok(answer)
    }

    /// A transaction as a store with the bug takes it.
    fn altered(&mut self, mut txn: Txn) -> Txn {
        match self.bug {
            Some(Bug::TwoConfirm) => {
                let of_blocks = |key: &str| key.starts_with("b/") || key.starts_with("s/");
                txn.guards.retain(|guard| !of_blocks(&guard.key));
            }
            Some(Bug::KeepsSuspicion) => {
                for (key, value) in &mut txn.put {
                    if key.starts_with("c/") {
                        let keys = [key.clone()];
                        let before = never_waits(ready(self.memory.get(&keys)));
                        let before = before.ok().and_then(|(mut values, _)| values.pop()?);
                        if let Some(suspected) =
                            before.and_then(|b| still_suspected(key, &b, value))
                        {
                            *value = suspected;
                        }
                    }
                }
            }
            _ => {}
        }
        txn
    }
}

/// A store in memory answers at once.
fn never_waits<T>(answer: Option<Result<T, StoreError>>) -> Result<T, StoreError> {
    answer.unwrap_or_else(|| Err(StoreError::Io("memory was waited for".into())))
}

/// The bug: records that do not decode are answered as absent.
fn hide_damage(asked: &[String], answer: &mut Answer) {
    let sound = |key: &str, value: &[u8]| Record::decode(key, value).is_ok();
    let hide = |key: &str, value: &mut Option<Vec<u8>>| {
        if value.as_deref().is_some_and(|v| !sound(key, v)) {
            *value = None;
        }
    };
    match answer {
        Answer::Values(values, _) => {
            let values = asked.iter().zip(values);
            values.for_each(|(key, value)| hide(key, value));
        }
        Answer::Page(page) => page.entries.retain(|(key, value)| sound(key, value)),
        Answer::Watched(Watched::Events(events, _)) => {
            let events = events.iter_mut();
            events.for_each(|Event { key, value }| hide(key, value));
        }
        _ => {}
    }
}

/// The bug: the claim's record as it would be, had a sign of life not cleared its suspicion.
fn still_suspected(key: &str, before: &[u8], after: &[u8]) -> Option<Vec<u8>> {
    let (Ok(Record::Claim { suspect, .. }), Ok(mut after)) =
        (Record::decode(key, before), Record::decode(key, after))
    else {
        return None;
    };
    match &mut after {
        Record::Claim {
            sequence,
            suspect: now,
            ..
        } if now.is_none() && suspect.is_some_and(|(_, told)| told == *sequence) => *now = suspect,
        _ => return None,
    }
    Some(after.encode())
}
