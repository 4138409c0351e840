//! Records that are gone, or older than what others tell.

use super::*;
use ipam::store::{HostReplica, PartialReplica, StoreClock};
use std::future::ready as at_once;

/// Two blocks of eight addresses, and a claim of `a` on `h1` in the first.
fn two_blocks() -> (MemoryStore, IpAddr) {
    let mut replica = open(MemoryStore::default(), NOW);
    add(&mut replica, &pool("p", "10.7.0.0/28").block_size(29)).expect("a pool");
    let request = Request::new("a").host("h1");
    let first = claim(&mut replica, NOW, &request).expect("an address");
    (replica.into_store(), first)
}

fn in_parts(
    store: &MemoryStore,
    request: &Request<'_>,
) -> Result<IpAddr, TransactError<ClaimError>> {
    let mut parts = PartialReplica::new(store.clone(), 7);
    let claimed = ready(parts.claim(NOW, request, |_| at_once(()))).expect("at once");
    claimed.map(|grant| grant.address().expect("an address"))
}

fn by_host(
    store: &MemoryStore,
    request: &Request<'_>,
) -> Result<IpAddr, TransactError<ClaimError>> {
    let mut host = HostReplica::new(store.clone(), "h1", 7);
    let claimed = ready(host.claim(NOW, request, |_| at_once(()))).expect("at once");
    claimed.map(|grant| grant.address().expect("an address"))
}

/// Whether an address is one of the first block.
fn in_first(address: IpAddr) -> bool {
    "10.7.0.0/29"
        .parse::<ipam::net::Cidr>()
        .is_ok_and(|block| block.contains(address))
}

fn key(store: &mut MemoryStore, kind: &str) -> String {
    let mut keys = entries(store).into_keys();
    keys.find(|key| key.starts_with(kind)).expect("a record")
}

#[test]
fn a_block_whose_record_is_gone_is_not_taken_for_untouched() {
    let (mut store, held) = two_blocks();
    let block = key(&mut store, "b/");
    delete(&mut store, &block);
    // Each of those that tell of it is enough.
    let others = ["c/a", "h/h1", &key(&mut store, "s/")].map(String::from);
    for only in &others {
        let mut store = store.clone();
        for other in others.iter().filter(|other| *other != only) {
            delete(&mut store, other);
        }
        let mut replica = open(store.clone(), NOW);
        let bad = replica.rejected().iter().find(|r| r.key == block);
        let frozen = bad.map(|r| &r.frozen);
        assert!(matches!(frozen, Some(Frozen::Block(..))), "{only}: {bad:?}");
        let named = claim(&mut replica, NOW, &Request::new("x").addresses(&[held]));
        assert!(named.is_err(), "{only}: {named:?}");
        let other = claim(&mut replica, NOW, &Request::new("y").host("h1"));
        assert!(other.is_ok_and(|address| !in_first(address)), "{only}");
        // A claim that does not read the one that is left cannot know.
        if only == "c/a" {
            continue;
        }
        for owner in ["n1", "n2"] {
            let request = Request::new(owner).host("h1");
            for given in [in_parts(&store, &request), by_host(&store, &request)] {
                assert!(!given.is_ok_and(in_first), "{only}");
            }
        }
        if only.starts_with("h/") {
            continue;
        }
        // Whichever host asks, the summary tells.
        let asked = [held];
        let request = Request::new("n3").addresses(&asked);
        for given in [in_parts(&store, &request), by_host(&store, &request)] {
            assert!(given.is_err(), "{only}: {given:?}");
        }
    }
}

#[test]
fn a_block_whose_record_is_gone_is_rebuilt_from_its_claims() {
    let (mut store, held) = two_blocks();
    let taken = BTreeMap::from([(held, "a".to_owned())]);
    let block = key(&mut store, "b/");
    delete(&mut store, &block);
    let asked = [held];
    let request = Request::new("n1").host("h1").addresses(&asked);
    let refused = in_parts(&store, &request);
    assert!(refused.is_err_and(|e| format!("{e:?}").contains("Damaged")));
    let mut replica = open(exhaust(store, &taken, NOW), NOW);
    let problems = replica.ipam().fsck(Duration::ZERO, replica.rejected());
    assert!(
        problems.iter().any(|p| p.subject == "10.7.0.0/29"),
        "{problems:?}"
    );
    let rebuilt = ready(replica.rebuild(NOW)).expect("at once");
    assert!(rebuilt.is_ok_and(|n| n > 0));
    assert_eq!(replica.rejected(), []);
    replica.ipam().check_invariants().expect("a sound state");
    let holder = replica.ipam().claim_of("a").expect("its claim");
    assert_eq!(holder.addresses().collect::<Vec<_>>(), [held]);
    exhaust(
        replica.into_store(),
        &taken,
        NOW.after(Duration::from_secs(200)),
    );
}

#[test]
fn a_replica_that_is_open_learns_that_a_block_is_gone() {
    let (mut store, _) = two_blocks();
    let mut other = open(store.clone(), NOW);
    let block = key(&mut store, "b/");
    delete(other.store_mut(), &block);
    ready(other.catch_up(NOW))
        .expect("at once")
        .expect("a look");
    assert!(other.rejected().iter().any(|r| r.key == block));
    let given = claim(&mut other, NOW, &Request::new("n1").host("h1"));
    assert!(!given.is_ok_and(in_first));
    // Dropped by name, it is empty but for what its claims hold.
    let one = ready(other.discard(NOW, Some(&[block]))).expect("at once");
    assert_eq!((one, other.rejected()), (Ok(1), &[][..]));
}

#[test]
fn a_block_that_has_what_its_summary_denies_gives_nothing() {
    let (store, _) = two_blocks();
    let mut replica = open(store, NOW);
    for owner in ["b", "c", "d", "e", "f"] {
        claim(&mut replica, NOW, &Request::new(owner).host("h1")).expect("an address");
    }
    let block = key(replica.store_mut(), "b/");
    let older = entries(replica.store_mut())[&block].clone();
    let last = claim(&mut replica, NOW, &Request::new("g").host("h1")).expect("the last one");
    assert!(in_first(last));
    let mut store = replica.into_store();
    write(&mut store, &block, older);
    let asked = [last];
    let request = Request::new("n").host("h1").addresses(&asked);
    for given in [in_parts(&store, &request), by_host(&store, &request)] {
        assert!(given.is_err(), "{given:?}");
    }
    let mut replica = open(store, NOW);
    assert!(replica.rejected().iter().any(|r| r.key == block));
    let rebuilt = ready(replica.rebuild(NOW)).expect("at once");
    assert!(rebuilt.is_ok_and(|n| n > 0));
    assert_eq!(replica.rejected(), []);
    assert!(replica.ipam().claim_of("g").is_some());
}

#[test]
fn a_damaged_time_is_a_problem_and_goes_on_from_what_records_prove() {
    let (mut store, _) = two_blocks();
    let mut clock = StoreClock::default();
    let served = clock.serve(&mut store, NOW, || Timestamp::ZERO);
    assert_eq!(ready(served).expect("at once"), Ok(NOW));
    write(&mut store, "t/", vec![9; 20]);
    // A wall clock a year ahead ends nobody's lease.
    let year = NOW.after(Duration::from_secs(365 * 86_400));
    let read = clock.read(&mut store, || Timestamp::ZERO);
    assert_eq!(ready(read).expect("at once"), Ok(Some(NOW)));
    let served = StoreClock::default();
    let mut other = store.clone();
    let time = ready(served.clone().serve(&mut other, year, || Timestamp::ZERO));
    assert_eq!(time.expect("at once"), Ok(NOW));
    let mut replica = open(store, year);
    let problems = replica.ipam().fsck(Duration::ZERO, replica.rejected());
    assert!(
        problems
            .iter()
            .any(|p| p.kind == "damaged" && p.subject == "the store's time")
    );
    assert_eq!(ready(replica.rebuild(year)).expect("at once"), Ok(1));
    assert_eq!(replica.rejected(), []);
    let mut store = replica.into_store();
    let value = entries(&mut store)["t/"].clone();
    assert_eq!(
        Record::decode("t/", &value),
        Ok(Record::Time {
            now: NOW,
            origin: None
        })
    );
    // One that is damaged while a replica is open is found too.
    let mut replica = open(store, NOW);
    write(replica.store_mut(), "t/", vec![9; 20]);
    ready(replica.catch_up(NOW))
        .expect("at once")
        .expect("a look");
    assert_eq!(replica.rejected().len(), 1);
}

/// CRC-32 (IEEE 802.3), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

#[test]
fn a_pool_whose_record_is_gone_is_rebuilt_from_its_copy() {
    let mut store = store();
    let (taken, before) = (taken(&store), open(store.clone(), NOW).ipam().claim_count());
    delete(&mut store, "p/00000");
    let mut replica = open(exhaust(store.clone(), &taken, NOW), NOW);
    let bad = replica.rejected().iter().find(|r| r.key == "p/00000");
    assert!(
        bad.is_some_and(|r| matches!(r.frozen, Frozen::Pool(_))),
        "{bad:?}"
    );
    assert!(matches!(
        add(&mut replica, &pool("new", "10.0.0.0/24")),
        Err(TransactError::Damaged(_))
    ));
    let mut replica = open(store.clone(), NOW);
    ready(replica.rebuild(NOW))
        .expect("at once")
        .expect("a repair");
    assert_eq!(replica.rejected(), []);
    assert_eq!(replica.ipam().claim_count(), before);
    exhaust(
        replica.into_store(),
        &taken,
        NOW.after(Duration::from_secs(200)),
    );
    // A copy that a later version wrote is not for this one to read, or to write over.
    for pool in [true, false] {
        let mut store = store.clone();
        let mut value = entries(&mut store)["q/00000"].clone();
        if pool {
            write(&mut store, "p/00000", value.clone());
        }
        value[0] = 99;
        value.truncate(value.len() - 4);
        value.extend(crc32(&value).to_le_bytes());
        write(&mut store, "q/00000", value);
        let opened = ready(Replica::open(store, NOW, 7)).expect("at once");
        let error = opened.map(|_| ()).expect_err("a later version's");
        let later =
            matches!(&error, ipam::store::StoreError::Version { key, .. } if key == "q/00000");
        assert!(later, "{error:?}");
    }
}

#[test]
fn a_claim_is_rebuilt_though_what_all_pools_share_is_damaged_too() {
    for lost in [false, true] {
        let (mut store, held) = two_blocks();
        match lost {
            true => delete(&mut store, "m/"),
            false => write(&mut store, "m/", vec![9; 20]),
        }
        write(&mut store, "c/a", vec![9; 20]);
        let told = open(store.clone(), NOW);
        assert!(
            told.rejected().iter().any(|r| r.key == "m/"),
            "lost: {lost}"
        );
        let taken = BTreeMap::from([(held, "a".to_owned())]);
        let mut replica = open(exhaust(store, &taken, NOW), NOW);
        ready(replica.rebuild(NOW))
            .expect("at once")
            .expect("a repair");
        assert_eq!(replica.rejected(), []);
        let holder = replica.ipam().claim_of("a").expect("its claim");
        assert_eq!(holder.addresses().collect::<Vec<_>>(), [held]);
    }
}

/// A claim of both families and a reservation of both, each family in a block of its own.
fn dual() -> MemoryStore {
    let mut replica = open(MemoryStore::default(), NOW);
    add(&mut replica, &pool("four", "10.7.0.0/26")).expect("a pool");
    add(&mut replica, &pool("six", "fd00::/120").block_size(124)).expect("a pool");
    let requests = [
        Request::new("a"),
        Request::new("b").workload("w").fixed(&[]),
    ];
    for request in requests {
        let request = request.families(ipam::claim::Families::Dual).host("h1");
        claim(&mut replica, NOW, &request).expect("two addresses");
    }
    release(&mut replica, NOW, "b");
    replica.into_store()
}

#[test]
fn half_of_what_was_held_is_not_taken_for_the_whole() {
    let mut store = dual();
    let mut held: BTreeMap<IpAddr, String> = BTreeMap::new();
    let sound = open(store.clone(), NOW);
    let addresses = |replica: &Memory| -> Vec<IpAddr> {
        let claimed = replica.ipam().claim_of("a").expect("its claim");
        let retained = replica.ipam().retained_for("w");
        claimed.addresses().chain(retained).collect()
    };
    held.extend(
        addresses(&sound)
            .into_iter()
            .map(|at| (at, "theirs".to_owned())),
    );
    assert_eq!(held.len(), 4);
    let blocks: Vec<String> = entries(&mut store)
        .into_keys()
        .filter(|key| key.starts_with("b/"))
        .collect();
    assert_eq!(blocks.len(), 2);
    for (record, block) in ["c/a", "w/w"]
        .into_iter()
        .flat_map(|r| blocks.iter().map(move |b| (r, b)))
    {
        let mut store = store.clone();
        let (whole, sound) = (entries(&mut store), store.clone());
        write(&mut store, record, vec![9; 20]);
        write(&mut store, block, vec![9; 20]);
        let mut replica = open(store, NOW);
        ready(replica.rebuild(NOW))
            .expect("at once")
            .expect("a look");
        let left: BTreeSet<&str> = replica.rejected().iter().map(|r| &*r.key).collect();
        assert_eq!(
            left,
            BTreeSet::from([record, block]),
            "both are left as they are"
        );
        let later = NOW.after(Duration::from_secs(600));
        let mut store = exhaust(replica.into_store(), &held, later);
        // With the block's record back, the other is rebuilt.
        write(&mut store, block, whole[block].clone());
        let mut replica = open(store, later);
        ready(replica.rebuild(later))
            .expect("at once")
            .expect("a repair");
        assert_eq!(replica.rejected(), [], "{record} {block}");
        assert_eq!(
            addresses(&replica),
            addresses(&open(sound, NOW)),
            "{record} {block}"
        );
    }
}

#[test]
fn a_claim_of_one_family_is_rebuilt_beside_a_damaged_block_of_that_family() {
    let mut store = store();
    let taken = taken(&store);
    // The claim is told of whole by its own block.
    write(&mut store, "c/p-a", vec![9; 20]);
    let mut blocks = entries(&mut store).into_keys();
    let other = blocks.rfind(|key| key.starts_with("b/00001/"));
    write(
        &mut store,
        &other.expect("a block of the other pool"),
        vec![9; 20],
    );
    let mut replica = open(store, NOW);
    ready(replica.rebuild(NOW))
        .expect("at once")
        .expect("a repair");
    assert!(replica.ipam().claim_of("p-a").is_some());
    assert_eq!(replica.rejected(), []);
    exhaust(
        replica.into_store(),
        &taken,
        NOW.after(Duration::from_secs(600)),
    );
}
