//! What goes on while a record is damaged.

use super::*;
use ipam::claim::{ClaimRef, Grant};
use ipam::store::PartialReplica;
use std::future::ready as at_once;

const LEASE: Duration = Duration::from_secs(100);

fn later(secs: u64) -> Timestamp {
    NOW.after(Duration::from_secs(secs))
}

/// A pool, and a claim in it.
fn with_claim(request: &Request<'_>) -> (MemoryStore, Grant) {
    let mut replica = open(MemoryStore::default(), NOW);
    add(&mut replica, &pool("p", "10.0.0.0/26")).expect("a pool");
    let grant = ready(replica.claim(NOW, request, |_| at_once(()))).expect("at once");
    (replica.into_store(), grant.expect("an address"))
}

fn block(store: &mut MemoryStore) -> String {
    let keys = entries(store).into_keys();
    let mut blocks = keys.filter(|key| key.starts_with("b/"));
    blocks.next().expect("a block")
}

fn rebuild(store: MemoryStore, now: Timestamp) -> MemoryStore {
    let mut replica = open(store, now);
    ready(replica.rebuild(now))
        .expect("at once")
        .expect("a repair");
    assert_eq!(replica.rejected(), []);
    replica.ipam().check_invariants().expect("a sound state");
    replica.into_store()
}

fn is_damaged<T, E>(answer: &Result<T, TransactError<E>>) -> bool {
    matches!(answer, Err(TransactError::Damaged(_)))
}

#[test]
fn an_owner_whose_claim_cannot_be_read_is_not_told_that_it_holds_nothing() {
    let wait = |_| at_once(());
    let request = Request::new("c1").workload("w").host("h1").fixed(&[]);
    let (mut store, grant) = with_claim(&request);
    write(&mut store, "c/c1", vec![9; 20]);
    let mut parts = PartialReplica::new(store.clone(), 7);
    let mut replica = open(store, NOW);
    let sequence = grant.sequence;
    let renewed = replica.renew(NOW, "c1", sequence, Some(LEASE), wait);
    assert!(is_damaged(&ready(renewed).expect("at once")));
    let released = replica.release(NOW, "c1", sequence, wait);
    assert!(is_damaged(&ready(released).expect("at once")));
    let renewed = parts.renew(NOW, "c1", sequence, Some(LEASE), wait);
    assert!(is_damaged(&ready(renewed).expect("at once")));
    let released = parts.release(NOW, "c1", sequence, wait);
    assert!(is_damaged(&ready(released).expect("at once")));
    // Of another owner it is known that it holds nothing.
    let other = ready(replica.release(NOW, "c2", 1, wait)).expect("at once");
    assert!(matches!(other, Err(TransactError::Refused(_))), "{other:?}");
}

#[test]
fn a_move_whose_workload_cannot_be_read_is_not_said_to_be_over() {
    let wait = |_| at_once(());
    let request = Request::new("c1").workload("w").host("h1").fixed(&[]);
    let (store, _) = with_claim(&request);
    let mut replica = open(store, NOW);
    let begun = replica.begin_move(NOW, "w".into(), ("h1", "h2"), wait);
    ready(begun).expect("at once").expect("a move");
    let mut store = replica.into_store();
    write(&mut store, "w/w", vec![9; 20]);
    let mut replica = open(store, NOW);
    let finished = replica.finish_move(NOW, "w".into(), "c2", wait);
    assert!(is_damaged(&ready(finished).expect("at once")));
    let aborted = replica.abort_move(NOW, "w".into(), wait);
    assert!(is_damaged(&ready(aborted).expect("at once")));
}

#[test]
fn time_alone_writes_over_nothing_that_is_damaged() {
    let request = Request::new("c1").workload("w").host("h1").sticky(LEASE);
    let (store, grant) = with_claim(&request);
    let mut replica = open(store, NOW);
    release(&mut replica, NOW, "c1");
    let mut store = replica.into_store();
    let key = block(&mut store);
    write(&mut store, &key, vec![9; 20]);
    // What the workload retained has expired, and somebody else commits something.
    let mut replica = open(store, later(150));
    claim(&mut replica, later(150), &Request::new("c2").host("h2")).expect("another block");
    let mut store = replica.into_store();
    assert_eq!(entries(&mut store)[&key], vec![9; 20]);
    // Its quarantine, of which the block would have told, begins with the repair.
    let mut replica = open(rebuild(store, later(160)), later(200));
    let asked = [grant.address().expect("an address")];
    let request = Request::new("c3").addresses(&asked);
    assert!(claim(&mut replica, later(200), &request).is_err());
    claim(&mut replica, later(221), &request).expect("it is over");
}

#[test]
fn a_claim_that_goes_on_under_another_token_is_told_by_its_block_as_it_is() {
    let mut request = Request::new("c1").workload("w").host("h1").fixed(&[]);
    request.lease = Some(LEASE);
    let (mut store, first) = with_claim(&request);
    write(&mut store, "w/w", vec![9; 20]);
    let mut replica = open(store, later(200));
    let again = ready(replica.claim(later(200), &request, |_| at_once(()))).expect("at once");
    let again = again.expect("its own address");
    assert!(again.sequence > first.sequence);
    let mut store = replica.into_store();
    let key = block(&mut store);
    let value = entries(&mut store).remove(&key).expect("the block");
    let Ok(Record::Block {
        used: Some(used), ..
    }) = Record::decode(&key, &value)
    else {
        panic!("{value:?} is no block");
    };
    let holder = used[0].holder.as_ref().expect("a holder");
    assert_eq!((holder.sequence, used[0].reserved), (again.sequence, true));
    let replica = open(rebuild(store, later(201)), later(201));
    let sequence = replica.ipam().claim_of("c1").map(ClaimRef::sequence);
    assert_eq!(sequence, Some(again.sequence));
    assert!(replica.ipam().is_reserved("w"));
}

#[test]
fn what_waits_for_the_end_of_a_move_is_not_retained_for_ever_where_the_move_is_lost() {
    let request = Request::new("c1").workload("w").host("h1").sticky(LEASE);
    let (store, _) = with_claim(&request);
    let mut replica = open(store, NOW);
    let begun = replica.begin_move(NOW, "w".into(), ("h1", "h2"), |_| at_once(()));
    ready(begun).expect("at once").expect("a move");
    release(&mut replica, NOW, "c1");
    let mut store = replica.into_store();
    write(&mut store, "w/w", vec![9; 20]);
    let mut replica = open(rebuild(store, later(1)), later(1));
    assert_eq!(replica.ipam().retained_for("w").count(), 1);
    let after = later(25 * 3600);
    let caught_up = ready(replica.catch_up(after)).expect("at once");
    caught_up.expect("memory does not fail");
    assert_eq!(replica.ipam().retained_for("w").count(), 0);
}

#[test]
fn a_workload_is_rebuilt_beside_a_block_that_only_tells_otherwise() {
    let sticky = Request::new("c1").workload("w1").host("h1").sticky(LEASE);
    let (store, _) = with_claim(&sticky);
    let mut replica = open(store, NOW);
    release(&mut replica, NOW, "c1");
    claim(&mut replica, NOW, &Request::new("c2").workload("w2")).expect("an address");
    let mut store = replica.into_store();
    // As a repair leaves it that ended half-way: the workload's record is new, its block's is not.
    let value = entries(&mut store).remove("w/w1").expect("a workload");
    let mut record = Record::decode("w/w1", &value).expect("a record");
    if let Record::Workload { sticky, until, .. } = &mut record {
        *until = later(90);
        sticky.iter_mut().for_each(|one| one.until = later(90));
    }
    write(&mut store, "w/w1", record.encode());
    assert_eq!(open(store.clone(), NOW).rejected().len(), 1);
    write(&mut store, "w/w2", vec![9; 20]);
    rebuild(store, NOW);
}

#[test]
fn a_store_whose_seed_was_rebuilt_can_be_rebuilt_again_at_once() {
    let request = Request::new("c1").workload("w").host("h1");
    let (mut store, _) = with_claim(&request);
    write(&mut store, "m/", vec![9; 20]);
    let mut store = rebuild(store, NOW);
    write(&mut store, "w/w", vec![9; 20]);
    rebuild(store, NOW);
}

/// A workload's retention ended, its address was claimed by another, who left the workload's own record as it was, and then that claim is damaged: the address is neither the workload's nor in quarantine.
#[test]
fn what_a_retention_that_has_ended_told_of_is_not_released_under_a_damaged_claim() {
    let wait = |_| at_once(());
    let sticky = Request::new("c1").workload("w").sticky(LEASE / 2);
    let mut replica = open(MemoryStore::default(), NOW);
    let spec = PoolSpec::new("p", "10.0.0.0/29".parse().expect("a prefix"));
    let mut spec = spec.affinity(ipam::pool::Affinity::Off);
    (spec.early_reuse, spec.quarantine) = (true, LEASE * 10);
    add(&mut replica, &spec).expect("a pool");
    let grant = ready(replica.claim(NOW, &sticky, wait)).expect("at once");
    let had = grant.expect("an address").address();
    release(&mut replica, NOW, "c1");
    let mut store = replica.into_store();
    let told = entries(&mut store)["w/w"].clone();
    let mut parts = PartialReplica::new(store, 7);
    let mut holder = None;
    for i in 0..6 {
        let owner = format!("o{i}");
        let request = Request::new(&owner);
        let claimed = ready(parts.claim(later(100), &request, wait)).expect("at once");
        let grant = claimed.expect("an address");
        if grant.address() == had {
            holder = Some(owner);
        }
    }
    let (holder, mut store) = (holder.expect("all are given"), parts.into_store());
    // Whoever claims from few records leaves it, or removes it: both are right.
    write(&mut store, "w/w", told);
    write(&mut store, &format!("c/{holder}"), vec![9; 20]);
    let mut replica = open(store, later(200));
    assert!(
        replica.ipam().quarantined().is_empty(),
        "{:?}",
        replica.ipam().quarantined()
    );
    // What is altered in its block leaves it as it was told.
    release(
        &mut replica,
        later(200),
        if holder == "o0" { "o1" } else { "o0" },
    );
    let mut store = rebuild(replica.into_store(), later(200));
    let key = block(&mut store);
    let value = entries(&mut store)[&key].clone();
    let Ok(Record::Block { released, used, .. }) = Record::decode(&key, &value) else {
        panic!("{key} is damaged");
    };
    let used = used.expect("told");
    assert!(
        released
            .iter()
            .all(|r| used.iter().all(|u| u.offset != r.offset))
    );
    let replica = open(store, later(200));
    let held = replica.ipam().claim_of(&holder).expect("it is rebuilt");
    assert!(held.addresses().any(|a| Some(a) == had));
}
