//! The stored form of records: what earlier versions wrote is read, what a later one wrote is refused.

use ipam::{
    Replica, Store as _, Timestamp,
    store::{MemoryStore, Record, RecordError, StoreError, Txn, ready},
};

/// Every kind of record as format 1 wrote it, with what it says.
const FORMAT_1: &str = include_str!("format/version-1.txt");
/// The same as format 3 wrote it.
const FORMAT_3: &str = include_str!("format/version-3.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    pairs.map(|pair| byte(pair).expect("hex digits")).collect()
}

#[test]
fn records_of_format_1_are_read_and_rewritten_in_the_present_format() {
    let mut kinds = 0;
    for line in FORMAT_1.lines().filter(|l| !l.starts_with('#')) {
        let (key, hex) = line.split_once(' ').expect("a key and its bytes");
        let old = bytes(hex);
        assert_eq!(old[0], 1, "{key}");
        let record = Record::decode(&old).unwrap_or_else(|e| panic!("{key}: {e}"));
        assert_eq!(record.key(), key);
        let new = record.encode();
        assert!(new[0] > 1, "{key}");
        assert_eq!(Record::decode(&new).as_ref(), Ok(&record), "{key}");
        kinds += 1;
    }
    assert!(kinds >= 9, "{kinds} records");
}

/// Format 3 knew nothing of what records tell of one another.
#[test]
fn records_of_format_3_are_read_and_rewritten_in_the_present_format() {
    let mut kinds = 0;
    for line in FORMAT_3.lines().filter(|l| !l.starts_with('#')) {
        let (key, hex) = line.split_once(' ').expect("a key and its bytes");
        let old = bytes(hex);
        assert_eq!(old[0], 3, "{key}");
        let record = Record::decode(&old).unwrap_or_else(|e| panic!("{key}: {e}"));
        assert_eq!(record.key(), key);
        match &record {
            Record::Meta { whole, .. } => assert!(!whole),
            Record::Block { used, .. } => assert_eq!(*used, None),
            Record::Host { blocks, .. } => assert_eq!(*blocks, None),
            Record::Workload { owners, .. } => assert_eq!(*owners, None),
            _ => {}
        }
        let new = record.encode();
        assert_eq!(new[0], 4, "{key}");
        assert_eq!(Record::decode(&new).as_ref(), Ok(&record), "{key}");
        kinds += 1;
    }
    assert!(kinds >= 9, "{kinds} records");
}

/// Format 2 differs from 3 in the record of what all pools share, which had no base.
#[test]
fn records_of_format_2_are_read() {
    let mut old = vec![2, 0, 7];
    let sum = crc32(&old).to_le_bytes();
    old.extend(sum);
    let record = Record::decode(&old).expect("format 2");
    assert_eq!(record, meta(7, 0));
    let kept = Record::Meta {
        seed: 7,
        base: 41,
        whole: true,
    };
    assert_eq!(Record::decode(&kept.encode()), Ok(kept));
    for line in FORMAT_3
        .lines()
        .filter(|l| !l.starts_with('#') && !l.starts_with("m/"))
    {
        let (key, hex) = line.split_once(' ').expect("a key and its bytes");
        let newer = bytes(hex);
        let record = Record::decode(&newer).expect("format 3");
        let mut old = newer.clone();
        old[0] = 2;
        let body = old.len() - 4;
        let sum = crc32(&old[..body]).to_le_bytes();
        old.splice(body.., sum);
        assert_eq!(Record::decode(&old).as_ref(), Ok(&record), "{key}");
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
    assert!(matches!(
        Record::decode(&record),
        Err(RecordError::Checksum { .. })
    ));
    let body = record.len() - 4;
    let sum = crc32(&record[..body]).to_le_bytes();
    record.splice(body.., sum);
    assert!(matches!(
        Record::decode(&record),
        Err(RecordError::Version { found: 99, .. })
    ));
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
fn a_store_with_a_record_of_a_later_format_is_refused_whole() {
    let mut record = meta(7, 0).encode();
    record[0] = 99;
    let body = record.len() - 4;
    let sum = crc32(&record[..body]).to_le_bytes();
    record.splice(body.., sum);
    let mut store = MemoryStore::default();
    let txn = Txn {
        put: vec![("m/".into(), record)],
        ..Txn::default()
    };
    ready(store.commit(txn)).expect("at once").expect("a write");
    let opened = ready(Replica::open(store, Timestamp::ZERO, 1)).expect("at once");
    assert!(matches!(
        opened,
        Err(StoreError::Version { found: 99, ref key, .. }) if key == "m/"
    ));
}
