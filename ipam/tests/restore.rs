//! Stored workloads that cannot be: left out whole, with nothing of them carried out. Each was found by the
//! random hostile records before it stood here.

use ipam::{
    Ipam, PoolSpec, Timestamp,
    claim::RetentionKind,
    pool::Affinity,
    store::{MoveRecord, Record},
};
use std::net::IpAddr;

const NOW: Timestamp = Timestamp::from_secs(100);

/// A state of one pool.
fn pool() -> Ipam {
    let mut ipam = Ipam::new(1);
    let spec = PoolSpec::new("p", "10.0.0.0/28".parse().expect("a prefix"));
    ipam.add_pool(NOW, spec.affinity(Affinity::Off))
        .expect("a pool");
    ipam
}

/// What restoring the pool with a workload's record gives, and the reasons of its rejected.
fn restored(workload: impl FnOnce(ipam::pool::PoolId) -> Record<'static>) -> (Ipam, Vec<String>) {
    let state = pool();
    let id = state.pool("p").expect("the pool").id();
    let mut records = state.records();
    for record in &mut records {
        // As formats before 4: its block tells nothing of what it keeps.
        if let Record::Meta { whole, .. } = record {
            *whole = false;
        }
    }
    records.push(workload(id));
    let (ipam, rejected) = Ipam::restore(NOW, records);
    ipam.check_invariants().expect("a sound state");
    (ipam, rejected.into_iter().map(|m| m.reason).collect())
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn workload(
    retained: Vec<(ipam::pool::PoolId, IpAddr)>,
    fixed: bool,
    moving: Option<MoveRecord<'static>>,
) -> Record<'static> {
    Record::Workload {
        name: "w".into(),
        interface: "eth0".into(),
        since: Timestamp::ZERO,
        until: Timestamp::MAX,
        fixed,
        retained,
        sticky: Vec::new(),
        moving,
        owners: None,
    }
}

fn moving(to: &'static str) -> MoveRecord<'static> {
    MoveRecord {
        from: "h1".into(),
        to: to.into(),
        since: NOW,
        retention: RetentionKind::Fixed,
        addresses: Vec::new(),
    }
}

#[test]
fn a_move_to_a_host_without_a_name_takes_the_workload_with_it() {
    for retained in [vec![], vec![2]] {
        let (ipam, rejected) = restored(|id| {
            let retained = retained.iter().map(|&last| (id, address(last))).collect();
            workload(retained, false, Some(moving("")))
        });
        assert_eq!(rejected, ["a name must not be empty"]);
        assert_eq!(ipam.retained_for("w").count(), 0);
        assert_eq!(ipam.hosts().count(), 0);
    }
}

#[test]
fn an_address_is_kept_once_and_one_of_a_pool_for_a_time() {
    let twice = |id| workload(vec![(id, address(2)), (id, address(2))], true, None);
    assert_eq!(restored(twice).1, ["retains an address twice"]);
    let two = |id| workload(vec![(id, address(2)), (id, address(3))], false, None);
    let why = "retains two addresses of one pool without a reservation";
    assert_eq!(restored(two).1, [why]);
    let reserved = |id| workload(vec![(id, address(2)), (id, address(3))], true, None);
    let (ipam, rejected) = restored(reserved);
    assert_eq!(rejected, [""; 0]);
    assert_eq!(ipam.retained_for("w").count(), 2);
}

#[test]
fn what_is_kept_until_the_end_of_time_is_kept() {
    let (mut ipam, rejected) = restored(|id| workload(vec![(id, address(2))], false, None));
    assert_eq!(rejected, [""; 0]);
    ipam.advance(Timestamp::from_nanos(u64::MAX - 2));
    assert_eq!(ipam.retained_for("w").count(), 1);
    ipam.check_invariants().expect("a sound state");
}
