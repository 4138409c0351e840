//! Checks of what a builder is given.

use super::error::ModelError;
use alloc::vec::Vec;

/// The most nodes, services or tasks: indices are 32 bits wide.
const COUNT_LIMIT: usize = u32::MAX as usize / 2;

pub(super) fn room_for(count: usize, kind: &'static str) -> Result<(), ModelError> {
    if count < COUNT_LIMIT {
        return Ok(());
    }
    let (given, want) = (count as i128, "fewer than 2^31 of them");
    Err(ModelError::Range {
        kind,
        index: count,
        field: "count",
        given,
        want,
    })
}

pub(super) fn known(
    kind: &'static str,
    index: usize,
    target: &'static str,
    given: usize,
    limit: usize,
) -> Result<(), ModelError> {
    if given < limit {
        return Ok(());
    }
    Err(ModelError::Unknown {
        kind,
        index,
        target,
        given,
        limit,
    })
}

pub(super) fn positive(
    kind: &'static str,
    index: usize,
    field: &'static str,
    given: i64,
) -> Result<(), ModelError> {
    if given >= 0 {
        return Ok(());
    }
    let (given, want) = (i128::from(given), "0 or more");
    Err(ModelError::Range {
        kind,
        index,
        field,
        given,
        want,
    })
}

pub(super) fn signed(
    kind: &'static str,
    index: usize,
    field: &'static str,
    given: u64,
) -> Result<i64, ModelError> {
    let want = "at most 2^60";
    if given > 1 << 60 {
        return Err(ModelError::Range {
            kind,
            index,
            field,
            given: i128::from(given),
            want,
        });
    }
    Ok(given as i64)
}

pub(super) fn amounts(
    kind: &'static str,
    index: usize,
    field: &'static str,
    given: &[u64],
    want: usize,
) -> Result<Vec<i64>, ModelError> {
    if given.len() != want {
        return Err(ModelError::Width {
            kind,
            index,
            given: given.len(),
            want,
        });
    }
    given
        .iter()
        .map(|v| signed(kind, index, field, *v))
        .collect()
}

pub(super) fn some_per_node(index: usize, given: u32) -> Result<(), ModelError> {
    if given > 0 {
        return Ok(());
    }
    Err(ModelError::Range {
        kind: "service",
        index,
        field: "per_node",
        given: 0,
        want: "at least 1",
    })
}
