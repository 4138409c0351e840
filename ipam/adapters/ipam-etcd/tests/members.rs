//! Members of a cluster that die, stop, come back, or are another's.

mod common;

use common::{block_on, commit, get, open, revision};
use ipam::store::StoreError;
use ipam::{PoolSpec, Replica, Request, Store as _, Timestamp};
use ipam_etcd::{EtcdConfig, EtcdStore};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};
use test_support::etcd::{ETCD, Etcd};

const NOW: Timestamp = Timestamp::from_secs(1);

/// A claim and its address; a failure of unknown outcome is asked about again, as every caller must.
async fn claim(replica: &mut Replica<EtcdStore>, owner: &str) -> std::net::IpAddr {
    let start = Instant::now();
    loop {
        let request = Request::new(owner);
        match replica.claim(NOW, &request, tokio::time::sleep).await {
            Ok(grant) => return grant.address().expect("an address"),
            Err(error) => assert!(start.elapsed() < Duration::from_secs(60), "{error}"),
        }
    }
}

fn three_members_of_which_one_dies_go_on() {
    let mut members = Etcd::cluster(3, &[]);
    let urls: Vec<String> = members.iter().map(Etcd::url).collect();
    let config = EtcdConfig::new(urls)
        .timeout(Duration::from_secs(20))
        .attempt_timeout(Duration::from_secs(1));
    block_on(async {
        let mut replica = Replica::open(open(config.clone()), NOW, 7)
            .await
            .expect("opens");
        let spec = PoolSpec::new("p", "10.0.0.0/22".parse().expect("a prefix"));
        replica
            .add_pool(NOW, spec, tokio::time::sleep)
            .await
            .expect("a pool");
        let mut given = BTreeMap::new();
        for i in 0..90 {
            // Each of them dies once, among them the leader, and comes back.
            if i % 30 == 10 {
                members[i / 30].kill();
            }
            if i % 30 == 25 {
                members[i / 30].restart();
            }
            let owner = format!("c{i}");
            let address = claim(&mut replica, &owner).await;
            let before = given.insert(address, owner);
            assert_eq!(before, None, "{address} was given twice");
        }
        let fresh = Replica::open(open(config), NOW, 8).await.expect("opens");
        for (address, owner) in given {
            let held = fresh.ipam().claim_of(&owner).expect("nothing is lost");
            assert!(
                held.addresses().any(|a| a == address),
                "{owner} lost {address}"
            );
        }
    });
}

fn signal(etcd: &Etcd, name: &str) {
    let pid = etcd.pid().expect("it runs").to_string();
    let status = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(status.expect("kill is there").success());
}

fn a_member_that_stands_still_delays_a_read_and_fails_a_write() {
    let members = Etcd::cluster(3, &[]);
    let config = EtcdConfig::new(members.iter().map(Etcd::url))
        .timeout(Duration::from_secs(4))
        .attempt_timeout(Duration::from_millis(300));
    let others = EtcdConfig::new(members[1..].iter().map(Etcd::url));
    block_on(async {
        let mut other = open(others.timeout(Duration::from_secs(30)));
        let since = revision(&mut other).await;
        commit(&mut other, since, &[("c/a", "1")], &[])
            .await
            .expect("a write");
        // It takes connections and requests, and answers none. Were it the leader, the others elect another.
        signal(&members[0], "STOP");
        let since = revision(&mut other).await;
        let mut writer = open(config.clone());
        let outcome = commit(&mut writer, since, &[("c/b", "1")], &[]).await;
        assert!(
            matches!(&outcome, Err(StoreError::Io(why)) if why.contains("unknown") && why.contains(&members[0].url())),
            "{outcome:?}"
        );
        // The next operation goes elsewhere.
        assert_eq!(get(&mut writer, "c/a").await.as_deref(), Some("1"));
        let start = Instant::now();
        assert_eq!(get(&mut open(config), "c/a").await.as_deref(), Some("1"));
        assert!(start.elapsed() >= Duration::from_millis(300));
        signal(&members[0], "CONT");
    });
}

fn a_member_of_another_cluster_is_refused() {
    let (mut ours, theirs) = (Etcd::start(&[]), Etcd::start(&[]));
    let mut store = open(EtcdConfig::new([ours.url(), theirs.url()]));
    block_on(async {
        let since = revision(&mut store).await;
        commit(&mut store, since, &[("c/a", "1")], &[])
            .await
            .expect("a write");
        ours.kill();
        let error = store.get(&["c/a".to_owned()]).await;
        assert!(
            matches!(&error, Err(StoreError::Io(why)) if why.contains("cluster")),
            "{error:?}"
        );
    });
}

test_support::tests! {
    three_members_of_which_one_dies_go_on [ETCD],
    a_member_that_stands_still_delays_a_read_and_fails_a_write [ETCD],
    a_member_of_another_cluster_is_refused [ETCD],
}
