//! Records of the present format, damaged; and any record that there can be, read as it was written.

use super::{PRESENT, STORE_4, own_key, recorded, sealed};
use ipam::{
    Cidr, Timestamp,
    claim::RetentionKind,
    pool::PoolId,
    store::{Holder, MoveRecord, Record, ReleasedAddress, StickyRecord, UsedAddress},
};
use proptest::prelude::*;
use std::borrow::Cow;
use std::net::IpAddr;

/// Every truncation and every altered bit of a record is found, and so is a record that stands where another should.
#[test]
fn damage_to_a_record_is_found() {
    let mut kinds = std::collections::BTreeSet::new();
    for (key, old) in recorded(STORE_4) {
        let key = own_key(key);
        kinds.insert(key[..2].to_owned());
        let sound = Record::decode(&key, &old).expect("a record").encode();
        for length in 0..sound.len() {
            let torn = &sound[..length];
            assert!(Record::decode(&key, torn).is_err(), "{key} of {length}");
        }
        for bit in 0..sound.len() * 8 {
            let mut damaged = sound.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::decode(&key, &damaged).is_err(), "{key}, bit {bit}");
        }
        for (other, _) in recorded(STORE_4) {
            let other = own_key(other);
            if other != key {
                let moved = Record::decode(&other, &sound).map(|record| record.key());
                assert_ne!(moved, Ok(other), "{key}");
            }
        }
    }
    assert!(kinds.len() >= 9, "{kinds:?}");
}

/// Names as they come: container ids, what is hexadecimal by chance, and any text.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9a-f]{0,70}",
        "[0-9a-f]{0,64}/eth0",
        "/eth0(/eth0)?",
        "[a-z0-9/-]{0,20}",
        "\\PC{0,20}",
    ]
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    name().prop_map(Cow::Owned)
}

/// Any name of an interface, `eth0` among them; none holds a slash.
fn interface() -> impl Strategy<Value = Cow<'static, str>> {
    let any = name().prop_map(|name| Cow::Owned(name.replace('/', "")));
    prop_oneof![Just(Cow::Borrowed("eth0")), any]
}

fn time() -> impl Strategy<Value = Timestamp> {
    let edges = prop_oneof![Just(0), Just(u64::MAX), Just(1_790_000_000_000_000_000)];
    prop_oneof![edges, any::<u64>()].prop_map(Timestamp::from_nanos)
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), 0..300u64, any::<u64>()]
}

/// Any pool's number, as a cursor's record tells it.
fn pool() -> impl Strategy<Value = PoolId> {
    any::<u16>().prop_map(|n| {
        let number = [n as u8 | 0x80, (n >> 7) as u8 | 0x80, (n >> 14) as u8];
        let cursor = sealed([&[PRESENT, 2][..], &number, &[0, 0]].concat());
        match Record::decode("r/", &cursor) {
            Ok(Record::Cursor { id, .. }) => id,
            other => panic!("{other:?} is no cursor"),
        }
    })
}

fn place() -> impl Strategy<Value = (PoolId, IpAddr)> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
    ];
    (pool(), address)
}

fn places() -> impl Strategy<Value = Vec<(PoolId, IpAddr)>> {
    proptest::collection::vec(place(), 0..4)
}

fn retention() -> impl Strategy<Value = RetentionKind> {
    let sticky =
        any::<u64>().prop_map(|n| RetentionKind::Sticky(std::time::Duration::from_nanos(n)));
    prop_oneof![
        Just(RetentionKind::Ephemeral),
        Just(RetentionKind::Fixed),
        sticky
    ]
}

fn claim() -> impl Strategy<Value = Record<'static>> {
    let who = (text(), proptest::option::of(text()), interface());
    let when = (count(), time(), proptest::option::of(time()));
    let what = (retention(), places());
    let host = proptest::option::of(text());
    let suspect = proptest::option::of((time(), count()));
    (who, when, what, host, suspect).prop_map(
        |(
            (owner, workload, interface),
            (sequence, touched, until),
            (retention, addresses),
            host,
            suspect,
        )| Record::Claim {
            owner,
            workload,
            interface,
            host,
            sequence,
            touched,
            until,
            retention,
            addresses,
            suspect,
        },
    )
}

fn workload() -> impl Strategy<Value = Record<'static>> {
    let sticky = (place(), time()).prop_map(|((pool, address), until)| StickyRecord {
        pool,
        address,
        until,
    });
    let moving = (text(), text(), time(), retention(), places());
    let moving = moving.prop_map(|(from, to, since, retention, addresses)| MoveRecord {
        from,
        to,
        since,
        retention,
        addresses,
    });
    let who = (text(), interface());
    let when = (time(), time());
    let what = (any::<bool>(), places());
    let sticky = proptest::collection::vec(sticky, 0..3);
    let moving = proptest::option::of(moving);
    let owners = proptest::option::of(proptest::collection::vec(text(), 0..4));
    (who, when, what, sticky, moving, owners).prop_map(
        |((name, interface), (since, until), (fixed, retained), sticky, moving, owners)| {
            Record::Workload {
                name,
                interface,
                since,
                until,
                fixed,
                retained,
                sticky,
                moving,
                owners,
            }
        },
    )
}

fn used() -> impl Strategy<Value = UsedAddress<'static>> {
    let host = prop_oneof![
        Just(None),
        Just(Some(Cow::Borrowed("h1"))),
        text().prop_map(Some)
    ];
    let holder = (text(), count(), host, retention());
    let holder = holder.prop_map(|(owner, sequence, host, retention)| Holder {
        owner,
        sequence,
        host,
        retention,
    });
    let holder = proptest::option::of(holder);
    let workload = proptest::option::of((text(), interface()));
    let until = proptest::option::of(time());
    (any::<u32>(), holder, workload, any::<bool>(), until).prop_map(
        |(offset, holder, workload, reserved, until)| UsedAddress {
            offset,
            holder,
            workload,
            reserved,
            until,
        },
    )
}

fn block() -> impl Strategy<Value = Record<'static>> {
    let released = (any::<u32>(), time(), count());
    let released = released.prop_map(|(offset, at, order)| ReleasedAddress { offset, at, order });
    let blocks = ["10.0.0.64/26", "fd00::40/122"].map(|b| b.parse::<Cidr>().expect("a prefix"));
    let of = (pool(), proptest::sample::select(blocks.to_vec()));
    let state = proptest::sample::select(vec![
        ipam::pool::BlockState::Pending,
        ipam::pool::BlockState::Confirmed,
        ipam::pool::BlockState::Releasing,
    ]);
    let host = prop_oneof![Just(Cow::Borrowed("h1")), text()];
    let host = proptest::option::of((host, state));
    let released = proptest::collection::vec(released, 0..4);
    let used = proptest::option::of(proptest::collection::vec(used(), 0..5));
    (of, host, count(), time(), released, used).prop_map(
        |((pool, block), host, generation, empty_since, released, used)| Record::Block {
            pool,
            block,
            host,
            generation,
            empty_since,
            released,
            used,
        },
    )
}

proptest! {
    #[test]
    fn any_record_is_read_as_it_was_written(record in prop_oneof![claim(), workload(), block()]) {
        let (key, bytes) = (record.key(), record.encode());
        prop_assert_eq!(Record::decode(&key, &bytes), Ok(record));
        prop_assert!(bytes.first() == Some(&PRESENT));
    }
}
