//! A server that restarts, was set back or is none; compaction; replies that never come.

mod common;

use common::{block_on, commit, config, get, open, revision};
use ipam::store::{StoreError, Txn, Watched};
use ipam::{PoolSpec, Replica, Request, Store as _, Timestamp};
use ipam_etcd::{EtcdConfig, EtcdStore};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use test_support::etcd::{ETCD, Etcd};

fn events(watched: Watched) -> BTreeMap<String, Option<String>> {
    let Watched::Events(events, _) = watched else {
        panic!("compacted");
    };
    let text = |v: Vec<u8>| String::from_utf8(v).expect("text");
    events
        .into_iter()
        .map(|e| (e.key, e.value.map(text)))
        .collect()
}

fn event(key: &str, value: Option<&str>) -> (String, Option<String>) {
    (key.to_owned(), value.map(ToOwned::to_owned))
}

/// Makes a store open its feed: others' changes, seen twice.
async fn warm_up(store: &mut EtcdStore, other: &mut EtcdStore) -> u64 {
    for i in 0..3 {
        let from = revision(store).await;
        let value = i.to_string();
        commit(other, from, &[("c/warm", &value)], &[])
            .await
            .expect("a write");
        let seen = events(store.watch("", from).await.expect("a watch"));
        assert_eq!(seen, BTreeMap::from([event("c/warm", Some(&value))]));
    }
    revision(store).await
}

fn compact(etcd: &Etcd, revision: u64) {
    let json = format!("{{\"revision\": {revision}, \"physical\": true}}");
    let _ = etcd.post("/v3/kv/compaction", &json);
}

fn compaction_during_a_watch_loses_nothing() {
    let etcd = Etcd::start(&[]);
    let (mut one, mut two) = (open(config(&etcd)), open(config(&etcd)));
    block_on(async {
        let from = warm_up(&mut one, &mut two).await;
        for value in ["1", "2", "3"] {
            let since = revision(&mut two).await;
            let put = [("c/a", value), ("c/b", value)];
            commit(&mut two, since, &put, &[]).await.expect("a write");
        }
        let since = revision(&mut two).await;
        commit(&mut two, since, &[], &["c/b"])
            .await
            .expect("a deletion");
        let since = revision(&mut two).await;
        compact(&etcd, since);
        let want = BTreeMap::from([event("c/a", Some("3")), event("c/b", None)]);
        assert_eq!(events(one.watch("", from).await.expect("a watch")), want);
        // Nor does it for one that never watched before.
        let mut fresh = open(config(&etcd));
        assert_eq!(events(fresh.watch("", from).await.expect("a watch")), want);
        // A condition on what was compacted is one all the same.
        let late = commit(&mut fresh, from, &[("c/b", "late")], &[]).await;
        assert_eq!(late, Err(StoreError::Conflict { key: "c/b".into() }));
    });
}

fn who_is_behind_the_horizon_reads_again() {
    let etcd = Etcd::start(&[]);
    let short = || config(&etcd).remember_deletions(100);
    let (mut one, mut two) = (open(short()), open(short()));
    block_on(async {
        let start = revision(&mut two).await;
        commit(&mut two, start, &[("c/first", "1")], &[])
            .await
            .expect("a write");
        let known = revision(&mut one).await;
        commit(&mut two, known, &[], &["c/first"])
            .await
            .expect("a deletion");
        for i in 0..400 {
            let (key, since) = (format!("c/{i}"), revision(&mut two).await);
            let written = commit(&mut two, since, &[(&key, "x")], &[])
                .await
                .expect("a write");
            commit(&mut two, written, &[], &[&key])
                .await
                .expect("a deletion");
        }
        // The tombstone is swept, and still the deletion does not go unnoticed.
        let late = commit(&mut one, known, &[("c/first", "late")], &[]).await;
        assert_eq!(
            late,
            Err(StoreError::Conflict {
                key: "c/first".into()
            })
        );
        assert_eq!(one.watch("", known).await, Ok(Watched::Compacted));
        let since = revision(&mut one).await;
        commit(&mut one, since, &[("c/first", "anew")], &[])
            .await
            .expect("a write");
        // Swept means gone: of 401 deletions no more are remembered than those of the last revisions, and what one sweep leaves.
        let left = etcd.post(
            "/v3/kv/range",
            r#"{"key": "L2JlcnRoL2lwYW0vZC8=", "range_end": "L2JlcnRoL2lwYW0vZDA=", "count_only": true}"#,
        );
        let count = left
            .split("\"count\":\"")
            .nth(1)
            .and_then(|c| c.split('"').next());
        let count: u32 = count.and_then(|c| c.parse().ok()).expect("a count");
        assert!(count < 200, "{count} tombstones: {left}");
    });
}

fn a_horizon_that_cannot_be_read_is_a_problem_and_is_written_anew() {
    let etcd = Etcd::start(&[]);
    let now = Timestamp::from_secs(1_000);
    let wait = |_| std::future::ready(());
    block_on(async {
        let mut replica = Replica::open(open(config(&etcd)), now, 7)
            .await
            .expect("open");
        let spec = PoolSpec::new("p", "10.7.0.0/24".parse().expect("a prefix"));
        replica.add_pool(now, spec, wait).await.expect("a pool");
        // As a hand would: `/berth/ipam/horizon` holds `junk`.
        let put = r#"{"key": "L2JlcnRoL2lwYW0vaG9yaXpvbg==", "value": "anVuaw=="}"#;
        let _ = etcd.post("/v3/kv/put", put);
        let mut replica = Replica::open(open(config(&etcd)), now, 7)
            .await
            .expect("open");
        replica.inspect().await.expect("a look");
        let problems = replica.ipam().fsck(Duration::ZERO, replica.rejected());
        assert!(
            problems.iter().any(|p| p.repair.contains("`junk`")),
            "{problems:?}"
        );
        let refused = replica.claim(now, &Request::new("a"), wait).await;
        assert!(refused.is_err_and(|e| e.to_string().contains("fsck --repair")));
        replica.inspect().await.expect("a look");
        assert_eq!(replica.rebuild(now).await, Ok(1));
        assert_eq!(replica.rejected(), []);
        replica
            .claim(now, &Request::new("a"), wait)
            .await
            .expect("an address");
        let mut replica = Replica::open(open(config(&etcd)), now, 7)
            .await
            .expect("open");
        replica.inspect().await.expect("a look");
        assert_eq!(replica.rejected(), []);
        assert_eq!(replica.ipam().claim_count(), 1);
    });
}

fn a_server_that_comes_back_is_found_again() {
    let mut etcd = Etcd::start(&[]);
    let config = config(&etcd).timeout(Duration::from_secs(20));
    let (mut one, mut two) = (open(config.clone()), open(config));
    block_on(async {
        let from = warm_up(&mut one, &mut two).await;
        etcd.kill();
        let back = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(700));
            etcd.restart();
            etcd
        });
        // Waits for it: a read is asked again, and a write that was never sent is sent once.
        assert_eq!(get(&mut one, "c/warm").await.as_deref(), Some("2"));
        commit(&mut two, from, &[("c/warm", "back")], &[])
            .await
            .expect("a write");
        let seen = events(one.watch("", from).await.expect("a watch"));
        assert_eq!(seen, BTreeMap::from([event("c/warm", Some("back"))]));
        drop(back.join().expect("a thread"));
    });
}

fn nobody_there_is_an_error_within_the_time_given() {
    let mut etcd = Etcd::start(&[]);
    let mut store = open(config(&etcd).timeout(Duration::from_millis(500)));
    etcd.kill();
    block_on(async {
        let start = Instant::now();
        let error = store.get(&[]).await;
        assert!(
            matches!(&error, Err(StoreError::Io(why)) if why.contains("can't be reached") && why.contains(&etcd.url())),
            "{error:?}"
        );
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}",
            start.elapsed()
        );
    });
}

fn a_store_that_was_set_back_is_not_written_to_until_accepted() {
    let mut etcd = Etcd::start(&[]);
    let config = config(&etcd).timeout(Duration::from_secs(20));
    let (mut one, mut two) = (open(config.clone()), open(config.clone()));
    block_on(async {
        let since = revision(&mut one).await;
        commit(&mut one, since, &[("c/a", "1")], &[])
            .await
            .expect("a write");
        etcd.save();
        let since = revision(&mut one).await;
        let lost = commit(&mut one, since, &[("c/b", "1")], &[])
            .await
            .expect("a write");
        assert_eq!(two.damage().await, Ok(Vec::new()));
        etcd.set_back();
        // A connection that broke is noticed by whoever runs it, and this thread was elsewhere.
        tokio::time::sleep(Duration::from_millis(100)).await;
        // Both saw the commit that is lost; the one wrote it, the other only saw it.
        for store in [&mut one, &mut two] {
            let refused = commit(store, lost, &[("c/c", "1")], &[]).await;
            assert!(
                matches!(&refused, Err(StoreError::Damaged(why)) if why.contains(&lost.to_string())),
                "{refused:?}"
            );
            assert_eq!(store.watch("", lost).await, Ok(Watched::Compacted));
            let told = store.damage().await.expect("a reading");
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(get(store, "c/b").await, None);
        }
        one.accept().await.expect("accepted");
        assert_eq!(one.damage().await, Ok(Vec::new()));
        let since = revision(&mut one).await;
        commit(&mut one, since, &[("c/c", "1")], &[])
            .await
            .expect("a write");
        // Whoever comes new to it finds nothing wrong.
        assert_eq!(open(config).damage().await, Ok(Vec::new()));
    });
}

/// Passes bytes on, until it is told to keep the server's to itself.
struct Proxy {
    url: String,
    silent: Arc<AtomicBool>,
}

impl Proxy {
    fn before(etcd: &Etcd) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let target = etcd.url().trim_start_matches("http://").to_owned();
        let silent = Arc::new(AtomicBool::new(false));
        let quiet = Arc::clone(&silent);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&target) else {
                    continue;
                };
                let never = Arc::new(AtomicBool::new(false));
                pass(&client, &server, never);
                pass(&server, &client, Arc::clone(&quiet));
            }
        });
        Self { url, silent }
    }
}

fn pass(from: &TcpStream, to: &TcpStream, silent: Arc<AtomicBool>) {
    let (mut from, mut to) = (
        from.try_clone().expect("a clone"),
        to.try_clone().expect("a clone"),
    );
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if !silent.load(Ordering::SeqCst) && to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

fn a_write_whose_reply_is_lost_is_not_sent_again() {
    let etcd = Etcd::start(&[]);
    let proxy = Proxy::before(&etcd);
    let config = EtcdConfig::new([proxy.url.clone(), etcd.url()]).timeout(Duration::from_secs(2));
    let mut store = open(config);
    block_on(async {
        let before = revision(&mut store).await;
        proxy.silent.store(true, Ordering::SeqCst);
        // Without a condition, a second one would count.
        let put = vec![("c/a".to_owned(), b"1".to_vec())];
        let txn = Txn {
            put,
            ..Txn::default()
        };
        let outcome = store.commit(txn).await;
        assert!(
            matches!(&outcome, Err(StoreError::Io(why)) if why.contains("unknown")),
            "{outcome:?}"
        );
        let (values, after) = store.get(&["c/a".to_owned()]).await.expect("the other way");
        assert_eq!((values, after), (vec![Some(b"1".to_vec())], before + 1));
    });
}

/// What is no etcd: silence, garbage, another protocol, a stream without end.
fn what_is_no_etcd_is_an_error_in_time() {
    let speeches: [&'static [u8]; 4] =
        [b"", b"\0\0\0\0", b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 1000]];
    for (endless, speech) in speeches.into_iter().enumerate() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for client in listener.incoming().map_while(Result::ok) {
                let mut client = client;
                while client.write_all(speech).is_ok() && endless == 3 {}
                held.push(client);
            }
        });
        let config = EtcdConfig::new([url])
            .timeout(Duration::from_millis(600))
            .connect_timeout(Duration::from_millis(200))
            .attempt_timeout(Duration::from_millis(200));
        let mut store = open(config);
        let start = Instant::now();
        let error = block_on(store.get(&[]));
        assert!(matches!(error, Err(StoreError::Io(_))), "{error:?}");
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}",
            start.elapsed()
        );
    }
}

test_support::tests! {
    compaction_during_a_watch_loses_nothing [ETCD],
    who_is_behind_the_horizon_reads_again [ETCD],
    a_horizon_that_cannot_be_read_is_a_problem_and_is_written_anew [ETCD],
    a_server_that_comes_back_is_found_again [ETCD],
    a_store_that_was_set_back_is_not_written_to_until_accepted [ETCD],
    nobody_there_is_an_error_within_the_time_given [ETCD],
    a_write_whose_reply_is_lost_is_not_sent_again [ETCD],
    what_is_no_etcd_is_an_error_in_time [],
}
