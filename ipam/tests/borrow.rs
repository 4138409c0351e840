//! What another host's block has to give, from few records: an address of a block that stays with its host, or a block that has been
//! empty for long enough.

use ipam::{
    PoolSpec, Replica, Request, Store as _, Timestamp,
    claim::Grant,
    pool::Affinity,
    store::{HostReplica, MemoryStore, PartialReplica, ready},
};
use std::time::Duration;

fn wait(_: Duration) -> std::future::Ready<()> {
    std::future::ready(())
}

fn now<T>(future: impl Future<Output = T>) -> T {
    ready(future).expect("memory never waits")
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1000 + secs)
}

/// A pool of four blocks of four addresses, each of a host of its own that holds one address there.
fn store(spec: impl FnOnce(PoolSpec) -> PoolSpec) -> MemoryStore {
    store_at("10.0.0.0/28", 30, spec)
}

fn store_at(cidr: &str, block: u8, spec: impl FnOnce(PoolSpec) -> PoolSpec) -> MemoryStore {
    let pool = PoolSpec::new("p", cidr.parse().expect("a prefix"));
    let mut pool = spec(pool.block_size(block).quarantine(Duration::from_secs(10)));
    pool.use_edges = true;
    let mut replica = now(Replica::open(MemoryStore::default(), at(0), 7)).expect("a store");
    now(replica.add_pool(at(0), pool, wait)).expect("a pool");
    let families = match cidr.contains(':') {
        true => ipam::claim::Families::V6,
        false => ipam::claim::Families::V4,
    };
    for i in 0..4 {
        let (owner, host) = (format!("c{i}"), format!("h{i}"));
        let request = Request::new(&owner).host(&host).families(families);
        now(replica.claim(at(1), &request, wait)).expect("an address");
    }
    replica.into_store()
}

/// The same claim made of the whole state, of a part, and by a host's allocator, which answer alike; the parts never read all.
fn claim_by_all(store: &MemoryStore, at: Timestamp, request: &Request<'_>) -> Grant {
    let mut whole = now(Replica::open(store.clone(), at, 7)).expect("a store");
    let grant = now(whole.claim(at, request, wait)).expect("an address");
    let mut part = PartialReplica::new(store.clone(), 7);
    assert_eq!(now(part.claim(at, request, wait)), Ok(grant.clone()));
    assert_eq!(part.whole_reads(), 0);
    let mut host = HostReplica::new(store.clone(), request.host.unwrap_or("h9"), 7);
    assert_eq!(now(host.claim(at, request, wait)), Ok(grant.clone()));
    assert_eq!(host.whole_reads(), 0);
    let stored = |store: &mut MemoryStore| now(store.list("", None, usize::MAX)).expect("all");
    let [a, b, c] = [whole.into_store(), part.into_store(), host.into_store()];
    let mut all = [a, b, c];
    let pages = all.each_mut().map(stored);
    assert_eq!(pages[0].entries, pages[1].entries);
    assert_eq!(pages[0].entries, pages[2].entries);
    let [store, ..] = all;
    let again = now(Replica::open(store, at, 7)).expect("a store");
    assert_eq!(again.rejected(), []);
    again.ipam().check_invariants().expect("a sound state");
    grant
}

fn release(store: MemoryStore, at: Timestamp, owner: &str) -> MemoryStore {
    let mut replica = now(Replica::open(store, at, 7)).expect("a store");
    let claim = replica.ipam().claim_of(owner).expect("a claim");
    let sequence = claim.sequence();
    now(replica.release(at, owner, sequence, wait)).expect("its own");
    replica.into_store()
}

fn block_of(grant: &Grant) -> u8 {
    match grant.address().expect("an address") {
        std::net::IpAddr::V4(a) => a.octets()[3] / 4,
        std::net::IpAddr::V6(_) => panic!("of the other family"),
    }
}

/// The host of each block.
fn hosts(store: &MemoryStore) -> Vec<String> {
    let replica = now(Replica::open(store.clone(), at(1), 7)).expect("a store");
    let blocks = replica.ipam().blocks("p");
    let mut blocks: Vec<_> = blocks
        .map(|block| (block.cidr, block.host.map(|(name, _)| name.to_owned())))
        .collect();
    blocks.sort_unstable();
    blocks
        .into_iter()
        .map(|(_, host)| host.unwrap_or_default())
        .collect()
}

#[test]
fn an_address_is_borrowed_from_few_records() {
    for spec in [
        |spec: PoolSpec| spec,
        |spec: PoolSpec| spec.order(ipam::pool::Order::Lru),
        |spec: PoolSpec| spec.order(ipam::pool::Order::Random),
    ] {
        let store = store(spec);
        for host in ["h4", "h5", "h6", "h7"] {
            let request = Request::new("new").workload("w").host(host);
            let grant = claim_by_all(&store, at(2), &request);
            assert!(!grant.early());
        }
    }
}

#[test]
fn a_host_at_its_limit_borrows() {
    let store = store(|mut spec| {
        spec.block_limit = Some(1);
        spec
    });
    let full: Vec<String> = (0..3).map(|i| format!("full{i}")).collect();
    let mut replica = now(Replica::open(store, at(1), 7)).expect("a store");
    for owner in &full {
        now(replica.claim(at(1), &Request::new(owner).host("h0"), wait)).expect("its own block");
    }
    let store = release(replica.into_store(), at(2), "c3");
    // The empty block would be there to be had, after the quarantine and the time to take it over.
    claim_by_all(&store, at(3600), &Request::new("new").host("h0"));
}

#[test]
fn the_block_that_is_empty_for_longest_is_taken_over_from_few_records() {
    let store = store(|spec| spec);
    let before = hosts(&store);
    let store = release(release(store, at(100), "c2"), at(200), "c1");
    let block = |host: &str| before.iter().position(|h| h == host).expect("its block");
    // Not yet: an address is borrowed.
    claim_by_all(&store, at(115), &Request::new("new").host("h9"));
    let grant = claim_by_all(&store, at(3600), &Request::new("new").host("h9"));
    assert_eq!(usize::from(block_of(&grant)), block("h2"));
    // Two claims take one over each.
    let mut host = HostReplica::new(store, "h9", 7);
    let full: Vec<String> = (0..5).map(|i| format!("n{i}")).collect();
    let blocks = full.iter().map(|owner| {
        let grant = now(host.claim(at(3600), &Request::new(owner), wait)).expect("an address");
        usize::from(block_of(&grant))
    });
    let (one, two) = (block("h2"), block("h1"));
    assert_eq!(blocks.collect::<Vec<_>>(), [one, one, one, one, two]);
    assert_eq!(host.whole_reads(), 0);
}

#[test]
fn blocks_of_ipv6_are_borrowed_and_taken_over_by_address() {
    let store = store_at("fd00::/124", 126, |spec| spec);
    let request = Request::new("new").host("h9");
    let request = request.families(ipam::claim::Families::V6);
    claim_by_all(&store, at(2), &request);
    let store = release(release(store, at(100), "c2"), at(100), "c1");
    claim_by_all(&store, at(3600), &request);
}

#[test]
fn a_strict_host_borrows_nothing() {
    let store = store(|spec| spec.affinity(Affinity::Strict));
    let mut part = PartialReplica::new(store, 7);
    let request = Request::new("new").host("h9");
    now(part.claim(at(2), &request, wait)).expect_err("no block is to be had");
}
