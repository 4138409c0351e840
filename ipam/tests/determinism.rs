//! The same seed and operations give the same changes and the same records, and another seed others.

use ipam::testing::{Model, OP_BYTES, Op, Reader};
use ipam::{Change, Ipam, Timestamp, rng::stream, store::Record};
use rand::Rng as _;

/// A run of random operations: its changes and the bytes of its state.
fn run(seed: u64, ops: u64) -> (Vec<Change<'static>>, Vec<Vec<u8>>) {
    let mut rng = stream(ops, "operations");
    let mut model = Model::new(seed);
    for _ in 0..600 {
        let bytes: Vec<u8> = (0..OP_BYTES).map(|_| rng.next_u64() as u8).collect();
        if let Some(op) = Op::decode(&mut Reader::new(&bytes)) {
            model.step(&op);
        }
    }
    let records = model.ipam().records().iter().map(Record::encode).collect();
    (model.log().to_vec(), records)
}

#[test]
fn same_in_same_out() {
    for ops in 0..5 {
        assert_eq!(run(7, ops), run(7, ops));
    }
}

#[test]
fn the_seed_matters() {
    let differs = |ops| run(7, ops).0 != run(8, ops).0;
    assert!((0..5).any(differs));
}

/// Changes written as JSON and read back give the same state, and records too.
#[cfg(feature = "serde")]
#[test]
fn changes_and_records_survive_json() {
    let (log, records) = run(7, 1);
    let text = serde_json::to_string(&log).expect("JSON");
    let read: Vec<Change<'static>> = serde_json::from_str(&text).expect("changes");
    assert_eq!(read, log);
    let mut again = Ipam::new(7);
    again.apply_all(&read).expect("what was applied once");
    let written: Vec<Vec<u8>> = again.records().iter().map(Record::encode).collect();
    assert_eq!(written, records);
    let text = serde_json::to_string(&again.records()).expect("JSON");
    let read: Vec<Record<'static>> = serde_json::from_str(&text).expect("records");
    assert_eq!(read, again.records());
    let (restored, rejected) = Ipam::restore(again.now(), read);
    assert!(rejected.is_empty());
    assert_eq!(restored.records(), again.records());
}

/// A refused change alters nothing.
#[test]
fn a_refused_change_alters_nothing() {
    let (log, _) = run(7, 2);
    let mut ipam = Ipam::new(7);
    let mut refused = 0;
    for change in &log {
        ipam.apply(change).expect("what was applied once");
        ipam.advance(change.at);
        let before = ipam
            .records()
            .iter()
            .map(Record::encode)
            .collect::<Vec<_>>();
        // The same again mostly does not fit: the owner has its claim, the token is gone.
        let again = Change {
            at: Timestamp::ZERO,
            ..change.clone()
        };
        if ipam.clone().apply(&again).is_err() {
            assert!(ipam.apply(&again).is_err());
            let after = ipam
                .records()
                .iter()
                .map(Record::encode)
                .collect::<Vec<_>>();
            assert_eq!(after, before, "{change}");
            refused += 1;
        }
    }
    assert!(refused > 50, "only {refused} changes were refused");
}
