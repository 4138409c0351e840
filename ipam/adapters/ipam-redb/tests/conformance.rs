//! The file passes what every store must pass, opened anew for each operation.

use ipam::{
    Store,
    store::{StoreError, ready},
};
use ipam_redb::RedbStore;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ipam-redb-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

#[test]
fn redb_conforms() {
    let folder = folder("conforms");
    let path = folder.join("s.redb");
    let open = || RedbStore::new(&path, Duration::from_secs(5));
    ready(ipam::testing::check_store(open)).expect("files never wait");
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

#[test]
fn who_finds_the_file_in_use_waits_for_its_turn() {
    let folder = folder("waits");
    let path = folder.join("s.redb");
    let mut first = RedbStore::new(&path, Duration::from_secs(5));
    first.hold().expect("open");
    let mut impatient = RedbStore::new(&path, Duration::from_millis(30));
    let busy = ready(impatient.get(&[])).expect("an answer");
    assert!(
        matches!(busy, Err(StoreError::Busy { waited_ms }) if waited_ms >= 30),
        "{busy:?}"
    );
    let start = Instant::now();
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        first.close();
    });
    let mut patient = RedbStore::new(&path, Duration::from_secs(20));
    ready(patient.get(&[]))
        .expect("an answer")
        .expect("its turn came");
    assert!(start.elapsed() >= Duration::from_millis(100));
    other.join().expect("a thread");
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

#[test]
fn a_file_that_is_no_database_is_an_error() {
    let folder = folder("foreign");
    let path = folder.join("s.redb");
    std::fs::write(&path, b"not a database").expect("a file");
    let mut store = RedbStore::new(&path, Duration::ZERO);
    let error = ready(store.get(&[])).expect("an answer");
    assert!(
        matches!(error, Err(StoreError::Io(ref why)) if why.contains("s.redb")),
        "{error:?}"
    );
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

/// What `Store::damage` tells.
fn damage(store: &mut RedbStore) -> Vec<String> {
    let told = ready(store.damage()).expect("an answer");
    told.expect("a readable file")
}

fn write(store: &mut RedbStore, key: &str) -> Result<u64, StoreError> {
    let txn = ipam::store::Txn {
        put: vec![(key.into(), vec![1, 2, 3])],
        ..ipam::store::Txn::default()
    };
    ready(store.commit(txn)).expect("an answer")
}

#[test]
fn an_empty_file_and_a_missing_one_are_no_new_store_where_a_store_was() {
    let folder = folder("empty");
    let path = folder.join("s.redb");
    std::fs::write(&path, b"").expect("a file");
    let mut store = RedbStore::new(&path, Duration::ZERO);
    let error = ready(store.get(&[])).expect("an answer");
    assert!(
        matches!(error, Err(StoreError::Io(ref why)) if why.contains("empty")),
        "{error:?}"
    );
    assert_eq!(std::fs::metadata(&path).expect("the file").len(), 0);
    std::fs::remove_file(&path).expect("removed");
    write(&mut store, "a").expect("a new store");
    drop(store);
    std::fs::remove_file(&path).expect("removed");
    let mut store = RedbStore::new(&path, Duration::ZERO);
    let error = ready(store.get(&[])).expect("an answer");
    assert!(
        matches!(error, Err(StoreError::Io(ref why)) if why.contains("revision 1")),
        "{error:?}"
    );
    assert!(!path.exists());
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

#[test]
fn a_store_behind_what_was_acknowledged_is_damaged_until_accepted() {
    let folder = folder("behind");
    let (path, old) = (folder.join("s.redb"), folder.join("old"));
    let mut store = RedbStore::new(&path, Duration::ZERO);
    write(&mut store, "a").expect("a write");
    write(&mut store, "b").expect("a write");
    std::fs::copy(&path, &old).expect("a copy");
    let latest = write(&mut store, "c").expect("a write");
    assert_eq!(damage(&mut store), [""; 0]);
    drop(store);
    std::fs::copy(&old, &path).expect("rolled back");
    let mut store = RedbStore::new(&path, Duration::ZERO);
    let told = damage(&mut store);
    assert!(
        told.len() == 1 && told[0].contains("revision 3"),
        "{told:?}"
    );
    let refused = write(&mut store, "d");
    assert!(
        matches!(refused, Err(StoreError::Damaged(_))),
        "{refused:?}"
    );
    // Who saw the lost commit looks at everything anew.
    let watched = ready(store.watch("", latest)).expect("an answer");
    assert_eq!(watched, Ok(ipam::store::Watched::Compacted));
    assert_eq!(ready(store.accept()).expect("an answer"), Ok(()));
    assert_eq!(damage(&mut store), [""; 0]);
    let next = write(&mut store, "d").expect("a write");
    assert!(next > latest, "revisions rise past what was lost");
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

#[test]
fn a_store_ahead_of_what_was_acknowledged_or_without_it_is_sound() {
    let folder = folder("ahead");
    let (path, ack) = (folder.join("s.redb"), folder.join("s.redb.ack"));
    let mut store = RedbStore::new(&path, Duration::ZERO);
    write(&mut store, "a").expect("a write");
    let before = std::fs::read(&ack).expect("the file beside");
    write(&mut store, "b").expect("a write");
    std::fs::write(&ack, before).expect("as after a kill between the two");
    assert_eq!(damage(&mut store), [""; 0]);
    std::fs::remove_file(&ack).expect("removed");
    assert_eq!(damage(&mut store), [""; 0]);
    write(&mut store, "c").expect("a write");
    // Torn at any length, the slot of the revision before is left, or it is told of.
    let whole = std::fs::read(&ack).expect("the file beside");
    for length in 0..whole.len() {
        std::fs::write(&ack, &whole[..length]).expect("torn");
        let told = damage(&mut store);
        assert!(told.len() <= 1, "{told:?}");
        assert_eq!(told.is_empty(), length >= 512 + 24, "{length}: {told:?}");
    }
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

#[test]
fn what_tells_of_the_last_revision_is_no_less_damaged_for_being_emptied() {
    let folder = folder("emptied");
    let (path, ack) = (folder.join("s.redb"), folder.join("s.redb.ack"));
    let mut store = RedbStore::new(&path, Duration::ZERO);
    write(&mut store, "a").expect("a write");
    std::fs::write(&ack, b"").expect("emptied");
    assert_eq!(damage(&mut store).len(), 1);
    // Nobody commits who would have it forgotten, whether or not he asked for damage first.
    for mut store in [store, RedbStore::new(&path, Duration::ZERO).brief()] {
        let refused = write(&mut store, "b");
        assert!(
            matches!(&refused, Err(StoreError::Damaged(why)) if why.contains("unknown")),
            "{refused:?}"
        );
        assert_eq!(damage(&mut store).len(), 1);
    }
    let mut store = RedbStore::new(&path, Duration::ZERO);
    assert_eq!(ready(store.accept()).expect("an answer"), Ok(()));
    assert_eq!(damage(&mut store), [""; 0]);
    write(&mut store, "b").expect("a write");
    // Nor does a store that is missing begin anew.
    drop(store);
    std::fs::write(&ack, b"").expect("emptied");
    std::fs::remove_file(&path).expect("removed");
    let missing = write(&mut RedbStore::new(&path, Duration::ZERO), "c");
    assert!(
        matches!(&missing, Err(StoreError::Io(why)) if why.contains("missing")),
        "{missing:?}"
    );
    std::fs::remove_dir_all(folder).expect("cleaned up");
}
