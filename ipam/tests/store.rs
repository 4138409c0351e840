//! The store in memory passes what every store must pass.

use ipam::{
    Store as _,
    store::{Guard, MemoryStore, Revision, StoreError, Txn, Watched, ready},
};

mod shared;

use shared::Shared;

#[test]
fn memory_conforms() {
    let store = Shared::default();
    ready(ipam::testing::check_store(|| store.clone())).expect("memory never waits");
}

fn put(store: &mut Shared, key: &str) -> Revision {
    let txn = Txn {
        put: vec![(key.into(), vec![1])],
        ..Txn::default()
    };
    ready(store.commit(txn)).unwrap().expect("a write")
}

fn delete(store: &mut Shared, key: &str) -> Revision {
    let txn = Txn {
        delete: vec![key.into()],
        ..Txn::default()
    };
    ready(store.commit(txn)).unwrap().expect("a write")
}

#[test]
fn history_is_bounded_and_what_lies_before_it_is_compacted() {
    let mut store = Shared::default();
    let first = put(&mut store, "a");
    for i in 0..5000u32 {
        put(&mut store, &format!("owner-{}", i % 7));
    }
    let asked = ready(store.watch("", first)).unwrap().expect("a watch");
    assert_eq!(asked, Watched::Compacted);
    let (_, now) = ready(store.get(&[])).unwrap().expect("a read");
    let recent = ready(store.watch("owner", now - 3)).unwrap();
    match recent.expect("a watch") {
        Watched::Events(events, revision) => assert_eq!((events.len(), revision), (3, now)),
        Watched::Compacted => panic!("three commits are not too many to remember"),
    }
}

#[test]
fn a_deletion_that_history_has_dropped_is_still_a_conflict_for_who_is_behind() {
    let mut store = Shared::new(MemoryStore::with_history(4));
    let seen = put(&mut store, "key");
    delete(&mut store, "key");
    let write = |since| Txn {
        guards: vec![Guard::unchanged("key", since)],
        put: vec![("key".into(), vec![2])],
        delete: vec![],
    };
    for i in 0..20 {
        put(&mut store, &format!("other-{i}"));
        let conflict = ready(store.commit(write(seen))).unwrap();
        assert!(matches!(conflict, Err(StoreError::Conflict { .. })), "{i}");
    }
    let (_, now) = ready(store.get(&[])).unwrap().expect("a read");
    ready(store.commit(write(now)))
        .unwrap()
        .expect("who knows the latest revision may write");
}

#[test]
fn two_replicas_agree_across_a_history_of_any_length() {
    for history in [0, 1, 3] {
        let store = Shared::new(MemoryStore::with_history(history));
        ready(ipam::testing::check_replicas(|| store.clone())).expect("memory never waits");
    }
}
