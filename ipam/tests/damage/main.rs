//! Damaged records: nothing is given out of what they may have held, nothing is written over them, and they
//! are mended from what else is stored or dropped when asked for by name.

mod beyond;
mod lost;
mod meanwhile;
mod rebuilt;

use ipam::{
    Change, Ipam, PoolSpec, Replica, Request, Store as _, Timestamp,
    claim::ClaimError,
    net::AddressRange,
    store::{Frozen, MemoryStore, Record, TransactError, Txn, ready},
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

type Memory = Replica<MemoryStore>;

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn open(store: MemoryStore, now: Timestamp) -> Memory {
    ready(Replica::open(store, now, 7))
        .expect("memory never waits")
        .expect("it opens")
}

fn transact<T, E: std::fmt::Debug>(
    replica: &mut Memory,
    now: Timestamp,
    decide: impl FnMut(&Ipam) -> Result<(T, Vec<Change<'static>>), E>,
) -> Result<T, TransactError<E>> {
    ready(replica.transact(now, decide, |_| std::future::ready(()))).expect("memory never waits")
}

fn claim(
    replica: &mut Memory,
    now: Timestamp,
    request: &Request<'_>,
) -> Result<IpAddr, TransactError<ClaimError>> {
    transact(replica, now, |ipam| {
        let decision = ipam.decide_claim(request)?;
        let changes = decision.changes.into_iter().map(Change::into_owned);
        Ok((
            decision.grant.address().expect("an address"),
            changes.collect(),
        ))
    })
}

fn release(replica: &mut Memory, now: Timestamp, owner: &str) {
    let done = transact(replica, now, |ipam| {
        let sequence = ipam
            .claim_of(owner)
            .map_or(0, ipam::claim::ClaimRef::sequence);
        let change = ipam.decide_release(owner, sequence)?;
        Ok::<_, ipam::claim::ReleaseError>(((), vec![change.into_owned()]))
    });
    done.expect("a release");
}

fn pool(name: &str, cidr: &str) -> PoolSpec {
    let spec = PoolSpec::new(name, cidr.parse().expect("a prefix"));
    spec.block_size(28).quarantine(Duration::from_secs(60))
}

fn add(replica: &mut Memory, spec: &PoolSpec) -> Result<(), TransactError<ipam::pool::PoolError>> {
    transact(replica, NOW, |ipam| {
        Ok(((), vec![ipam.decide_add_pool(spec.clone())?]))
    })
}

/// Two pools, claims of all three retentions in both, retained and quarantined addresses, a host with settings.
fn store() -> MemoryStore {
    let mut replica = open(MemoryStore::default(), NOW);
    add(&mut replica, &pool("p", "10.0.0.0/26")).expect("a pool");
    add(&mut replica, &pool("q", "10.0.1.0/26")).expect("a pool");
    for pool in ["p", "q"] {
        let pools = [pool];
        for (owner, workload, host) in [("a", "wa", "h1"), ("b", "wb", "h1"), ("c", "wc", "h2")] {
            let (owner, workload) = (format!("{pool}-{owner}"), format!("{pool}-{workload}"));
            let request = Request::new(&owner).pools(&pools).host(host);
            let request = match host {
                "h1" => request
                    .workload(&workload)
                    .sticky(Duration::from_secs(9_000)),
                _ => request.workload(&workload).fixed(&[]),
            };
            claim(&mut replica, NOW, &request).expect("an address");
        }
        let owner = format!("{pool}-d");
        let request = Request::new(&owner).pools(&pools).host("h1");
        claim(&mut replica, NOW, &request).expect("an address");
        release(&mut replica, NOW, &format!("{pool}-b"));
        release(&mut replica, NOW, &format!("{pool}-d"));
    }
    let kind = ipam::change::ChangeKind::HostSet {
        host: "h1".into(),
        settings: ipam::change::HostSettings {
            block_limit: Some(3),
            ..Default::default()
        },
    };
    let set = Change { at: NOW, kind };
    transact(&mut replica, NOW, |_| {
        Ok::<_, std::convert::Infallible>(((), vec![set.clone()]))
    })
    .expect("settings");
    replica.into_store()
}

fn entries(store: &mut MemoryStore) -> BTreeMap<String, Vec<u8>> {
    let page = ready(store.list("", None, usize::MAX)).expect("at once");
    page.expect("a listing").entries.into_iter().collect()
}

/// Writes a value as damage does: without anybody's doing.
fn write(store: &mut MemoryStore, key: &str, value: Vec<u8>) {
    let put = vec![(key.to_owned(), value)];
    let txn = Txn {
        put,
        ..Txn::default()
    };
    ready(store.commit(txn)).expect("at once").expect("a write");
}

/// Who held or retained what, before the damage.
fn taken(store: &MemoryStore) -> BTreeMap<IpAddr, String> {
    let replica = open(store.clone(), NOW);
    let ipam = replica.ipam();
    let mut taken = BTreeMap::new();
    for claim in ipam.claims() {
        let who = claim.workload().unwrap_or(claim.owner()).to_owned();
        taken.extend(claim.addresses().map(|a| (a, who.clone())));
    }
    for workload in ["p-wb", "q-wb"] {
        taken.extend(
            ipam.retained_for(workload)
                .map(|a| (a, workload.to_owned())),
        );
    }
    assert!(taken.len() >= 6, "{taken:?}");
    taken
}

/// Claims whatever can be claimed; every address that comes of it belonged to nobody.
fn exhaust(store: MemoryStore, taken: &BTreeMap<IpAddr, String>, now: Timestamp) -> MemoryStore {
    let mut replica = open(store, now);
    let mut given = BTreeSet::new();
    for i in 0..150 {
        let owner = format!("new-{i}");
        let host = format!("h{}", i % 4);
        let mut request = Request::new(&owner);
        if i % 3 > 0 {
            request = request.host(&host);
        }
        if let Ok(address) = claim(&mut replica, now, &request) {
            assert_eq!(taken.get(&address), None, "{address} was given twice");
            assert!(given.insert(address), "{address} was given twice");
        }
    }
    for address in taken.keys() {
        let (owner, asked) = (format!("ask-{address}"), [*address]);
        let request = Request::new(&owner).addresses(&asked);
        let answer = claim(&mut replica, now, &request);
        assert!(answer.is_err(), "{address} was given twice, asked for");
        let range = AddressRange::from(*address);
        let reserved = transact(&mut replica, now, |ipam| {
            let change = ipam.decide_reserve("stranger", &[range])?;
            Ok::<_, ipam::claim::ReserveError>(((), vec![change.into_owned()]))
        });
        assert!(reserved.is_err(), "{address} was reserved to a stranger");
    }
    replica.ipam().check_invariants().expect("a sound state");
    replica.into_store()
}

#[test]
fn whatever_byte_of_whatever_record_is_flipped_no_address_is_given_twice() {
    let mut store = store();
    let taken = taken(&store);
    for (key, value) in entries(&mut store) {
        for at in 0..value.len() {
            let mut damaged = value.clone();
            damaged[at] ^= 0x41;
            let mut store = store.clone();
            write(&mut store, &key, damaged.clone());
            // What was in quarantine may be given; what was held or retained may not.
            let step = (at % 7) as u64;
            let mut store = exhaust(store, &taken, NOW.after(Duration::from_secs(100 + step)));
            let left = entries(&mut store);
            // Where a pool's order goes on, and what can be read off the blocks: written anew with the next address.
            let hint = key.starts_with("r/") || key.starts_with("s/");
            assert!(
                hint || left.get(&key) == Some(&damaged),
                "`{key}` was written over"
            );
        }
    }
}

#[test]
fn a_torn_or_empty_or_foreign_record_is_damage_too() {
    let mut store = store();
    let (taken, all) = (taken(&store), entries(&mut store));
    let later = NOW.after(Duration::from_secs(100));
    let foreign = |key: &str| {
        let same = |k: &&String| k[..2] == key[..2] && **k != key;
        all.keys().find(same).map(|k| all[k].clone())
    };
    for (key, value) in &all {
        let mut shapes = vec![Vec::new(), value[..value.len() / 2].to_vec()];
        shapes.extend(foreign(key));
        for shape in shapes {
            let mut store = store.clone();
            write(&mut store, key, shape);
            exhaust(store, &taken, later);
        }
    }
}

#[test]
fn only_what_needs_a_damaged_block_is_refused() {
    let mut store = store();
    let block = "b/00000/0000000000000000000000000a000000";
    let known = entries(&mut store);
    let block = known
        .keys()
        .find(|k| k.starts_with("b/00000/"))
        .unwrap_or_else(|| panic!("{block}"));
    write(&mut store, block, vec![1, 2, 3, 4, 5, 6]);
    let mut replica = open(store, NOW);
    assert_eq!(replica.rejected().len(), 1);
    assert!(matches!(replica.rejected()[0].frozen, Frozen::Block(..)));
    // Another block of the pool, the other pool, and looking.
    claim(&mut replica, NOW, &Request::new("x").host("h9")).expect("another block has room");
    let pools = ["q"];
    claim(&mut replica, NOW, &Request::new("y").pools(&pools)).expect("another pool");
    assert_eq!(replica.ipam().claim_count(), 6);
    // A release into the block would have to write its record.
    let held = replica.ipam().claims().find_map(|c| {
        let inside = c.addresses().any(
            |a| matches!(replica.rejected()[0].frozen, Frozen::Block(_, first) if near(a, first)),
        );
        inside.then(|| c.owner().to_owned())
    });
    let owner = held.expect("somebody holds an address of the block");
    let refused = transact(&mut replica, NOW, |ipam| {
        let sequence = ipam
            .claim_of(&owner)
            .map_or(0, ipam::claim::ClaimRef::sequence);
        let change = ipam.decide_release(&owner, sequence)?;
        Ok::<_, ipam::claim::ReleaseError>(((), vec![change.into_owned()]))
    });
    assert!(
        matches!(refused, Err(TransactError::Damaged(_))),
        "{refused:?}"
    );
    // Rebuilt, it can be released.
    assert_eq!(ready(replica.rebuild(NOW)).expect("at once"), Ok(1));
    assert_eq!(replica.rejected(), []);
    release(&mut replica, NOW, &owner);
}

fn near(address: IpAddr, first: IpAddr) -> bool {
    (ipam::net::number(first)..ipam::net::number(first) + 16).contains(&ipam::net::number(address))
}

#[test]
fn pools_and_blocks_are_rebuilt_and_no_claim_is_lost() {
    let mut store = store();
    let before = open(store.clone(), NOW).ipam().claim_count();
    let taken = taken(&store);
    let keys: Vec<String> = entries(&mut store).into_keys().collect();
    let mut mended = 0;
    for key in keys.iter().filter(|k| "mprbq".contains(&k[..1])) {
        let mut store = store.clone();
        write(&mut store, key, vec![9; 20]);
        let mut replica = open(store, NOW);
        assert!(!replica.rejected().is_empty(), "`{key}`");
        let rebuilt = ready(replica.rebuild(NOW)).expect("at once");
        assert!(rebuilt.is_ok_and(|n| n > 0), "`{key}`");
        assert_eq!(replica.rejected(), [], "`{key}`");
        assert_eq!(replica.ipam().claim_count(), before, "`{key}`");
        replica.ipam().check_invariants().expect("a sound state");
        exhaust(
            replica.into_store(),
            &taken,
            NOW.after(Duration::from_secs(200)),
        );
        mended += 1;
    }
    assert!(mended >= 7, "{mended} kinds");
}

#[test]
fn claims_and_workloads_are_dropped_only_when_asked_for_by_name() {
    let mut store = store();
    for key in ["c/p-a", "w/p-wb", "h/h1"] {
        assert!(entries(&mut store).contains_key(key), "{key}");
        let mut store = store.clone();
        write(&mut store, key, vec![9; 20]);
        let mut replica = open(store, NOW);
        assert_eq!(replica.rejected().len(), 1, "{key}");
        let others = ["c/other".to_owned()];
        let none = ready(replica.discard(NOW, Some(&others))).expect("at once");
        assert_eq!((none, replica.rejected().len()), (Ok(0), 1), "{key}");
        let named = [key.to_owned()];
        let one = ready(replica.discard(NOW, Some(&named))).expect("at once");
        assert_eq!((one, replica.rejected().len()), (Ok(1), 0), "{key}");
        claim(&mut replica, NOW, &Request::new("x").host("h1")).expect("all is well again");
    }
}

/// Deletes a record as damage does: without anybody's doing.
fn delete(store: &mut MemoryStore, key: &str) {
    let txn = Txn {
        delete: vec![key.to_owned()],
        ..Txn::default()
    };
    ready(store.commit(txn))
        .expect("at once")
        .expect("a deletion");
}

#[test]
fn no_pool_is_laid_over_one_whose_record_is_damaged() {
    let mut store = store();
    write(&mut store, "p/00000", vec![9; 20]);
    write(&mut store, "q/00000", vec![9; 20]);
    let mut replica = open(store, NOW);
    for cidr in ["10.0.0.0/24", "10.7.0.0/24"] {
        let refused = add(&mut replica, &pool("new", cidr));
        assert!(
            matches!(refused, Err(TransactError::Damaged(_))),
            "{refused:?}"
        );
    }
    let again = claim(&mut replica, NOW, &Request::new("p-a").host("h1"));
    assert!(
        matches!(again, Err(TransactError::Damaged(_))),
        "the claim is stored, though its pool is unknown: {again:?}"
    );
    assert_eq!(ready(replica.rebuild(NOW)).expect("at once"), Ok(0));
    let pools = ["q"];
    claim(&mut replica, NOW, &Request::new("x").pools(&pools)).expect("the other pool works");
}

#[test]
fn settings_of_a_host_are_mended_by_setting_them() {
    let mut store = store();
    write(&mut store, "h/h1", vec![9; 20]);
    let mut replica = open(store, NOW);
    let refused = claim(&mut replica, NOW, &Request::new("x").host("h1"));
    assert!(matches!(refused, Err(TransactError::Damaged(_))));
    claim(&mut replica, NOW, &Request::new("y").host("h2")).expect("another host");
    let kind = ipam::change::ChangeKind::HostSet {
        host: "h1".into(),
        settings: ipam::change::HostSettings::default(),
    };
    let set = Change { at: NOW, kind };
    transact(&mut replica, NOW, |_| {
        Ok::<_, std::convert::Infallible>(((), vec![set.clone()]))
    })
    .expect("settings");
    assert_eq!(replica.rejected(), []);
    claim(&mut replica, NOW, &Request::new("x").host("h1")).expect("an address");
}
