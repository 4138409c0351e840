//! Hostile inputs: stored records that were torn, mixed up or forged, and pools that make no sense.

use super::model::Model;
use super::op::{Op, Reader};
use crate::store::checksum::checksum_of;
use crate::store::record::is_unnamed;
use crate::{
    Cidr, Ipam, PoolSpec, Request, Timestamp,
    claim::Families,
    net::{AddressRange, Family},
    pool::{Affinity, Order},
    routes::{Encapsulation, Node, RoutePolicy, Tunnel, Wrap, encapsulation},
    store::Record,
};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

/// A state of the first bytes' making, its records damaged as the rest says, restored: whatever comes out
/// keeps every invariant and goes on working. Panics where it does not.
pub fn fuzz_records(data: &[u8]) {
    // Under a checksum that is right the bytes are a record, or they are not; one that is is written as it was read.
    for key in ["c/0a1b2c/eth0", "w/w", "x/net1/w", "b/00000/0"] {
        let mut bytes = [data, &[0; 4]].concat();
        seal(key, &mut bytes);
        if let Ok(record) = Record::decode(key, &bytes) {
            expect_same(&record);
        }
    }
    let (ops, damage) = data.split_at(data.len() * 3 / 4);
    let mut model = Model::new(3);
    for record in ops.chunks(super::OP_BYTES).take(60) {
        if let Some(op) = Op::decode(&mut Reader::new(record)) {
            model.step(&op);
        }
    }
    let stored = model.ipam().records();
    let mut stored: Vec<Stored> = stored.iter().map(|r| (r.key(), r.encode())).collect();
    let mut reader = Reader::new(damage);
    while !reader.is_empty() {
        harm(&mut stored, &mut reader);
    }
    let now = model.ipam().now();
    let sound = stored
        .iter()
        .filter_map(|(key, bytes)| Record::decode(key, bytes).ok());
    let (mut ipam, _) = Ipam::restore(now, sound);
    expect_sound(&ipam, "restored");
    let pools: Vec<_> = ipam.pools().map(|p| p.spec().name.clone()).collect();
    for (i, pool) in pools.iter().enumerate().take(8) {
        let owner = format!("after{i}");
        let names = [&**pool];
        let mut request = Request::new(&owner).pools(&names).host("h1");
        if ipam
            .pool(pool)
            .is_some_and(|p| p.spec().cidr.family() == Family::V6)
        {
            request = request.families(Families::V6);
        }
        if let Ok(grant) = ipam.claim(now, &request) {
            expect_sound(&ipam, "claimed");
            ipam.release(now, &owner, grant.sequence)
                .expect("what was just claimed");
        }
    }
    ipam.expire(now.after(Duration::from_secs(3600)));
    expect_sound(&ipam, "later");
}

fn expect_sound(ipam: &Ipam, when: &str) {
    if let Err(broken) = ipam.check_invariants() {
        panic!("{when}: {broken}");
    }
}

/// A key and its value.
type Stored = (String, Vec<u8>);

/// A record is read as it was written.
fn expect_same(record: &Record<'_>) {
    let (key, bytes) = (record.key(), record.encode());
    assert_eq!(Record::decode(&key, &bytes).as_ref(), Ok(record));
}

/// Makes the last four bytes the checksum of those before.
fn seal(key: &str, record: &mut [u8]) {
    if let Some((body, sum)) = record.split_last_chunk_mut::<4>() {
        let name = if is_unnamed(body) { key } else { "" };
        *sum = checksum_of(&[body, name.as_bytes()]).to_le_bytes();
    }
}

/// One damage: torn, lost, repeated, moved, or a byte altered under a checksum that is right again.
fn harm(stored: &mut Vec<Stored>, reader: &mut Reader<'_>) {
    let (kind, which, place) = (reader.byte(), reader.byte(), reader.byte());
    if stored.is_empty() || stored.len() > 500 {
        return;
    }
    let which = usize::from(which) % stored.len();
    match kind % 6 {
        0 => {
            let (_, record) = &mut stored[which];
            let length = usize::from(place) % (record.len() + 1);
            record.truncate(length);
        }
        1 => drop(stored.remove(which)),
        2 => {
            let again = stored[which].clone();
            stored.insert(usize::from(place) % stored.len(), again);
        }
        3 => {
            let other = usize::from(place) % stored.len();
            stored.swap(which, other);
        }
        _ => {
            let (value, (key, record)) = (reader.byte(), &mut stored[which]);
            let Some(body) = record.len().checked_sub(4).filter(|&b| b > 0) else {
                return;
            };
            record[usize::from(place) % body] = value;
            seal(key, record);
        }
    }
}

/// A pool as the bytes would have it, refused or sound, and a route between two nodes of their making.
/// Panics where a pool that was accepted does not work.
pub fn fuzz_policies(data: &[u8]) {
    let mut r = Reader::new(data);
    let at = Timestamp::from_secs;
    let mut ipam = Ipam::new(u64::from(r.byte()));
    for i in 0..4 {
        let spec = hostile_spec(&mut r, i);
        // What a record can say, a record can hold.
        let encoded = Record::Pool {
            id: crate::pool::PoolId(0),
            draining: false,
            spec: spec.clone().into(),
        };
        expect_same(&encoded);
        if let Err(error) = ipam.add_pool(at(1), spec) {
            assert!(!error.to_string().is_empty());
        }
    }
    for i in 0..12u8 {
        let owner = format!("c{i}");
        let families = [Families::V4, Families::V6, Families::Dual][usize::from(i % 3)];
        let host = format!("h{}", r.byte() % 3);
        let request = Request::new(&owner).families(families).host(&host);
        if let Ok(grant) = ipam.claim(at(2), &request)
            && r.byte().is_multiple_of(2)
        {
            ipam.release(at(3), &owner, grant.sequence)
                .expect("what was just claimed");
        }
    }
    expect_sound(&ipam, "after hostile pools");
    for host in ["h0", "h1", "h2"] {
        let routes = ipam.routes(host);
        let apart = routes
            .iter()
            .enumerate()
            .all(|(i, a)| routes.iter().skip(i + 1).all(|b| !a.overlaps(*b)));
        assert!(apart, "routes overlap: {routes:?}");
    }
    hostile_route(&mut r);
}

fn hostile_cidr(r: &mut Reader<'_>) -> Cidr {
    let family = if r.byte().is_multiple_of(2) {
        Family::V4
    } else {
        Family::V6
    };
    let mut number = 0u128;
    for _ in 0..4 {
        number = number << 8 | u128::from(r.byte());
    }
    let number = if family == Family::V6 {
        number << 96 | u128::from(r.byte())
    } else {
        number
    };
    // Mostly small ones: an empty /8 is 2 MiB to set up.
    let length = if r.byte().is_multiple_of(8) {
        r.byte() % 140
    } else {
        family.bits() - r.byte() % 12
    };
    let length = length.min(family.bits());
    Cidr::containing(family.address(number), length).expect("a length within the family")
}

fn hostile_spec(r: &mut Reader<'_>, i: u8) -> PoolSpec {
    let cidr = hostile_cidr(r);
    let mut spec = PoolSpec::new(
        format!("p{}", i * u8::from(!r.byte().is_multiple_of(8))),
        cidr,
    );
    let near = |by: u8| {
        cidr.family()
            .address(crate::net::number(cidr.first()).wrapping_add(by.into()))
    };
    spec.gateway = (r.byte().is_multiple_of(2)).then(|| near(r.byte()));
    for _ in 0..r.byte() % 3 {
        if let Ok(range) = AddressRange::new(near(r.byte()), near(r.byte())) {
            spec.excluded.push(range);
        }
    }
    if let Ok(range) = AddressRange::new(near(r.byte()), near(r.byte())) {
        spec.set_aside.push(range);
    }
    spec.use_edges = r.byte().is_multiple_of(2);
    spec.block_size = if r.byte().is_multiple_of(4) {
        r.byte()
    } else {
        spec.block_size
    };
    spec.vlan = (r.byte().is_multiple_of(4)).then(|| u16::from(r.byte()) << 5);
    spec.order =
        [Order::Lru, Order::Lowest, Order::RoundRobin, Order::Random][usize::from(r.byte() % 4)];
    spec.affinity = [Affinity::Borrow, Affinity::Off, Affinity::Strict][usize::from(r.byte() % 3)];
    spec.quarantine = Duration::from_nanos(u64::from(r.byte()) << 56);
    spec.early_reuse = r.byte().is_multiple_of(2);
    spec.block_limit = (r.byte().is_multiple_of(4)).then(|| u32::from(r.byte() % 3));
    spec
}

/// Whatever the policy, a plain route goes to who is near or to gateways that know, and IPIP carries IPv4.
fn hostile_route(r: &mut Reader<'_>) {
    let (a, b) = (hostile_cidr(r), hostile_cidr(r));
    let from = Node {
        name: "a",
        address: a.first(),
        subnet: a,
    };
    let to = Node {
        name: "b",
        address: b.first(),
        subnet: b,
    };
    let policy = RoutePolicy {
        wrap: [Wrap::Never, Wrap::CrossSubnet, Wrap::Always][usize::from(r.byte() % 3)],
        tunnel: if r.byte().is_multiple_of(2) {
            Tunnel::Ipip
        } else {
            Tunnel::Vxlan
        },
        gateways_know: r.byte().is_multiple_of(2),
    };
    for family in [Family::V4, Family::V6] {
        match encapsulation(&from, &to, family, policy) {
            Ok(Encapsulation::None) => {
                assert!(
                    policy.gateways_know || a.contains(b.first()),
                    "an undeliverable route"
                );
            }
            Ok(Encapsulation::Ipip) => assert_eq!(family, Family::V4),
            Ok(Encapsulation::Vxlan) => {}
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("`a`") && text.contains("`b`"), "{text}");
            }
        }
    }
}
