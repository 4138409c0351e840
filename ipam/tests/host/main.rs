//! What a host's allocator promises: few messages, and nothing given by what is no longer so.

use ipam::{
    PoolSpec, Replica, Request, Store, Timestamp,
    claim::{ClaimError, RenewError},
    collect::Census,
    pool::Affinity,
    store::{
        Guard, HostReplica, Page, PartialReplica, Revision, StoreError, TransactError, Txn,
        Watched, ready,
    },
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

#[path = "../shared/mod.rs"]
mod shared;
mod steps;

use shared::Shared;

fn wait(_: Duration) -> std::future::Ready<()> {
    std::future::ready(())
}

fn now<T>(future: impl Future<Output = T>) -> T {
    ready(future).expect("memory never waits")
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1000 + secs)
}

fn whole(store: &Shared) -> Replica<Shared> {
    now(Replica::open(store.clone(), at(0), 7)).expect("open")
}

/// A store with one pool.
fn store(spec: PoolSpec) -> Shared {
    let store = Shared::default();
    now(whole(&store).add_pool(at(0), spec, wait)).expect("a pool");
    store
}

fn spec(cidr: &str) -> PoolSpec {
    PoolSpec::new("p", cidr.parse().expect("a prefix"))
}

#[test]
fn a_claim_in_the_own_block_is_one_message() {
    let store = store(spec("10.0.0.0/16"));
    let mut host = HostReplica::new(store.clone(), "h1", 7);
    let mut sequences = Vec::new();
    let claim = |host: &mut HostReplica<Shared>, i: u32| {
        let (owner, workload) = (format!("c{i}/eth0"), format!("shop/web-{i}"));
        let request = Request::new(&owner).workload(&workload);
        let grant = now(host.claim(at(1), &request, wait)).expect("an address");
        (owner, grant.sequence)
    };
    claim(&mut host, 0);
    store.messages();
    for i in 1..64 {
        sequences.push(claim(&mut host, i));
        // The last one's page no longer says that something is free.
        let want = if i == 63 { 2 } else { 1 };
        assert_eq!(store.messages(), want, "claim {i}");
    }
    // A new block, and the pages that tell of it.
    claim(&mut host, 64);
    assert!(store.messages() <= 3);
    for (owner, sequence) in &sequences[..20] {
        let lease = Some(Duration::from_secs(60));
        now(host.renew(at(2), owner, *sequence, lease, wait)).expect("a renewal");
        assert_eq!(store.messages(), 1);
        now(host.release(at(2), owner, *sequence, wait)).expect("a release");
        // The first release of a full block makes it one with a quarantine: its page says when that ends.
        assert!(store.messages() <= 2);
    }
    assert_eq!(host.whole_reads(), 0);
    whole(&store).ipam().check_invariants().expect("sound");
}

#[test]
fn a_repeated_claim_is_answered_from_the_store() {
    let store = store(spec("10.0.0.0/24"));
    let mut host = HostReplica::new(store.clone(), "h1", 7);
    let request = Request::new("c1");
    let first = now(host.claim(at(1), &request, wait)).expect("an address");
    // Another process ends it: what the allocator knows is no longer so.
    now(whole(&store).release(at(2), "c1", first.sequence, wait)).expect("a release");
    let second = now(host.claim(at(3), &request, wait)).expect("an address");
    assert!(second.sequence > first.sequence);
    assert_ne!(second.address(), first.address(), "in quarantine");
    let refused = now(host.release(at(4), "c1", first.sequence, wait));
    assert!(
        matches!(refused, Err(TransactError::Refused(_))),
        "{refused:?}"
    );
    let refused = now(host.renew(at(4), "c2", 1, None, wait));
    let gone = |e: &TransactError<RenewError>| matches!(e, TransactError::Refused(RenewError::Gone { owner }) if owner == "c2");
    assert!(refused.as_ref().is_err_and(gone), "{refused:?}");
}

/// An owner whose claim was ended elsewhere claims with a higher token, though the allocator never saw that claim.
#[test]
fn tokens_rise_past_claims_that_the_allocator_never_saw() {
    let store = store(spec("10.0.0.0/24"));
    let mut one = HostReplica::new(store.clone(), "h1", 7);
    let mut two = HostReplica::new(store.clone(), "h2", 7);
    now(one.claim(at(1), &Request::new("warm"), wait)).expect("an address");
    for i in 0..5 {
        let owner = format!("o{i}");
        let request = Request::new(&owner);
        let theirs = now(two.claim(at(2), &request, wait)).expect("an address");
        now(two.release(at(2), &owner, theirs.sequence, wait)).expect("a release");
        let ours = now(one.claim(at(3), &request, wait)).expect("an address");
        assert!(ours.sequence > theirs.sequence, "{i}");
        // A late DEL of the first does not free the second.
        let late = now(two.release(at(4), &owner, theirs.sequence, wait));
        assert!(matches!(late, Err(TransactError::Refused(_))), "{late:?}");
    }
}

#[test]
fn pools_that_were_added_are_seen_after_a_refresh_or_where_nothing_else_is_free() {
    let store = store(
        spec("10.0.0.0/30")
            .block_size(30)
            .affinity(Affinity::Strict),
    );
    let mut host = HostReplica::new(store.clone(), "h1", 7);
    let claim = |host: &mut HostReplica<Shared>, owner: &str| {
        now(host.claim(at(1), &Request::new(owner), wait)).map(|g| g.address())
    };
    for owner in ["a", "b"] {
        claim(&mut host, owner).expect("an address");
    }
    let full = claim(&mut host, "c");
    assert!(
        matches!(
            full,
            Err(TransactError::Refused(ClaimError::Exhausted { .. }))
        ),
        "{full:?}"
    );
    let more = |name: &str, cidr: &str| {
        let spec = PoolSpec::new(name, cidr.parse().expect("a prefix"));
        now(whole(&store).add_pool(at(2), spec, wait)).expect("a pool");
    };
    more("q", "10.1.0.0/24");
    let q: IpAddr = claim(&mut host, "c").expect("an address").expect("one");
    assert!(q.to_string().starts_with("10.1."));
    more("a", "10.2.0.0/24");
    now(host.refresh()).expect("a watch");
    let a = claim(&mut host, "d").expect("an address").expect("one");
    assert!(
        a.to_string().starts_with("10.2."),
        "pools are asked by name"
    );
}

/// A census is of one host: what others hold in its blocks is not missing, though it is not on the list.
#[test]
fn a_pass_collects_the_hosts_own_owners_and_gives_empty_blocks_back() {
    let store = store(spec("10.0.0.0/26").block_size(29));
    let mut one = HostReplica::new(store.clone(), "h1", 7);
    let mut two = HostReplica::new(store.clone(), "h2", 7);
    for i in 0..20 {
        let owner = format!("a{i}");
        now(one.claim(at(1), &Request::new(&owner), wait)).expect("an address");
    }
    let borrowed = whole(&store)
        .ipam()
        .claim_of("a19")
        .expect("a claim")
        .sequence();
    now(one.release(at(2), "a19", borrowed, wait)).expect("a release");
    for i in 0..43 {
        let owner = format!("b{i}");
        now(two.claim(at(100), &Request::new(&owner), wait)).expect("an address");
    }
    let alive = |owner: &str| owner == "a0";
    let census = |secs| Census {
        began: at(secs),
        grace: Duration::from_secs(60),
        lives: &alive,
    };
    let first = now(one.collect(at(200), Some(census(199)), wait)).expect("a pass");
    assert_eq!((first.released.len(), first.suspects.len()), (0, 18));
    let second = now(one.collect(at(300), Some(census(299)), wait)).expect("a pass");
    assert_eq!((second.released.len(), second.suspects.len()), (18, 0));
    let all = whole(&store);
    assert_eq!(all.ipam().claim_count(), 1 + 43, "the other host's stay");
    // A quarantine and a time of reclaim later it has one block left, and those in which the other one borrowed.
    let later = at(100_000);
    let third = now(one.collect(later, Some(census(99_999)), wait)).expect("a pass");
    assert!(third.blocks >= 1, "{third:?}");
    let all = now(Replica::open(store.clone(), later, 7)).expect("open");
    all.ipam().check_invariants().expect("sound");
    let own = all.ipam().blocks("p");
    let own = own.filter(|b| b.host.is_some_and(|(host, _)| host == "h1") && b.used == 0);
    assert!(own.count() <= 1);
    assert_eq!(one.whole_reads(), 0, "its blocks told all");
}

/// A store in which somebody is always quicker.
struct Contended(Shared, &'static str);

#[async_trait::async_trait]
impl Store for Contended {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        self.0.get(keys).await
    }
    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.0.list(prefix, after, limit).await
    }
    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        let guarded = |guard: &&Guard| guard.key.starts_with(self.1);
        match txn.guards.iter().find(guarded) {
            Some(Guard { key, .. }) => Err(StoreError::Conflict { key: key.clone() }),
            None => self.0.commit(txn).await,
        }
    }
    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        self.0.watch(prefix, from).await
    }
}

#[test]
fn an_error_says_what_was_contended() {
    let cases = [
        ("b/", "block 10.0.0.64/26 of host h1"),
        ("c/", "claim of owner c2"),
        ("w/", "workload shop/web-0"),
        ("p/", "pool p"),
    ];
    for (kind, words) in cases {
        let store = store(spec("10.0.0.64/26"));
        let request = Request::new("c1").host("h1");
        now(whole(&store).claim(at(1), &request, wait)).expect("an address");
        let request = Request::new("c2").workload("shop/web-0").host("h1");
        let mut errors = Vec::new();
        let mut pauses = Vec::new();
        let mut pause = |pause| {
            pauses.push(pause);
            std::future::ready(())
        };
        let open = || Contended(store.clone(), kind);
        let mut host = HostReplica::new(open(), "h1", 7);
        errors.push(now(host.claim(at(2), &request, &mut pause)));
        let mut part = PartialReplica::new(open(), 7);
        errors.push(now(part.claim(at(2), &request, &mut pause)));
        let mut all = now(Replica::open(open(), at(2), 7)).expect("open");
        errors.push(now(all.claim(at(2), &request, &mut pause)));
        for error in errors {
            let error = error.expect_err("somebody is always quicker").to_string();
            let want = format!("{words} was contended in all of 32 attempts");
            assert_eq!(error, want);
        }
        // Full jitter, within bounds.
        let distinct: BTreeSet<&Duration> = pauses.iter().collect();
        assert!(distinct.len() > 90 && pauses.iter().all(|p| *p <= Duration::from_millis(256)));
    }
}

/// Loses the answer to every third commit, after it took place.
struct Forgetful(Shared, u32);

#[async_trait::async_trait]
impl Store for Forgetful {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        self.0.get(keys).await
    }
    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.0.list(prefix, after, limit).await
    }
    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        let done = self.0.commit(txn).await?;
        self.1 += 1;
        match self.1.is_multiple_of(3) {
            true => Err(StoreError::Io("the answer was lost".into())),
            false => Ok(done),
        }
    }
    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        self.0.watch(prefix, from).await
    }
}

#[test]
fn a_claim_whose_answer_was_lost_is_found_when_it_is_repeated() {
    let store = store(spec("10.0.0.0/24"));
    let mut host = HostReplica::new(Forgetful(store.clone(), 0), "h1", 7);
    for i in 0..100 {
        let owner = format!("c{i}");
        let request = Request::new(&owner);
        let claim = now(host.claim(at(1), &request, wait));
        let grant = match claim {
            Ok(grant) => grant,
            Err(TransactError::Store(StoreError::Io(_))) => {
                now(host.claim(at(1), &request, wait)).expect("it is there")
            }
            Err(other) => panic!("{other}"),
        };
        let all = whole(&store);
        let claim = all.ipam().claim_of(&owner).expect("a claim");
        assert_eq!(claim.sequence(), grant.sequence);
    }
    assert_eq!(whole(&store).ipam().claim_count(), 100);
}

#[test]
fn what_is_known_is_bounded_by_what_there_is() {
    let store = store(spec("10.0.0.0/20"));
    let mut host = HostReplica::new(store.clone(), "h1", 7);
    let mut most = 0;
    for i in 0..2000 {
        let (owner, workload) = (format!("c{i}"), format!("w{i}"));
        let request = Request::new(&owner).workload(&workload);
        let at = at(i * 2);
        let grant = now(host.claim(at, &request, wait)).expect("an address");
        now(host.release(at, &owner, grant.sequence, wait)).expect("a release");
        most = most.max(host.cached());
    }
    assert!(most < 20, "{most} records of ended claims are kept");
}
