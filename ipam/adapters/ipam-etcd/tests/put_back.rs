//! A block's older value, put back under etcd's hands: as sound in itself as it was, and wrong about who holds what.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{block_on, config, open};
use ipam::store::{
    HostReplica, PartialReplica, RecordError, Store, StoreError, TransactError, Watched,
};
use ipam::{PoolSpec, Replica, Request, Timestamp};
use std::collections::BTreeSet;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::time::Duration;
use test_support::etcd::{ETCD, Etcd};

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn wait(_: Duration) -> Ready<()> {
    ready(())
}

/// The only block's key and value.
async fn block(store: &mut impl Store) -> (String, Vec<u8>) {
    let page = store.list("b/", None, 1).await.expect("a listing");
    page.entries.into_iter().next().expect("a block")
}

/// Puts a value as a hand would, or a backup of some keys.
fn put(etcd: &Etcd, key: &str, value: &[u8]) {
    let key = STANDARD.encode(format!("/berth/ipam/k/{key}"));
    let value = STANDARD.encode(value);
    let json = format!(r#"{{"key": "{key}", "value": "{value}"}}"#);
    let _ = etcd.post("/v3/kv/put", &json);
}

/// What the damage is called, where an address was refused for it.
fn refused<T: std::fmt::Debug, E: std::fmt::Debug>(answer: Result<T, TransactError<E>>) {
    match answer {
        Err(TransactError::Damaged(rejected)) => {
            assert_eq!(rejected.reason, RecordError::PutBack.to_string());
        }
        other => panic!("{other:?}"),
    }
}

fn nothing_is_given_out_of_a_block_whose_older_value_was_put_back() {
    let etcd = Etcd::start(&[]);
    block_on(async {
        let store = || open(config(&etcd));
        let mut whole = Replica::open(store(), NOW, 7).await.expect("open");
        let spec = PoolSpec::new("p", "10.7.0.0/26".parse().expect("a prefix"));
        whole.add_pool(NOW, spec, wait).await.expect("a pool");
        let mut host = HostReplica::new(store(), "h1", 7);
        host.claim(NOW, &Request::new("a"), wait).await.expect("a");
        let (key, old) = block(&mut store()).await;
        let mut held = BTreeSet::new();
        for owner in ["a", "b", "c"] {
            let grant = host.claim(NOW, &Request::new(owner), wait).await;
            held.extend(grant.expect("an address").address());
        }
        whole.catch_up(NOW).await.expect("a look");
        put(&etcd, &key, &old);
        let from = store().get(&[]).await.expect("a look").1;
        // Whoever knows the block from before, whoever reads it, and whoever reads everything.
        refused(host.claim(NOW, &Request::new("d"), wait).await);
        let mut part = PartialReplica::new(store(), 7);
        let pools = ["p"];
        let of_host = Request::new("e").host("h1").pools(&pools);
        refused(part.claim(NOW, &of_host, wait).await);
        let mut anew = Replica::open(store(), NOW, 7).await.expect("open");
        refused(anew.claim(NOW, &of_host, wait).await);
        // What is beside it goes on.
        let spec = PoolSpec::new("q", "10.8.0.0/26".parse().expect("a prefix"));
        anew.add_pool(NOW, spec, wait).await.expect("a pool");
        let others = ["q"];
        let other = Request::new("f").pools(&others);
        host.claim(NOW, &other, wait).await.expect("of another");
        refused(whole.claim(NOW, &of_host, wait).await);
        let mut watching = store();
        assert!(matches!(
            watching.watch("", from - 1).await,
            Ok(Watched::Compacted)
        ));

        assert_eq!(anew.rebuild(NOW).await, Ok(1));
        assert_eq!(anew.rejected(), []);
        let holders: BTreeSet<IpAddr> = (anew.ipam().claims())
            .filter(|claim| claim.owner() != "f")
            .flat_map(|claim| claim.addresses().collect::<Vec<_>>())
            .collect();
        assert_eq!(holders, held);
        // What else the block had is in quarantine from then on.
        let later = NOW.after(Duration::from_secs(3600));
        let grant = host
            .claim(later, &Request::new("d").pools(&pools), wait)
            .await;
        let given = grant.expect("an address").address().expect("of IPv4");
        assert!(!held.contains(&given), "{given}");
    });
}

fn a_store_that_was_copied_key_by_key_is_sound() {
    let etcd = Etcd::start(&[]);
    block_on(async {
        let mut whole = Replica::open(open(config(&etcd)), NOW, 7)
            .await
            .expect("open");
        let spec = PoolSpec::new("p", "10.7.0.0/26".parse().expect("a prefix"));
        whole.add_pool(NOW, spec, wait).await.expect("a pool");
        whole.claim(NOW, &Request::new("a"), wait).await.expect("a");
        // A store of before there were digests, and one that is written again as it was.
        let (key, value) = block(&mut open(config(&etcd))).await;
        put(&etcd, &key, &value);
        let again = whole.claim(NOW, &Request::new("b"), wait).await;
        again.expect("an address");
        let name = STANDARD.encode(format!("/berth/ipam/digest/{key}"));
        let _ = etcd.post("/v3/kv/deleterange", &format!(r#"{{"key": "{name}"}}"#));
        let mut part = PartialReplica::new(open(config(&etcd)), 7);
        let claimed = part.claim(NOW, &Request::new("c"), wait).await;
        claimed.expect("an address");
        let all = Replica::open(open(config(&etcd)), NOW, 7).await;
        assert_eq!(all.expect("open").rejected(), []);
        let (unseen, _) = (open(config(&etcd)).get(&[key]).await).expect("a look");
        assert_ne!(unseen, [Some(value)]);
        assert!(!matches!(
            open(config(&etcd)).watch("", 1).await,
            Err(StoreError::Io(_))
        ));
    });
}

test_support::tests! {
    nothing_is_given_out_of_a_block_whose_older_value_was_put_back [ETCD],
    a_store_that_was_copied_key_by_key_is_sound [ETCD],
}
