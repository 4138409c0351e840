//! A transaction of the seam's as one of etcd's.
//!
//! What may not have changed is compared by revision. A key that is absent has none in etcd, whenever it was deleted, so a deletion
//! leaves a tombstone, whose revision stands for it. Tombstones are swept one day; a writer whose knowledge is from before that day is
//! refused (the horizon).

mod spans;

use crate::digest::{digest, is_proved};
use crate::keys::Keys;
use crate::proto::{
    Answer, Compare, CompareResult, CompareTarget, DeleteRangeRequest, Op, Operand, PutRequest,
    RangeRequest, RequestOp, TxnRequest, TxnResponse, signed, unsigned,
};
use ipam::store::{Revision, StoreError, Txn};
use spans::spans;
use std::collections::BTreeMap;

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Committed(Revision),
    /// The store has no horizon: it is new, or somebody removed it. Nothing was written; one of this revision would be right.
    NoHorizon(Revision),
}

/// The longest transaction with a limit of operations, nested as deep as [`nested`] goes.
fn most_ops(width: usize) -> usize {
    width.saturating_mul(width).saturating_mul(width)
}

/// The request for a transaction, with at most `max_ops` operations as etcd counts them.
///
/// etcd counts the longest of a request's lists, and for a nested one the sum down to it. So a long list becomes a tree of lists: still
/// one transaction. Conditions can't be moved down; many become fewer on ranges of keys, which are stricter: a change between two of the
/// keys is a conflict too.
///
/// Nothing is written to a store whose last commit is before `seen`, which was the last one once.
///
/// # Errors
/// More than fits.
pub(crate) fn request(
    keys: &Keys,
    txn: &Txn,
    seen: Revision,
    max_ops: usize,
) -> Result<TxnRequest, StoreError> {
    let mut ops = leaves(keys, txn);
    if !ops.is_empty() {
        // Last, so that whoever watches has seen everything of the commit before it.
        ops.push(put(keys.head(), Vec::new()));
    }
    let leaf = if txn.delete.is_empty() { 0 } else { 2 };
    let (count, flat) = (ops.len(), max_ops - leaf);
    let (width, success) = match ops.len() <= flat {
        true => (flat, ops),
        false => {
            let width = flat / 3;
            let nested = nested(ops, width).ok_or_else(|| {
                StoreError::Io(format!(
                    "a transaction of {count} operations, where etcd takes {} (its --max-txn-ops is {max_ops}): nothing was written",
                    most_ops(width)
                ))
            })?;
            (width, nested)
        }
    };
    let (mut compare, mut failure) = (Vec::new(), Vec::new());
    let spans = spans(&txn.guards, (width - 2) / 2).ok_or_else(|| {
        let given = txn.guards.len();
        StoreError::Io(format!(
            "a transaction of {count} operations with {given} guards, some of absent keys, does not fit etcd's limit (its --max-txn-ops is {max_ops}): nothing was written"
        ))
    })?;
    for span in spans {
        let since = span.since;
        let (key, end) = span.range(keys, Keys::record);
        match span.absent {
            true => compare.push(absent(key.clone(), end.clone())),
            false => compare.push(unchanged(key.clone(), end.clone(), since)),
        }
        // What is there at all was written after revision 0.
        failure.push(changed(key, end, if span.absent { 0 } else { since }));
        let (key, end) = span.range(keys, Keys::tombstone);
        compare.push(unchanged(key.clone(), end.clone(), since));
        failure.push(changed(key, end, since));
    }
    if let Some(since) = oldest(txn) {
        compare.push(within_horizon(keys, since));
    }
    if seen > 0 {
        compare.push(not_before(keys.head(), seen));
    }
    if !compare.is_empty() {
        failure.extend([keys.horizon(), keys.head()].map(point));
    }
    Ok(TxnRequest {
        compare,
        success,
        failure,
    })
}

/// What etcd answered.
///
/// # Errors
/// [`StoreError::Conflict`], [`StoreError::Damaged`], and answers that no etcd gives.
pub(crate) fn outcome(
    keys: &Keys,
    txn: &Txn,
    seen: Revision,
    answer: &TxnResponse,
    revision: Revision,
) -> Result<Outcome, StoreError> {
    if answer.succeeded {
        return Ok(Outcome::Committed(revision));
    }
    let odd = || StoreError::Io("etcd refused a transaction and gave no reason".into());
    let mut found = answer.responses.iter().map(|op| match &op.response {
        Some(Answer::Range(range)) => Ok(range.kvs.first()),
        _ => Err(odd()),
    });
    let head = found.next_back().ok_or_else(odd)??;
    let horizon = found.next_back().ok_or_else(odd)??;
    let last = head.map_or(0, |kv| unsigned(kv.mod_revision));
    if let Some(damage) = set_back(last, seen) {
        return Err(StoreError::Damaged(damage));
    }
    for (at, kv) in found.enumerate() {
        let key = match (kv?, at % 2) {
            (None, _) => continue,
            (Some(kv), 0) => keys.record_of(kv)?,
            (Some(kv), _) => keys.deleted_of(kv)?,
        };
        return Err(StoreError::Conflict { key });
    }
    let Some(horizon) = horizon else {
        // Without any commit nothing was ever deleted; after one, nobody knows what was swept.
        return Ok(Outcome::NoHorizon(head.map_or(0, |_| revision)));
    };
    // Whether a key was deleted since then is no longer known.
    let swept = parse_horizon(&horizon.value)?;
    match txn.guards.iter().find(|guard| swept > guard.since) {
        Some(guard) => Err(StoreError::Conflict {
            key: guard.key.clone(),
        }),
        None => Err(odd()),
    }
}

/// Up to where the writer knows the key that it knows least of.
fn oldest(txn: &Txn) -> Option<Revision> {
    txn.guards.iter().map(|guard| guard.since).min()
}

/// What is wrong with a store whose last commit is of revision `last`, where one of `seen` was seen.
pub(crate) fn set_back(last: Revision, seen: Revision) -> Option<String> {
    (last < seen).then(|| {
        format!(
            "its last commit is of revision {last}, but one of revision {seen} was seen: etcd was set back, or the keys were removed"
        )
    })
}

/// Writes the first horizon: nothing is known of deletions up to `revision`.
pub(crate) fn first_horizon(keys: &Keys, revision: Revision) -> TxnRequest {
    TxnRequest {
        compare: vec![absent(keys.horizon(), Vec::new())],
        success: vec![put(keys.horizon(), horizon_value(revision))],
        failure: Vec::new(),
    }
}

/// Writes a horizon anew that nobody has written after revision `read`: nothing is known of deletions up to `revision`.
pub(crate) fn horizon_anew(keys: &Keys, read: Revision, revision: Revision) -> TxnRequest {
    TxnRequest {
        compare: vec![unchanged(keys.horizon(), Vec::new(), read)],
        success: vec![put(keys.horizon(), horizon_value(revision))],
        failure: Vec::new(),
    }
}

/// Removes tombstones up to `upto` and says so.
pub(crate) fn sweep(keys: &Keys, tombstones: Vec<Vec<u8>>, upto: Revision) -> TxnRequest {
    let mut success = vec![put(keys.horizon(), horizon_value(upto))];
    success.extend(tombstones.into_iter().map(|key| {
        // Another deletion may have renewed it meanwhile.
        let old = unchanged(key.clone(), Vec::new(), upto);
        Op::Txn(TxnRequest {
            compare: vec![old],
            success: vec![delete(key)],
            failure: Vec::new(),
        })
        .into()
    }));
    TxnRequest {
        // No horizon goes back.
        compare: vec![within_horizon(keys, upto.saturating_sub(1))],
        success,
        failure: Vec::new(),
    }
}

/// # Errors
/// Somebody else wrote there.
pub(crate) fn parse_horizon(value: &[u8]) -> Result<Revision, StoreError> {
    let text = std::str::from_utf8(value)
        .ok()
        .filter(|t| t.len() == HORIZON_DIGITS);
    text.and_then(|t| t.parse().ok()).ok_or_else(|| {
        StoreError::Damaged(format!(
            "its horizon holds `{}`, which is no revision: run fsck --repair, and all begin anew",
            value[..value.len().min(40)].escape_ascii()
        ))
    })
}

/// Of equal length, so that etcd's order of bytes is that of the numbers.
const HORIZON_DIGITS: usize = 20;

fn horizon_value(revision: Revision) -> Vec<u8> {
    format!("{revision:0HORIZON_DIGITS$}").into_bytes()
}

/// What is done to each key, as the seam has it: what is both written and deleted is deleted.
fn leaves(keys: &Keys, txn: &Txn) -> Vec<RequestOp> {
    let mut last: BTreeMap<&str, Option<&Vec<u8>>> = BTreeMap::new();
    last.extend(txn.put.iter().map(|(key, value)| (&**key, Some(value))));
    last.extend(txn.delete.iter().map(|key| (&**key, None)));
    let mut leaves = Vec::with_capacity(last.len());
    for (key, value) in last {
        match value {
            Some(value) => {
                if is_proved(key) {
                    leaves.push(put(keys.digest(key), digest(value)));
                }
                leaves.push(put(keys.record(key), value.clone()));
            }
            None => {
                if is_proved(key) {
                    leaves.push(delete(keys.digest(key)));
                }
                leaves.push(deletion(keys, key));
            }
        }
    }
    leaves
}

/// Of a key that was not there nothing is left to remember.
fn deletion(keys: &Keys, key: &str) -> RequestOp {
    Op::Txn(TxnRequest {
        compare: vec![present(keys.record(key))],
        success: vec![
            put(keys.tombstone(key), Vec::new()),
            delete(keys.record(key)),
        ],
        failure: Vec::new(),
    })
    .into()
}

/// The operations in a tree of up to three levels with at most `width` a node, in order; `None` if they don't fit.
fn nested(mut ops: Vec<RequestOp>, width: usize) -> Option<Vec<RequestOp>> {
    for _ in 0..2 {
        if ops.len() <= width {
            break;
        }
        let mut rest = ops.into_iter().peekable();
        let mut nodes = Vec::new();
        while rest.peek().is_some() {
            let success = rest.by_ref().take(width).collect();
            nodes.push(
                Op::Txn(TxnRequest {
                    compare: Vec::new(),
                    success,
                    failure: Vec::new(),
                })
                .into(),
            );
        }
        ops = nodes;
    }
    (ops.len() <= width).then_some(ops)
}

fn put(key: Vec<u8>, value: Vec<u8>) -> RequestOp {
    Op::Put(PutRequest {
        key,
        value,
        lease: 0,
    })
    .into()
}

fn delete(key: Vec<u8>) -> RequestOp {
    Op::Delete(DeleteRangeRequest {
        key,
        range_end: Vec::new(),
    })
    .into()
}

fn point(key: Vec<u8>) -> RequestOp {
    Op::Range(RangeRequest {
        key,
        ..RangeRequest::default()
    })
    .into()
}

/// Whether all keys from `key` to `range_end` are as they were at `since`, as far as they are there.
fn unchanged(key: Vec<u8>, range_end: Vec<u8>, since: Revision) -> Compare {
    Compare {
        result: CompareResult::Less.into(),
        target: CompareTarget::Mod.into(),
        key,
        range_end,
        operand: Some(Operand::ModRevision(signed(since.saturating_add(1)))),
    }
}

/// Whether a key was written at `seen` or later.
fn not_before(key: Vec<u8>, seen: Revision) -> Compare {
    Compare {
        result: CompareResult::Greater.into(),
        target: CompareTarget::Mod.into(),
        key,
        range_end: Vec::new(),
        operand: Some(Operand::ModRevision(signed(seen.saturating_sub(1)))),
    }
}

/// The first of them that is not.
fn changed(key: Vec<u8>, range_end: Vec<u8>, since: Revision) -> RequestOp {
    Op::Range(RangeRequest {
        key,
        range_end,
        limit: 1,
        keys_only: true,
        min_mod_revision: signed(since.saturating_add(1)),
        ..RangeRequest::default()
    })
    .into()
}

fn within_horizon(keys: &Keys, since: Revision) -> Compare {
    Compare {
        result: CompareResult::Less.into(),
        target: CompareTarget::Value.into(),
        key: keys.horizon(),
        range_end: Vec::new(),
        operand: Some(Operand::Value(horizon_value(since.saturating_add(1)))),
    }
}

/// Whether no key from `key` to `range_end` is there.
fn absent(key: Vec<u8>, range_end: Vec<u8>) -> Compare {
    created(key, range_end, CompareResult::Equal)
}

fn present(key: Vec<u8>) -> Compare {
    created(key, Vec::new(), CompareResult::Greater)
}

/// Compares the revision that made a key with that of none.
fn created(key: Vec<u8>, range_end: Vec<u8>, result: CompareResult) -> Compare {
    Compare {
        result: result.into(),
        target: CompareTarget::Create.into(),
        key,
        range_end,
        operand: Some(Operand::CreateRevision(0)),
    }
}

/// The horizon in an answer to a range of its key alone; 0 where there is none yet.
pub(crate) fn horizon_of(kvs: &[crate::proto::KeyValue]) -> Result<Revision, StoreError> {
    kvs.first().map_or(Ok(0), |kv| parse_horizon(&kv.value))
}

/// The revision of the last commit in an answer to a range of the head alone; 0 where there is none yet.
pub(crate) fn head_of(kvs: &[crate::proto::KeyValue]) -> Revision {
    kvs.first().map_or(0, |kv| unsigned(kv.mod_revision))
}

#[cfg(test)]
mod tests;
