//! A host's life sign stands as long as its lease, by etcd's clock.

mod common;

use common::{block_on, config, open};
use ipam_etcd::{EtcdConfig, EtcdStore, LeaseError};
use std::time::{Duration, Instant};
use test_support::etcd::{ETCD, Etcd};

async fn hosts(store: &mut EtcdStore) -> Vec<String> {
    store.live_hosts().await.expect("a reading")
}

fn a_life_sign_vanishes_with_its_lease() {
    let etcd = Etcd::start(&[]);
    let mut store = open(config(&etcd));
    block_on(async {
        assert_eq!(hosts(&mut store).await, [""; 0]);
        let ttl = Duration::from_secs(4);
        let mut kept = store.grant_host_lease("h1", ttl).await.expect("granted");
        let mut left = store.grant_host_lease("h2", ttl).await.expect("granted");
        let revoked = store.grant_host_lease("h3", Duration::from_secs(60)).await;
        let revoked = revoked.expect("granted");
        assert!(kept.ttl() >= ttl && kept.host() == "h1");
        assert_eq!(hosts(&mut store).await, ["h1", "h2", "h3"]);
        revoked.revoke().await.expect("revoked");
        assert_eq!(hosts(&mut store).await, ["h1", "h2"]);
        // Longer than a lease lasts: the one is kept alive, the other not.
        let start = Instant::now();
        while start.elapsed() < ttl * 2 {
            assert!(kept.keep_alive().await.expect("alive") >= ttl);
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        assert_eq!(hosts(&mut store).await, ["h1"]);
        assert_eq!(left.keep_alive().await, Err(LeaseError::Ended));
        left.revoke()
            .await
            .expect("what has ended is as good as revoked");
    });
}

/// The host's agent was restarted: the lease of its former life no longer says anything.
fn the_last_process_of_a_host_stands_for_it() {
    let etcd = Etcd::start(&[]);
    let mut store = open(config(&etcd));
    block_on(async {
        let long = Duration::from_secs(60);
        let former = store.grant_host_lease("h1", long).await.expect("granted");
        let latter = store.grant_host_lease("h1", long).await.expect("granted");
        former.revoke().await.expect("revoked");
        assert_eq!(hosts(&mut store).await, ["h1"]);
        latter.revoke().await.expect("revoked");
        assert_eq!(hosts(&mut store).await, [""; 0]);
    });
}

fn a_lease_outlives_the_member_that_granted_it() {
    let mut members = Etcd::cluster(3, &[]);
    let config = EtcdConfig::new(members.iter().map(Etcd::url)).timeout(Duration::from_secs(20));
    let mut store = open(config);
    block_on(async {
        let long = Duration::from_secs(60);
        let mut lease = store.grant_host_lease("h1", long).await.expect("granted");
        members[0].kill();
        assert!(lease.keep_alive().await.expect("by another member") >= long);
        assert_eq!(hosts(&mut store).await, ["h1"]);
    });
}

test_support::tests! {
    a_life_sign_vanishes_with_its_lease [ETCD],
    the_last_process_of_a_host_stands_for_it [ETCD],
    a_lease_outlives_the_member_that_granted_it [ETCD],
}
