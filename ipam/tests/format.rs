//! The stored form of records: what earlier versions wrote is read, what a later one wrote is refused.

use ipam::{
    Replica, Request, Store as _, Timestamp,
    store::{MemoryStore, PartialReplica, Record, RecordError, StoreError, TimeOrigin, Txn, ready},
};
use std::collections::BTreeMap;
use std::time::Duration;

#[path = "format/harm.rs"]
mod harm;

/// Every kind of record as format 1 wrote it, with what it says.
const FORMAT_1: &str = include_str!("format/version-1.txt");
/// The same as format 3 wrote it.
const FORMAT_3: &str = include_str!("format/version-3.txt");
/// A store in use, with a quarantine of a removed pool, a move, reservations, sticky addresses and interfaces, as format 4 wrote it.
const STORE_4: &str = include_str!("format/store-4.txt");

/// The version that is written.
const PRESENT: u8 = 6;

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    pairs.map(|pair| byte(pair).expect("hex digits")).collect()
}

/// The keys of a recorded store and their bytes.
fn recorded(text: &str) -> Vec<(&str, Vec<u8>)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let entry = |line| str::split_once(line, ' ').expect("a key and its bytes");
    lines
        .map(entry)
        .map(|(key, hex)| (key, bytes(hex)))
        .collect()
}

/// What a pool's copy copies stands under another key.
fn own_key(key: &str) -> String {
    key.replacen("q/", "p/", 1)
}

#[test]
fn records_of_format_1_are_read_and_rewritten_in_the_present_format() {
    let records = recorded(FORMAT_1);
    for (key, old) in &records {
        assert_eq!(old[0], 1, "{key}");
        expect_rewritten(key, old);
    }
    assert!(records.len() >= 9, "{} records", records.len());
}

/// A record of an earlier format says the same in the present one.
fn expect_rewritten(key: &str, old: &[u8]) {
    let key = own_key(key);
    let record = Record::decode(&key, old).unwrap_or_else(|e| panic!("{key}: {e}"));
    assert_eq!(record.key(), key);
    let new = record.encode();
    assert_eq!(new[0], PRESENT, "{key}");
    assert_eq!(Record::decode(&key, &new).as_ref(), Ok(&record), "{key}");
}

/// Format 3 knew nothing of what records tell of one another.
#[test]
fn records_of_format_3_are_read_and_rewritten_in_the_present_format() {
    let records = recorded(FORMAT_3);
    for (key, old) in &records {
        assert_eq!(old[0], 3, "{key}");
        match Record::decode(key, old) {
            Ok(Record::Meta { whole, .. }) => assert!(!whole),
            Ok(Record::Block { used, .. }) => assert_eq!(used, None),
            Ok(Record::Host { blocks, .. }) => assert_eq!(blocks, None),
            Ok(Record::Workload { owners, .. }) => assert_eq!(owners, None),
            _ => {}
        }
        expect_rewritten(key, old);
    }
    assert!(records.len() >= 9, "{} records", records.len());
}

/// Format 4 names every record in its value, and writes names as they are.
#[test]
fn records_of_format_4_are_read_and_rewritten_in_the_present_format() {
    let records = recorded(STORE_4);
    let mut shorter = 0;
    for (key, old) in &records {
        assert_eq!(old[0], 4, "{key}");
        expect_rewritten(key, old);
        let own = own_key(key);
        let new = Record::decode(&own, old).expect("a record").encode();
        shorter += usize::from(new.len() * 2 < old.len());
    }
    assert!(records.len() >= 50, "{} records", records.len());
    assert!(shorter >= 10, "{shorter} records are half as long");
}

/// Format 5 differs from 6 in the record of the store's time, which was not said to be counted from anywhere.
#[test]
fn records_of_format_5_are_read() {
    let time = |origin| Record::Time {
        now: Timestamp::from_secs(5),
        origin,
    };
    let seconds_5 = [0x80, 0xe4, 0x97, 0xd0, 0x12];
    let old = sealed([&[5, 9][..], &seconds_5].concat());
    assert_eq!(Record::decode("t/", &old), Ok(time(None)));
    let counted = time(Some(TimeOrigin {
        stopwatch: u64::MAX >> 1,
        base: Timestamp::from_secs(3),
        term: 7,
    }));
    assert_eq!(Record::decode("t/", &counted.encode()), Ok(counted));
    for (key, older) in recorded(STORE_4) {
        let key = &*own_key(key);
        let record = Record::decode(key, &older).expect("format 4");
        let mut old = record.encode();
        old.truncate(old.len() - 4);
        old[0] = 5;
        // Those that only their keys name have a checksum that covers the key.
        let named = key.starts_with(['c', 'w', 'x']);
        let covered = [&old[..], key.as_bytes()].concat();
        let sum = crc32(if named { &covered } else { &old });
        old.extend(sum.to_le_bytes());
        assert_eq!(Record::decode(key, &old).as_ref(), Ok(&record), "{key}");
    }
}

/// Format 2 differs from 3 in the record of what all pools share, which had no base.
#[test]
fn records_of_format_2_are_read() {
    let old = sealed(vec![2, 0, 7]);
    assert_eq!(Record::decode("m/", &old), Ok(meta(7, 0)));
    let kept = Record::Meta {
        seed: 7,
        base: 41,
        whole: true,
    };
    assert_eq!(Record::decode("m/", &kept.encode()), Ok(kept));
    for (key, newer) in recorded(FORMAT_3) {
        if key == "m/" {
            continue;
        }
        let record = Record::decode(key, &newer).expect("format 3");
        let mut old = newer[..newer.len() - 4].to_vec();
        old[0] = 2;
        let old = sealed(old);
        assert_eq!(Record::decode(key, &old).as_ref(), Ok(&record), "{key}");
    }
}

fn meta(seed: u64, base: u64) -> Record<'static> {
    Record::Meta {
        seed,
        base,
        whole: false,
    }
}

#[test]
fn a_record_of_a_later_format_is_refused_by_its_version_and_a_changed_version_by_the_checksum() {
    let mut record = meta(7, 0).encode();
    record[0] = 99;
    let changed = Record::decode("m/", &record);
    assert!(matches!(changed, Err(RecordError::Checksum { .. })));
    record.truncate(record.len() - 4);
    let later = sealed(record);
    let later = Record::decode("m/", &later);
    assert!(matches!(later, Err(RecordError::Version { found: 99, .. })));
}

/// A record's bytes with their checksum.
fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    body.extend(crc32(&body).to_le_bytes());
    body
}

/// CRC-32 (IEEE 802.3), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

fn now<T>(future: impl Future<Output = T>) -> T {
    ready(future).expect("memory never waits")
}

fn store_of(entries: Vec<(&str, Vec<u8>)>) -> MemoryStore {
    let mut store = MemoryStore::default();
    let put = entries.into_iter().map(|(key, value)| (key.into(), value));
    let txn = Txn {
        put: put.collect(),
        ..Txn::default()
    };
    now(store.commit(txn)).expect("a write");
    store
}

fn entries(store: &mut MemoryStore) -> BTreeMap<String, Vec<u8>> {
    let page = now(store.list("", None, usize::MAX)).expect("a listing");
    page.entries.into_iter().collect()
}

#[test]
fn a_store_with_a_record_of_a_later_format_is_refused_whole() {
    let mut record = meta(7, 0).encode();
    record[0] = 99;
    record.truncate(record.len() - 4);
    let store = store_of(vec![("m/", sealed(record))]);
    let opened = now(Replica::open(store, Timestamp::ZERO, 1));
    assert!(matches!(
        opened,
        Err(StoreError::Version { found: 99, ref key, .. }) if key == "m/"
    ));
}

fn wait(_: Duration) -> std::future::Ready<()> {
    std::future::ready(())
}

/// A moment after what was recorded.
const LATER: Timestamp = Timestamp::from_secs(1_790_000_060);

/// The first write to a store writes all of it in the present format, and nothing it says is another; whoever makes it.
#[test]
fn stores_of_earlier_formats_are_rewritten_by_the_first_write() {
    for (text, claims) in [(FORMAT_1, 1), (FORMAT_3, 1), (STORE_4, 11)] {
        let at = match claims {
            1 => Timestamp::from_secs(10),
            _ => LATER,
        };
        let old = recorded(text);
        let before = now(Replica::open(store_of(old.clone()), at, 1)).expect("a store");
        assert_eq!(before.rejected(), []);
        assert_eq!(before.ipam().claim_count(), claims);
        let said = before.ipam().records();
        let request = Request::new("new").host("h9").pools(&["p"]);
        let mut whole = now(Replica::open(store_of(old.clone()), at, 1)).expect("a store");
        now(whole.claim(at, &request, wait)).expect("an address");
        let mut part = PartialReplica::new(store_of(old.clone()), 1);
        now(part.claim(at, &request, wait)).expect("an address");
        assert_eq!(part.whole_reads(), 1);
        for mut store in [whole.into_store(), part.into_store()] {
            let all = entries(&mut store);
            assert!(all.values().all(|value| value[0] == PRESENT));
            assert!(old.iter().all(|(key, _)| all.contains_key(*key)));
            let mut after = now(Replica::open(store, at, 1)).expect("a store");
            assert_eq!(after.rejected(), []);
            assert_eq!(after.ipam().claim_count(), claims + 1);
            let sequence = after.ipam().claim_of("new").expect("a claim").sequence();
            now(after.release(at, "new", sequence, wait)).expect("its own");
            let says = after.ipam().records();
            let unaltered = |record: &&Record<'_>| {
                matches!(
                    record,
                    Record::Pool { .. } | Record::Workload { .. } | Record::Claim { .. }
                )
            };
            let of = |records: &[Record<'_>]| -> Vec<String> {
                let unaltered = records.iter().filter(unaltered);
                unaltered.map(|record| format!("{record:?}")).collect()
            };
            assert_eq!(of(&says), of(&said));
            // From now on parts are enough.
            let mut part = PartialReplica::new(after.into_store(), 1);
            now(part.claim(at, &request, wait)).expect("an address");
            assert_eq!(part.whole_reads(), 0);
        }
    }
}
