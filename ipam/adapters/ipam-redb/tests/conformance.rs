//! The file passes what every store must pass, opened anew for each operation.

use ipam::{Store, StoreError, ready};
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
        first.let_go();
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
