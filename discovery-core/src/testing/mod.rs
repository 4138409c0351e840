//! Operations, a naive model and the checks that model tests and fuzz targets share. Not a stable API.

mod callers;
mod division;
mod drive;
mod model;
mod ops;
mod status;
mod sync;

pub use callers::fuzz_callers;
pub use model::Naive;
pub use ops::{Bytes, Op};
pub use sync::fuzz_sync;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{Effect, Engine, Timestamp};

/// Decodes operations and runs them against engine and model.
///
/// # Panics
/// When an invariant is broken: that is what a fuzzer looks for.
pub fn fuzz_ops(data: &[u8]) {
    if let Err(broken) = run_ops(data) {
        panic!("{broken}");
    }
}

/// Builds an engine from the first half of the data, damages its snapshot by the second, and restores it.
///
/// # Panics
/// When what was restored breaks an invariant.
pub fn fuzz_snapshot(data: &[u8]) {
    let (ops, damage) = data.split_at(data.len() / 2);
    let mut naive = Naive::new();
    let mut bytes = Bytes::new(ops);
    while let Some(op) = Op::decode(&mut bytes) {
        let _ = naive.apply(&op);
    }
    let mut snapshot = naive.engine().snapshot();
    snapshot.damage(damage);
    let now = naive.now();
    if let Ok(mut engine) = Engine::restore(&snapshot, now) {
        let mut out: Vec<Effect> = Vec::new();
        for second in 0..5 {
            let now = Timestamp::from_nanos(now.as_nanos().saturating_add(second * 1_000_000_000));
            let _ = engine.handle(now, crate::Input::Time, &mut out);
        }
        let again = engine.snapshot();
        assert!(
            Engine::restore(&again, engine.now()).is_ok(),
            "a snapshot of a restored engine is refused"
        );
    }
}

/// Drives an engine by the first half of the data, restores its snapshot, and drives both by the rest: they must not
/// differ.
///
/// # Panics
/// When they do.
pub fn fuzz_restored(data: &[u8]) {
    let (before, after) = data.split_at(data.len() / 2);
    let mut original = Naive::new();
    let mut bytes = Bytes::new(before);
    while let Some(op) = Op::decode(&mut bytes) {
        let _ = original.apply(&op);
    }
    original.answer_all();
    let mut restored = original.clone();
    if let Err(broken) = restored.apply(&Op::Restart) {
        panic!("{broken}");
    }
    let mut bytes = Bytes::new(after);
    while let Some(op) = Op::decode(&mut bytes) {
        let told = (original.apply(&op), restored.apply(&op));
        assert_eq!(told.0, told.1, "{op:?}");
        let (one, two) = (original.engine(), restored.engine());
        assert_eq!(
            one.snapshot().by_name(),
            two.snapshot().by_name(),
            "after {op:?}"
        );
    }
}

/// Runs operations against engine and model; the first disagreement, if any.
///
/// # Errors
/// What broke, after which operation.
pub fn run_ops(data: &[u8]) -> Result<usize, String> {
    let mut naive = Naive::new();
    let mut bytes = Bytes::new(data);
    let mut done = 0;
    while let Some(op) = Op::decode(&mut bytes) {
        naive
            .apply(&op)
            .map_err(|e| format!("operation {done} {op:?}: {e}"))?;
        done += 1;
    }
    Ok(done)
}
