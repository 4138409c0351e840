//! On a tokio runtime of one thread: whoever waits for the file stops nobody.
#![cfg(feature = "tokio")]

use ipam::{PoolSpec, Replica, Request, Store as _, Timestamp};
use ipam_redb::{RedbStore, TokioStore};
use std::path::PathBuf;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1);

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ipam-redb-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
}

#[test]
fn a_task_that_has_the_file_can_close_it_while_another_waits_for_it() {
    let folder = folder("runtime");
    let path = folder.join("s.redb");
    // Were the thread stopped, the file would stay in use until the wait is over, which is an error.
    let mut first = RedbStore::new(&path, Duration::ZERO);
    first.hold().expect("nobody else has it");
    let mut second = TokioStore::new(RedbStore::new(&path, Duration::from_secs(60)));
    runtime().block_on(async {
        let waits = tokio::spawn(async move { second.list("", None, 1).await });
        let closes = tokio::spawn(async move {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            first.close();
        });
        closes.await.expect("no panic");
        let page = waits.await.expect("no panic").expect("the file is free");
        assert_eq!(page.revision, 0);
    });
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

#[test]
fn a_replica_works_on_a_runtime_and_after_a_dropped_operation() {
    let folder = folder("dropped");
    let path = folder.join("s.redb");
    runtime().block_on(async {
        let store = TokioStore::new(RedbStore::new(&path, Duration::from_secs(60)));
        let mut replica = Replica::open(store, NOW, 7).await.expect("opens");
        let spec = PoolSpec::new("p", "10.0.0.0/24".parse().expect("a prefix"));
        let added = replica.add_pool(NOW, spec, tokio::time::sleep).await;
        added.expect("a pool");
        let request = Request::new("c1");
        let granted = replica.claim(NOW, &request, tokio::time::sleep).await;
        let granted = granted.expect("an address");

        let mut store = replica.into_store();
        // Polled once, then dropped: it ends on its thread, and the store opens the file anew afterwards.
        let listing = tokio::time::timeout(Duration::ZERO, store.list("", None, 1));
        drop(listing.await);
        let mut replica = Replica::open(store, NOW, 7).await.expect("opens again");
        let again = replica.claim(NOW, &request, tokio::time::sleep).await;
        assert_eq!(again.expect("as before").address(), granted.address());
        let released = replica
            .release(NOW, "c1", granted.sequence, tokio::time::sleep)
            .await;
        released.expect("it was held");
    });
    std::fs::remove_dir_all(folder).expect("cleaned up");
}
