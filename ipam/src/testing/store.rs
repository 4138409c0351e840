//! What every store must do.

mod guards;

use crate::{
    Ipam, PoolSpec, Replica, Request, Store, Timestamp,
    store::{Guard, StoreError, TransactError, Txn, Watched},
};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use guards::check_guards;

/// Checks a store: each call of `open` gives another handle of the one store, empty at first. Panics where
/// the store does not do what it must.
pub async fn check_store<S: Store>(mut open: impl FnMut() -> S) {
    check_transactions(&mut open()).await;
    check_guards(&mut open()).await;
    check_edges(&mut open()).await;
    check_listing(&mut open()).await;
    check_watching(open(), open()).await;
    check_replicas(&mut open).await;
    check_life_signs(&mut open).await;
    super::hosts::check_hosts(&mut open).await;
}

fn put(key: &str, value: &str) -> (String, Vec<u8>) {
    (key.to_string(), value.as_bytes().to_vec())
}

async fn revision<S: Store>(store: &mut S) -> u64 {
    store.get(&[]).await.expect("a read").1
}

/// All or nothing, guarded by what the writer knew.
async fn check_transactions<S: Store>(store: &mut S) {
    let start = revision(store).await;
    let key = || vec!["t/a".to_string()];
    let guard = |since| vec![Guard::unchanged("t/a", since)];
    let txn = Txn {
        guards: guard(start),
        put: vec![put("t/a", "1"), put("t/b", "2")],
        delete: vec![],
    };
    let first = store.commit(txn.clone()).await.expect("nobody else wrote");
    assert!(first > start, "a commit counts");
    let stale = store.commit(txn).await;
    assert_eq!(stale, Err(StoreError::Conflict { key: "t/a".into() }));
    assert_eq!(
        revision(store).await,
        first,
        "a refused commit does not count"
    );
    // One changed key among several refuses all of it.
    let half = Txn {
        guards: ["t/c", "t/b"]
            .map(|key| Guard::unchanged(key, start))
            .into(),
        put: vec![put("t/c", "3")],
        delete: key(),
    };
    assert!(store.commit(half).await.is_err());
    let keys = ["t/a", "t/b", "t/c"].map(ToString::to_string);
    let (values, _) = store.get(&keys).await.expect("a read");
    assert_eq!(values, [Some(b"1".to_vec()), Some(b"2".to_vec()), None]);
    // A deletion is a change, also to who never saw the key.
    let delete = Txn {
        guards: guard(first),
        put: vec![],
        delete: key(),
    };
    let second = store.commit(delete).await.expect("known");
    let again = Txn {
        guards: guard(first),
        put: vec![put("t/a", "4")],
        delete: vec![],
    };
    assert!(
        store.commit(again).await.is_err(),
        "the deletion went unnoticed"
    );
    let after = Txn {
        guards: guard(second),
        put: vec![put("t/a", "5")],
        delete: vec![],
    };
    store.commit(after).await.expect("known");
    clear(store).await;
}

pub(super) async fn clear<S: Store>(store: &mut S) {
    let page = store.list("", None, usize::MAX).await.expect("a listing");
    let delete = page.entries.into_iter().map(|(key, _)| key).collect();
    let txn = Txn {
        delete,
        ..Txn::default()
    };
    store.commit(txn).await.expect("a deletion");
}

/// What a store made of another one gets wrong: keys that are not there, values of no bytes, more keys than one of its requests takes.
async fn check_edges<S: Store>(store: &mut S) {
    let start = revision(store).await;
    let write = |put, delete| Txn {
        put,
        delete,
        ..Txn::default()
    };
    let one = |key: &str| vec![key.to_string()];
    // Made and deleted again, it looks as if nothing had been.
    let made = write(vec![put("e/a", "1"), put("e/empty", "")], vec![]);
    store.commit(made).await.expect("a write");
    let deleted = store.commit(write(vec![], one("e/a"))).await;
    let deleted = deleted.expect("a deletion");
    let mut late = write(vec![put("e/a", "2")], vec![]);
    late.guards = vec![Guard::unchanged("e/a", start)];
    let key = || "e/a".to_string();
    let refused = store.commit(late).await;
    assert_eq!(refused, Err(StoreError::Conflict { key: key() }));
    let news = store.watch("e/", start).await.expect("a watch");
    let Watched::Events(events, _) = news else {
        panic!("two commits are not too many to remember");
    };
    let news: BTreeSet<_> = events.into_iter().map(|e| (e.key, e.value)).collect();
    let want = [(key(), None), ("e/empty".to_string(), Some(Vec::new()))];
    assert_eq!(news, BTreeSet::from(want));
    let (values, _) = store
        .get(&["e/empty".to_string(), key()])
        .await
        .expect("a read");
    assert_eq!(values, [Some(Vec::new()), None]);
    // To delete what is not there is no change of it.
    let nothing = write(vec![], one("e/none"));
    store.commit(nothing).await.expect("nothing to delete");
    let mut first = write(vec![put("e/none", "1")], vec![]);
    first.guards = vec![Guard::unchanged("e/none", deleted)];
    store.commit(first).await.expect("nobody wrote it");
    let many: Vec<_> = (0..300).map(|i| format!("e/{i:03}")).collect();
    let since = revision(store).await;
    let mut all = write(many.iter().map(|k| put(k, k)).collect(), vec![]);
    let guard = |key| Guard::unchanged(key, since);
    all.guards = many.iter().map(guard).collect();
    let written = store.commit(all.clone()).await.expect("300 keys at once");
    let stale = store.commit(all).await;
    assert!(matches!(stale, Err(StoreError::Conflict { key }) if many.contains(&key)));
    let (values, at) = store.get(&many).await.expect("300 keys at once");
    assert_eq!(at, written);
    assert!(
        values
            .iter()
            .zip(&many)
            .all(|(v, k)| v.as_deref() == Some(k.as_bytes()))
    );
    clear(store).await;
}

/// In order, page by page, below a prefix.
async fn check_listing<S: Store>(store: &mut S) {
    let names: Vec<String> = (0..25).map(|i| format!("l/{i:02}")).collect();
    let mut entries: Vec<_> = names.iter().map(|n| put(n, n)).collect();
    entries.extend([put("k/1", "x"), put("m/", "x"), put("l", "x")]);
    let txn = Txn {
        put: entries,
        ..Txn::default()
    };
    store.commit(txn).await.expect("a write");
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store
            .list("l/", after.as_deref(), 10)
            .await
            .expect("a page");
        assert!(page.entries.len() <= 10);
        assert!(
            page.entries
                .iter()
                .all(|(k, v)| k.as_bytes() == v.as_slice())
        );
        seen.extend(page.entries.into_iter().map(|(k, _)| k));
        after = seen.last().cloned();
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, names);
    for (limit, more) in [(25, false), (24, true), (0, true)] {
        let page = store.list("l/", None, limit).await.expect("a page");
        assert_eq!((page.entries.len(), page.more), (limit, more));
    }
    let after = store.list("l/", names.last().map(|n| &**n), 10).await;
    let after = after.expect("a page");
    assert!(after.entries.is_empty() && !after.more);
    clear(store).await;
    assert!(
        store
            .list("", None, 10)
            .await
            .expect("a page")
            .entries
            .is_empty()
    );
}

/// One handle learns what another did, each key once, with its latest value.
async fn check_watching<S: Store>(mut one: S, mut two: S) {
    let from = revision(&mut one).await;
    for (key, value) in [("w/a", "1"), ("w/b", "1"), ("w/a", "2"), ("x/a", "1")] {
        let txn = Txn {
            put: vec![put(key, value)],
            ..Txn::default()
        };
        two.commit(txn).await.expect("a write");
    }
    let txn = Txn {
        delete: vec!["w/b".into()],
        ..Txn::default()
    };
    two.commit(txn).await.expect("a deletion");
    match one.watch("w/", from).await.expect("a watch") {
        Watched::Events(events, revision) => {
            let events: BTreeSet<_> = events.into_iter().map(|e| (e.key, e.value)).collect();
            let want = [
                ("w/a".to_string(), Some(b"2".to_vec())),
                ("w/b".to_string(), None),
            ];
            assert_eq!(events, BTreeSet::from(want));
            let later = one.watch("", revision).await.expect("a watch");
            assert_eq!(later, Watched::Events(Vec::new(), revision));
        }
        Watched::Compacted => panic!("five commits are not too many to remember"),
    }
    clear(&mut one).await;
}

/// Two allocators on one store, empty at first, never give an address twice and end up the same. Panics where
/// they do not.
pub async fn check_replicas<S: Store>(mut open: impl FnMut() -> S) {
    let at = Timestamp::from_secs;
    let mut one = Replica::open(open(), at(1), 7).await.expect("open");
    let spec = PoolSpec::new("p", "10.0.0.0/26".parse().expect("a prefix")).block_size(28);
    let add = |ipam: &Ipam| {
        Ok::<_, crate::pool::PoolError>(((), vec![ipam.decide_add_pool(spec.clone())?]))
    };
    one.transact(at(1), add, pause).await.expect("a pool");
    let mut two = Replica::open(open(), at(1), 8).await.expect("open");
    let (mut given, mut held) = (BTreeSet::new(), Vec::new());
    for i in 0..40u64 {
        let replica = if i % 2 == 0 { &mut one } else { &mut two };
        let (owner, sequence, address) = claim_number(replica, at(2 + i), i).await;
        assert!(given.insert(address), "{address} was given twice");
        held.push((owner, sequence, address));
        if i % 3 == 2 {
            let (owner, sequence, address) = held.remove(0);
            let replica = if i % 4 == 0 { &mut one } else { &mut two };
            release(replica, at(2 + i), &owner, sequence).await;
            given.remove(&address);
        }
        one.ipam()
            .check_invariants()
            .expect("after each transaction");
        two.ipam()
            .check_invariants()
            .expect("after each transaction");
    }
    one.catch_up(at(60)).await.expect("a catching up");
    two.catch_up(at(60)).await.expect("a catching up");
    let fresh = Replica::open(open(), at(60), 9).await.expect("open");
    assert_eq!(one.ipam().records(), two.ipam().records());
    assert_eq!(one.ipam().records(), fresh.ipam().records());
    assert!(fresh.rejected().is_empty(), "{:?}", fresh.rejected());
    // What is refused leaves the store as it is.
    let stale = |ipam: &Ipam| {
        Ok::<((), Vec<_>), _>(((), vec![ipam.decide_release("c39", 1)?.into_owned()]))
    };
    let refused = one.transact(at(61), stale, pause).await;
    assert!(matches!(
        refused,
        Err(TransactError::Refused(
            crate::claim::ReleaseError::Stale { .. }
        ))
    ));
}

/// The claim of the owner of this number: every other one is a workload's.
async fn claim_number<S: Store>(
    replica: &mut Replica<S>,
    now: Timestamp,
    number: u64,
) -> (String, u64, IpAddr) {
    let owner = format!("c{number}");
    let host = format!("h{}", number % 3);
    let workload = format!("w{}", number % 5);
    let sticky = Duration::from_secs(30);
    let mut request = Request::new(&owner).host(&host);
    if number.is_multiple_of(2) {
        request = request.workload(&workload).sticky(sticky);
    }
    let claim = |ipam: &Ipam| {
        let decision = ipam.decide_claim(&request)?;
        let changes = decision.changes.into_iter();
        let changes = changes.map(crate::Change::into_owned).collect();
        Ok::<_, crate::claim::ClaimError>((decision.grant, changes))
    };
    let grant = replica.transact(now, claim, pause).await;
    let grant = grant.expect("an address");
    let address = grant.address().expect("an address");
    (owner, grant.sequence, address)
}

async fn release<S: Store>(replica: &mut Replica<S>, now: Timestamp, owner: &str, sequence: u64) {
    let release = |ipam: &Ipam| {
        let change = ipam.decide_release(owner, sequence)?.into_owned();
        Ok::<_, crate::claim::ReleaseError>(((), vec![change]))
    };
    let released = replica.transact(now, release, pause).await;
    released.expect("a release");
}

pub(super) async fn pause(_: Duration) {}

/// Two processes: who claims again between two passes of collection keeps its address, whichever process it asks; a
/// claim repeated without need writes nothing.
async fn check_life_signs<S: Store>(open: &mut impl FnMut() -> S) {
    let at = |secs: u64| Timestamp::from_secs(10_000 + secs);
    let pause = |_| core::future::ready(());
    clear(&mut open()).await;
    let mut collector = Replica::open(open(), at(0), 9).await.expect("open");
    let mut host = Replica::open(open(), at(0), 9).await.expect("open");
    let spec = PoolSpec::new("p", "10.1.0.0/29".parse().expect("a prefix"));
    let add = |ipam: &Ipam| {
        let change = ipam.decide_add_pool(spec.clone())?;
        Ok::<_, crate::pool::PoolError>(((), vec![change]))
    };
    host.transact(at(0), add, pause).await.expect("a pool");
    let claim = |ipam: &Ipam| {
        let decision = ipam.decide_claim(&Request::new("o1"))?;
        let changes = decision.changes.into_iter();
        let changes = changes.map(crate::Change::into_owned).collect();
        Ok::<_, crate::claim::ClaimError>((decision.grant, changes))
    };
    let pass = |began: Timestamp| {
        move |ipam: &Ipam| {
            let out = ipam.decide_reconcile(began, Duration::from_secs(900), |_| false);
            Ok::<_, core::convert::Infallible>((out.released, out.changes))
        }
    };
    let first = host.transact(at(0), claim, pause).await.expect("a claim");
    let written = revision(&mut open()).await;
    host.transact(at(1), claim, pause).await.expect("the same");
    assert_eq!(revision(&mut open()).await, written, "a write without need");
    let out = collector.transact(at(100), pass(at(99)), pause).await;
    assert_eq!(out, Ok(vec![]));
    let again = host.transact(at(1000), claim, pause).await;
    assert_eq!(again.expect("the same").sequence, first.sequence);
    let out = collector.transact(at(1001), pass(at(999)), pause).await;
    assert_eq!(out, Ok(vec![]), "collected though it claimed again");
    let fsck = collector.ipam().fsck(Duration::from_secs(900), &[]);
    assert_eq!(fsck, vec![], "fsck would take it away");
    // Missing from then on, it is collected: two passes, a grace period apart.
    for (now, released) in [(1002, vec![]), (1903, vec!["o1".to_string()])] {
        let out = collector.transact(at(now), pass(at(now - 1)), pause).await;
        assert_eq!(out, Ok(released));
    }
}
