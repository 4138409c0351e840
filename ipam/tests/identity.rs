//! What is stored of a workload's interfaces: one record each, and what was stored before is the default one's.

use ipam::{
    Change, Ipam, PoolSpec, Replica, Request, Store as _, Timestamp,
    claim::ClaimError,
    store::{MemoryStore, Record, Txn, ready},
};
use std::future::Ready;
use std::net::IpAddr;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn pause(_: Duration) -> Ready<()> {
    std::future::ready(())
}

fn opened(store: MemoryStore) -> Replica<MemoryStore> {
    let opened = ready(Replica::open(store, NOW, 7)).expect("memory never waits");
    opened.expect("a store")
}

fn with_pool() -> Replica<MemoryStore> {
    let mut replica = opened(MemoryStore::default());
    let add = |ipam: &Ipam| {
        let spec = PoolSpec::new("p", "10.0.0.0/28".parse().expect("a prefix"));
        let changes = vec![ipam.decide_add_pool(spec)?];
        Ok::<_, ipam::pool::PoolError>(((), changes))
    };
    ready(replica.transact(NOW, add, pause))
        .expect("at once")
        .expect("a pool");
    replica
}

fn claim(
    replica: &mut Replica<MemoryStore>,
    owner: &str,
    interface: &str,
) -> Result<IpAddr, ClaimError> {
    let request = Request::new(owner).workload("shop/web-0").fixed(&[]);
    let request = request.interface(interface);
    let decide = |ipam: &Ipam| {
        let decision = ipam.decide_claim(&request)?;
        let changes = decision.changes.into_iter().map(Change::into_owned);
        Ok((decision.grant, changes.collect()))
    };
    match ready(replica.transact(NOW, decide, pause)).expect("at once") {
        Ok(grant) => Ok(grant.address().expect("an address")),
        Err(ipam::store::TransactError::Refused(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn release(replica: &mut Replica<MemoryStore>, owner: &str) {
    let decide = |ipam: &Ipam| {
        let sequence = ipam.claim_of(owner).expect("a claim").sequence();
        let change = ipam.decide_release(owner, sequence)?.into_owned();
        Ok::<_, ipam::claim::ReleaseError>(((), vec![change]))
    };
    ready(replica.transact(NOW, decide, pause))
        .expect("at once")
        .expect("a release");
}

#[test]
fn each_interface_finds_its_own_again_after_a_restart() {
    let mut replica = with_pool();
    let (eth0, net1) = (
        claim(&mut replica, "a", "eth0").expect("an address"),
        claim(&mut replica, "b", "net1").expect("an address"),
    );
    release(&mut replica, "a");
    release(&mut replica, "b");
    let mut store = replica.into_store();
    for kind in ["w/shop/web-0", "x/net1/shop/web-0"] {
        let (found, _) = ready(store.get(&[kind.into()]))
            .expect("at once")
            .expect("a read");
        assert!(found[0].is_some(), "{kind}");
    }
    let mut replica = opened(store);
    assert_eq!(claim(&mut replica, "c", "net1"), Ok(net1));
    assert_eq!(claim(&mut replica, "d", "eth0"), Ok(eth0));
    for (owner, interface) in [("e", "eth0"), ("f", "net1")] {
        let refused = claim(&mut replica, owner, interface);
        assert!(
            matches!(refused, Err(ClaimError::Held { .. })),
            "{refused:?}"
        );
    }
    let of = replica.ipam().claims_of_workload("shop/web-0");
    assert_eq!(
        of.filter_map(ipam::claim::ClaimRef::interface)
            .collect::<Vec<_>>(),
        ["eth0", "net1"]
    );
}

/// Keys that no record has lead to no record: what stands under them is left out and changes nothing else.
#[test]
fn a_forged_key_clears_no_other_record() {
    let mut replica = with_pool();
    claim(&mut replica, "a", "eth0").expect("an address");
    claim(&mut replica, "b", "net1").expect("an address");
    let records: Vec<Vec<u8>> = replica
        .ipam()
        .records()
        .iter()
        .map(Record::encode)
        .collect();
    let mut store = replica.into_store();
    let mut replica = opened(store.clone());
    let keys = [
        "x/eth0/shop/web-0",
        "x/net1",
        "x/",
        "x//shop/web-0",
        "w/shop/web-0\u{1f}net1",
    ];
    let put = keys.map(|key| (key.to_owned(), records[records.len() - 3].clone()));
    let txn = Txn {
        put: put.into(),
        ..Txn::default()
    };
    ready(store.commit(txn)).expect("at once").expect("a write");
    let fresh = opened(store);
    assert_eq!(fresh.rejected().len(), keys.len());
    ready(replica.catch_up(NOW))
        .expect("at once")
        .expect("a read");
    for ipam in [replica.ipam(), fresh.ipam()] {
        let now: Vec<Vec<u8>> = ipam.records().iter().map(Record::encode).collect();
        assert_eq!(now, records);
    }
}

/// Dumps and changes written before interfaces were told apart.
#[cfg(feature = "serde")]
#[test]
fn what_says_no_interface_is_the_default_ones() {
    let record = r#"{"record": "workload", "name": "w", "ttl": 0, "until": 18446744073709551615,
        "fixed": true, "kept": [[0, "10.0.0.3"]], "moving": null}"#;
    let workload: Record<'static> = serde_json::from_str(record).expect("a record");
    assert_eq!(workload.key(), "w/w");
    let change = r#"{"at": 1000000000, "what": {"change": "claimed", "owner": "a", "workload": "w",
        "host": null, "sequence": 4, "until": null, "kept": "fixed",
        "v4": {"pool": 0, "address": "10.0.0.3", "origin": "reused"}, "v6": null}}"#;
    let change: Change<'static> = serde_json::from_str(change).expect("a change");
    let mut records = with_pool()
        .ipam()
        .records()
        .iter()
        .map(|record| (record.key(), record.encode()))
        .collect::<Vec<_>>();
    records.push((workload.key(), workload.encode()));
    let decoded = records.iter().map(|(key, bytes)| {
        let mut record = Record::decode(key, bytes).expect("a record");
        if let Record::Meta { whole, .. } = &mut record {
            *whole = false;
        }
        record
    });
    let (mut ipam, rejected) = Ipam::restore(NOW, decoded);
    assert_eq!(rejected, []);
    ipam.apply(&change).expect("its own address");
    let claim = ipam.claim_of("a").expect("a claim");
    assert_eq!(claim.interface(), Some("eth0"));
}

/// What becomes of a claim when its reservation ends is stored too: another process sees the same.
#[test]
fn a_reservation_that_ends_in_part_is_stored_with_the_claims_that_it_leaves() {
    let mut replica = with_pool();
    let address = claim(&mut replica, "a", "eth0").expect("an address");
    let (other, late) = ("10.0.0.12".parse().expect("a range"), "10.0.0.13".parse());
    let late: ipam::net::AddressRange = late.expect("a range");
    let mut change = |decide: &dyn Fn(&Ipam) -> Vec<Change<'static>>| {
        let decide = |ipam: &Ipam| Ok::<_, std::convert::Infallible>(((), decide(ipam)));
        let done = ready(replica.transact(NOW, decide, pause)).expect("at once");
        done.expect("a change");
        let records =
            |ipam: &Ipam| -> Vec<Vec<u8>> { ipam.records().iter().map(Record::encode).collect() };
        let ours = records(replica.ipam());
        let store = std::mem::replace(&mut replica, with_pool()).into_store();
        replica = opened(store);
        assert_eq!(records(replica.ipam()), ours);
        let reserved: Vec<IpAddr> = replica.ipam().reserved_for("shop/web-0").collect();
        (
            reserved,
            replica.ipam().claim_of("a").expect("a claim").retention(),
        )
    };
    let web = "shop/web-0";
    let reserve = |ipam: &Ipam| {
        let change = ipam.decide_reserve(web, &[other, late]).expect("free ones");
        vec![change.into_owned()]
    };
    assert_eq!(change(&reserve).0, [address, other.first(), late.first()]);
    let end = |ipam: &Ipam| {
        let change = ipam.decide_unreserve(web, &[late]).expect("reserved");
        vec![change.into_owned()]
    };
    assert_eq!(
        change(&end),
        (
            vec![address, other.first()],
            ipam::claim::RetentionKind::Fixed
        )
    );
    let replace = |ipam: &Ipam| {
        let changes = ipam
            .decide_replace_reservation(web, &[other])
            .expect("its own");
        changes.into_iter().map(Change::into_owned).collect()
    };
    assert_eq!(
        change(&replace),
        (vec![other.first()], ipam::claim::RetentionKind::Fixed)
    );
}

/// Whose reservation ends or is replaced while it holds the address goes on as a fixed claim until it is released.
#[test]
fn a_fixed_claim_outlasts_the_end_of_its_reservation() {
    let (old, new) = ("10.0.0.10", "10.0.0.20");
    for replaced in [true, false] {
        let at = Timestamp::from_secs;
        let mut ipam = Ipam::new(7);
        let spec = PoolSpec::new("p", "10.0.0.0/24".parse().expect("a prefix"));
        ipam.add_pool(at(1), spec).expect("a pool");
        ipam.reserve(at(1), "w", &[old.parse().expect("a range")])
            .expect("a reservation");
        let request = |owner| Request::new(owner).workload("w").fixed(&[]);
        let first = ipam.claim(at(2), &request("c1")).expect("a claim");
        match replaced {
            true => ipam
                .replace_reservation(at(3), "w", &[new.parse().expect("a range")])
                .expect("a reservation"),
            false => ipam.unreserve(at(3), "w").expect("its end"),
        }
        ipam.check_invariants().expect("a sound state");
        let (mut ipam, rejected) = Ipam::restore(at(3), ipam.records());
        assert_eq!(rejected, []);
        let again = ipam.claim(at(4), &request("c1")).expect("the same");
        assert_eq!(again.address(), first.address());
        assert_eq!(again.sequence, first.sequence);
        let second = ipam.claim(at(4), &request("c2"));
        assert!(matches!(second, Err(ClaimError::Held { .. })), "{second:?}");
        ipam.release(at(5), "c1", first.sequence).expect("released");
        let address = old.parse().expect("an address");
        let holder = ipam.holder(address);
        assert!(
            matches!(holder, Some(ipam::claim::Holder::Quarantined(_))),
            "{holder:?}"
        );
        let second = ipam.claim(at(6), &request("c2")).expect("an address");
        let second = second.address().expect("an address");
        assert_ne!(second, address);
        assert_eq!(second.to_string() == new, replaced);
        ipam.check_invariants().expect("a sound state");
    }
}
