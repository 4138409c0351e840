//! Operations, naive checks and byte decoding that model tests and fuzz targets share. Not a stable API.

mod bytes;
mod faults;
mod known;
mod live;
mod place;

pub use crate::uniform::Uniform;
pub use bytes::Bytes;
pub use live::{LiveOp, LiveWorld};

/// The fuzz entry: bytes become a small cluster and operations on it; every invariant is checked after each.
///
/// # Panics
/// When an invariant is broken: that is what a fuzzer looks for.
pub fn fuzz_ops(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let mut world = LiveWorld::decode(&mut bytes);
    for _ in 0..200 {
        if bytes.is_empty() {
            break;
        }
        let op = LiveOp::decode(&mut bytes);
        world.apply(&op);
    }
}

/// The placement's fuzz entry: bytes become a small model, of which everything there is is asked.
///
/// # Panics
/// When an answer breaks a promise.
pub fn fuzz_place(data: &[u8]) {
    place::ask_everything(&mut Bytes::new(data));
}

/// The reader's fuzz entry: any bytes are read as a model, and what is a model must hold together.
///
/// # Panics
/// When a model that was read does not keep its promises.
pub fn fuzz_read(data: &[u8]) {
    use crate::placement::Placement;
    use crate::roadef;
    use crate::search::Placer as _;
    let (text, rest) = data.split_at(data.iter().position(|b| *b == b'|').unwrap_or(data.len()));
    let Ok(model) = roadef::read_model(text) else {
        return;
    };
    if model.nodes() > 64 || model.tasks() > 256 {
        return;
    }
    let read = roadef::read_assignment(&model, rest.get(1..).unwrap_or(&[]));
    let placed = read
        .ok()
        .or_else(|| crate::search::ByCount.place(&model).ok());
    let Some(at) = placed else { return };
    let Ok(placement) = Placement::new(&model, &at) else {
        return;
    };
    let checked = placement.check_invariants(&model);
    assert!(checked.is_ok(), "{checked:?}");
    let written = roadef::write_assignment(&at);
    assert_eq!(
        roadef::read_assignment(&model, written.as_bytes()).as_ref(),
        Ok(&at)
    );
}
