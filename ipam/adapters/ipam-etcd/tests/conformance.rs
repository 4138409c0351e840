//! Real etcd passes what every store must pass, and keeps to the limits of etcd's transactions.

mod common;

use common::{block_on, commit, config, get, open, revision};
use ipam::Store as _;
use ipam::store::{Guard, StoreError, Txn, Watched};
use test_support::etcd::{ETCD, Etcd};

fn etcd_conforms() {
    let etcd = Etcd::start(&[]);
    block_on(ipam::testing::check_store(|| open(config(&etcd))));
}

fn stores_of_other_prefixes_are_not_touched() {
    let etcd = Etcd::start(&[]);
    let ours = || open(config(&etcd).prefix("/ours"));
    let mut theirs = open(config(&etcd).prefix("/ours2/"));
    block_on(async {
        let since = revision(&mut theirs).await;
        let written = commit(&mut theirs, since, &[("c/a", "theirs")], &[]).await;
        let written = written.expect("a write");
        ipam::testing::check_store(ours).await;
        assert_eq!(get(&mut theirs, "c/a").await.as_deref(), Some("theirs"));
        // Others' commits move the revision, and are no news.
        let news = theirs.watch("", written).await.expect("a watch");
        let now = revision(&mut theirs).await;
        assert!(now > written);
        assert_eq!(news, Watched::Events(Vec::new(), now));
        let again = commit(&mut theirs, written, &[("c/a", "again")], &[]).await;
        again.expect("nobody changed it");
    });
}

/// More operations than etcd takes in one list.
fn a_transaction_of_thousands_is_one_transaction() {
    let etcd = Etcd::start(&[]);
    let mut store = open(config(&etcd));
    block_on(async {
        let keys: Vec<String> = (0..5000).map(|i| format!("k/{i:04}")).collect();
        let put = |value: u8| keys.iter().map(|k| (k.clone(), vec![value])).collect();
        let since = revision(&mut store).await;
        let guards = |since| {
            let guard = |key| Guard::unchanged(key, since);
            keys.iter().map(guard).collect()
        };
        let txn = |since, value| Txn {
            guards: guards(since),
            put: put(value),
            delete: Vec::new(),
        };
        let first = store.commit(txn(since, 1)).await.expect("a write");
        // One of them changed by another: nothing of it happens.
        let other = commit(&mut store, first, &[("k/2500", "x")], &[])
            .await
            .expect("a write");
        let refused = store.commit(txn(first, 2)).await;
        assert_eq!(
            refused,
            Err(StoreError::Conflict {
                key: "k/2500".into()
            })
        );
        let (values, at) = store.get(&keys).await.expect("a read of thousands");
        assert_eq!(at, other);
        let ones = values.iter().filter(|v| v.as_deref() == Some(&[1])).count();
        assert_eq!((values.len(), ones), (5000, 4999));
        let Watched::Events(events, _) = store.watch("k/", first).await.expect("a watch") else {
            panic!("one change is not too many");
        };
        assert_eq!(events.len(), 1);
        // Deleted in one, seen as deleted one by one.
        let delete = Txn {
            guards: guards(other),
            put: Vec::new(),
            delete: keys.clone(),
        };
        let deleted = store.commit(delete).await.expect("a deletion");
        let Watched::Events(events, upto) = store.watch("", other).await.expect("a watch") else {
            panic!("5,000 changes are not too many");
        };
        assert_eq!(upto, deleted);
        assert_eq!(events.iter().filter(|e| e.value.is_none()).count(), 5000);
        let late = commit(&mut store, other, &[("k/0007", "late")], &[]).await;
        assert_eq!(
            late,
            Err(StoreError::Conflict {
                key: "k/0007".into()
            })
        );
    });
}

fn what_etcd_does_not_take_is_refused_with_both_figures() {
    let etcd = Etcd::start(&[]);
    let mut store = open(config(&etcd));
    block_on(async {
        let since = revision(&mut store).await;
        let long = "x".repeat(2 << 20);
        let refused = commit(&mut store, since, &[("c/a", &long)], &[]).await;
        let Err(StoreError::Io(why)) = refused else {
            panic!("{refused:?}");
        };
        assert!(why.contains("1572864") && why.contains("2097"), "{why}");
        // A server with a lower limit than was told says no itself.
        let mut store = open(config(&etcd).max_request_bytes(8 << 20));
        let long = "x".repeat(1_700_000);
        let refused = commit(&mut store, since, &[("c/a", &long)], &[]).await;
        let Err(StoreError::Io(why)) = refused else {
            panic!("{refused:?}");
        };
        assert!(why.contains("request is too large"), "{why}");
        assert_eq!(get(&mut store, "c/a").await, None);
        // More operations than fit, however they are nested.
        let many = Txn {
            put: (0..300).map(|i| (format!("k/{i}"), Vec::new())).collect(),
            ..Txn::default()
        };
        let mut store = open(config(&etcd).max_txn_ops(16));
        let Err(StoreError::Io(why)) = store.commit(many).await else {
            panic!("more than 125 operations");
        };
        assert!(
            why.contains("301 operations") && why.contains("125"),
            "{why}"
        );
    });
}

/// Long values come in smaller pages; an answer that stays too long is an error.
fn long_answers_are_asked_for_in_parts() {
    let etcd = Etcd::start(&[]);
    let mut store = open(config(&etcd));
    block_on(async {
        let value = "v".repeat(20_000);
        let names: Vec<String> = (0..40).map(|i| format!("k/{i:02}")).collect();
        for name in &names {
            let since = revision(&mut store).await;
            commit(&mut store, since, &[(name, &value)], &[])
                .await
                .expect("a write");
        }
        let mut tight = open(config(&etcd).max_response_bytes(100_000));
        let page = tight.list("k/", None, usize::MAX).await.expect("a listing");
        assert_eq!((page.entries.len(), page.more), (40, false));
        let (values, _) = tight.get(&names).await.expect("a read");
        assert!(
            values
                .iter()
                .all(|v| v.as_ref().is_some_and(|v| v.len() == 20_000))
        );
        let missed = tight.watch("", 1).await.expect("a watch");
        assert_eq!(
            missed,
            Watched::Compacted,
            "everything is read in pages instead"
        );
        let since = revision(&mut store).await;
        let long = "v".repeat(200_000);
        commit(&mut store, since, &[("k/40", &long)], &[])
            .await
            .expect("a write");
        let error = tight.get(&["k/40".to_owned()]).await;
        assert!(
            matches!(&error, Err(StoreError::Io(why)) if why.contains("too large")),
            "{error:?}"
        );
    });
}

/// Who watches again and again has etcd tell it, rather than walk through all keys.
fn repeated_watches_share_one_feed() {
    let etcd = Etcd::start(&[]);
    let (mut one, mut two) = (open(config(&etcd)), open(config(&etcd)));
    block_on(async {
        let mut from = revision(&mut one).await;
        let before = etcd.metric("etcd_debugging_mvcc_watcher_total");
        for i in 0..40 {
            let (key, old) = (format!("c/{i}"), format!("c/{}", i - 1));
            let since = revision(&mut two).await;
            let put = [(&*key, "x"), ("h/same", &*key)];
            commit(&mut two, since, &put, &[&old])
                .await
                .expect("a write");
            let watched = one.watch("c/", from).await.expect("a watch");
            let Watched::Events(events, upto) = watched else {
                panic!("three changes are not too many");
            };
            let mut seen: Vec<_> = events
                .into_iter()
                .map(|e| (e.key, e.value.is_some()))
                .collect();
            seen.sort();
            let mut want = vec![(key, true)];
            want.extend((i > 0).then_some((old, false)));
            want.sort();
            assert_eq!(seen, want);
            // What was of no interest to one prefix is told of to another, and what is old is asked for.
            let all = one.watch("", from).await.expect("a watch");
            assert!(
                matches!(all, Watched::Events(e, u) if e.len() == 2 + usize::from(i > 0) && u == upto)
            );
            from = upto;
        }
        assert_eq!(
            etcd.metric("etcd_debugging_mvcc_watcher_total"),
            before + 1.0
        );
        let Watched::Events(all, _) = one.watch("", 1).await.expect("a watch") else {
            panic!("42 changes are not too many");
        };
        assert_eq!(all.len(), 41);
    });
}

test_support::tests! {
    repeated_watches_share_one_feed [ETCD],
    etcd_conforms [ETCD],
    stores_of_other_prefixes_are_not_touched [ETCD],
    a_transaction_of_thousands_is_one_transaction [ETCD],
    what_etcd_does_not_take_is_refused_with_both_figures [ETCD],
    long_answers_are_asked_for_in_parts [ETCD],
}
