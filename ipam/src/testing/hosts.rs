//! What hosts' allocators do on every store.

use super::store::{clear, pause};
use crate::store::{HostReplica, StoreClock};
use crate::{PoolSpec, Replica, Request, Store, Timestamp};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// Hosts that learn of one another by conflicts only.
const HOSTS: usize = 4;

/// Several hosts' allocators on one store, empty at first, claim, renew, release, borrow, and give blocks back: no address is held twice, no
/// claim lost, nothing left over. Panics where one is.
pub(super) async fn check_hosts<S: Store>(open: &mut impl FnMut() -> S) {
    let at = |secs: u64| Timestamp::from_secs(50_000 + secs);
    clear(&mut open()).await;
    let mut whole = Replica::open(open(), at(0), 7).await.expect("open");
    let mut spec = PoolSpec::new("p", "10.2.0.0/26".parse().expect("a prefix")).block_size(29);
    spec.reclaim_after = Duration::from_secs(60);
    whole.add_pool(at(0), spec, pause).await.expect("a pool");
    let names: Vec<String> = (0..HOSTS).map(|i| format!("h{i}")).collect();
    let mut hosts: Vec<_> = names
        .iter()
        .map(|n| HostReplica::new(open(), n, 7))
        .collect();
    let mut held: BTreeMap<String, (u64, IpAddr)> = BTreeMap::new();
    // As many as there are but for the edges: the last ones are borrowed.
    for i in 0..62 {
        let owner = format!("c{i}");
        let host = if i < 40 { i % HOSTS } else { i % 2 };
        let request = Request::new(&owner);
        let grant = hosts[host].claim(at(1), &request, pause).await;
        let grant = grant.expect("an address");
        let address = grant.address().expect("one");
        assert!(held.values().all(|(_, a)| *a != address), "{address} twice");
        held.insert(owner.clone(), (grant.sequence, address));
        let again = hosts[host].claim(at(1), &request, pause).await;
        assert_eq!(again.expect("the same").sequence, grant.sequence);
    }
    let full = hosts[0].claim(at(2), &Request::new("late"), pause).await;
    assert!(full.is_err(), "there was none left: {full:?}");
    for (i, (owner, (sequence, _))) in held.iter().enumerate() {
        let host = &mut hosts[i % HOSTS];
        let lease = Some(Duration::from_secs(600));
        let renewed = host.renew(at(3), owner, *sequence, lease, pause).await;
        renewed.expect("a renewal");
        let stale = host.release(at(3), owner, sequence + 1, pause).await;
        assert!(stale.is_err(), "released by another's token");
    }
    whole.catch_up(at(3)).await.expect("a catching up");
    for (owner, (sequence, _)) in &held {
        let claim = whole.ipam().claim_of(owner).expect("it is held");
        assert_eq!(claim.sequence(), *sequence);
    }
    // One host releases all that it knows of, whoever claimed it; what is left ends with its lease.
    for (owner, (sequence, _)) in held.iter().take(50) {
        let released = hosts[1].release(at(4), owner, *sequence, pause).await;
        released.expect("a release");
    }
    for time in [at(700), at(800), at(900)] {
        for host in &mut hosts {
            host.collect(time, None, pause).await.expect("a pass");
        }
    }
    let whole = Replica::open(open(), at(900), 7).await.expect("open");
    assert_eq!(whole.ipam().claim_count(), 0);
    assert_eq!(whole.rejected(), []);
    whole.ipam().check_invariants().expect("sound");
    let kept = whole.ipam().blocks("p").count();
    assert!(kept <= HOSTS, "{kept} blocks are kept by {HOSTS} hosts");
    check_clock(open).await;
}

/// Two servers go by the store's time, one after the other, and a third host looks at it.
async fn check_clock<S: Store>(open: &mut impl FnMut() -> S) {
    clear(&mut open()).await;
    let at = Timestamp::from_secs;
    let (mut one, mut two) = (StoreClock::default(), StoreClock::default());
    let wall = at(1_000_000);
    let first = one.serve(&mut open(), wall, || at(10)).await;
    let first = first.expect("a first time");
    assert_eq!(first, wall);
    if check_stopwatches(&mut open()).await {
        return check_own_clock(open, first, &mut two).await;
    }
    let seen = two.serve(&mut open(), at(5), || at(77)).await;
    assert_eq!(seen, Ok(first), "its wall clock says nothing");
    let seen = two.serve(&mut open(), at(5), || at(80)).await;
    assert_eq!(seen, Ok(first.after(Duration::from_secs(3))));
    // Who has missed that learns of it, and does not move it on by his own.
    let seen = one.serve(&mut open(), wall, || at(13)).await;
    assert_eq!(seen, Ok(first.after(Duration::from_secs(3))));
    let mut host = StoreClock::default();
    host.read(&mut open(), || at(1)).await.expect("a look");
    assert_eq!(host.now(at(2)), Some(first.after(Duration::from_secs(4))));
    clear(&mut open()).await;
}

/// Whether a store has stopwatches. They are apart, show no more than has passed, and are gone once they are stopped.
async fn check_stopwatches<S: Store>(store: &mut S) -> bool {
    let Some(one) = store.start_stopwatch().await.expect("an answer") else {
        assert_eq!(store.stopwatch(1).await, Ok(None));
        return false;
    };
    let two = store.start_stopwatch().await.expect("an answer");
    let two = two.expect("another one");
    assert_ne!(one.stopwatch, two.stopwatch);
    let shown = store.stopwatch(one.stopwatch).await.expect("an answer");
    let shown = shown.expect("it is there");
    assert!(shown.time < Duration::from_secs(60) && shown.term >= one.term);
    for started in [one, two] {
        let stopped = store.stop_stopwatch(started.stopwatch).await;
        stopped.expect("it is stopped");
        assert_eq!(store.stopwatch(started.stopwatch).await, Ok(None));
    }
    // Nobody need know whether another has stopped it.
    let again = store.stop_stopwatch(one.stopwatch).await;
    again.expect("it is gone");
    true
}

/// On a store that has a clock no host's clocks move anything on by themselves.
async fn check_own_clock<S: Store>(
    open: &mut impl FnMut() -> S,
    first: Timestamp,
    host: &mut StoreClock,
) {
    let year = Duration::from_secs(365 * 86_400);
    let (past, future) = (Timestamp::from_secs(5), first.after(year));
    let begun = Timestamp::from_secs(77);
    let mut latest = first;
    for (wall, secs) in [(past, 0), (future, 10), (future, 1_000_000)] {
        let monotonic = || begun.after(Duration::from_secs(secs));
        let seen = host.serve(&mut open(), wall, monotonic).await;
        let seen = seen.expect("a look");
        assert!(seen >= latest, "it goes back");
        assert!(seen.since(first) < Duration::from_secs(60), "{seen}");
        latest = seen;
    }
    clear(&mut open()).await;
}
