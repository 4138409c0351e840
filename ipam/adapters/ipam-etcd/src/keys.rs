//! Where things stand below the store's prefix in etcd.

use crate::proto::KeyValue;
use ipam::store::StoreError;

/// The keys of one store. Nothing outside its prefix is read or written.
///
/// | key | holds |
/// | --- | --- |
/// | `PREFIXk/KEY` | a record's value |
/// | `PREFIXd/KEY` | a tombstone: empty; its revision is that of the record's last deletion |
/// | `PREFIXdigest/KEY` | eight bytes: the digest of a block's value, written with it |
/// | `PREFIXhead` | empty; its revision is that of the last commit |
/// | `PREFIXhorizon` | a revision of 20 digits: tombstones up to it have been swept |
/// | `PREFIXlive/HOST` | a host's life sign, under its lease |
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys(String);

impl Keys {
    pub(crate) fn new(prefix: String) -> Self {
        Self(prefix)
    }

    pub(crate) fn record(&self, key: &str) -> Vec<u8> {
        format!("{}k/{key}", self.0).into_bytes()
    }

    pub(crate) fn tombstone(&self, key: &str) -> Vec<u8> {
        format!("{}d/{key}", self.0).into_bytes()
    }

    pub(crate) fn digest(&self, key: &str) -> Vec<u8> {
        format!("{}digest/{key}", self.0).into_bytes()
    }

    pub(crate) fn head(&self) -> Vec<u8> {
        format!("{}head", self.0).into_bytes()
    }

    pub(crate) fn horizon(&self) -> Vec<u8> {
        format!("{}horizon", self.0).into_bytes()
    }

    pub(crate) fn life_sign(&self, host: &str) -> Vec<u8> {
        format!("{}live/{host}", self.0).into_bytes()
    }

    /// The first key after all of the store's records: what a watch of tombstones, digests, head and records covers, from [`Keys::tombstone`] on.
    pub(crate) fn records_end(&self) -> Vec<u8> {
        after_prefix(&self.record(""))
    }

    /// The record's key that an etcd key is of.
    ///
    /// # Errors
    /// A key below the prefix that no store wrote.
    pub(crate) fn record_of(&self, kv: &KeyValue) -> Result<String, StoreError> {
        self.part_of(kv, "k/")
    }

    /// The record's key that a tombstone is of.
    ///
    /// # Errors
    /// A key below the prefix that no store wrote.
    pub(crate) fn deleted_of(&self, kv: &KeyValue) -> Result<String, StoreError> {
        self.part_of(kv, "d/")
    }

    /// Whether an etcd key is that of a digest.
    pub(crate) fn is_digest(&self, key: &[u8]) -> bool {
        key.starts_with(&self.digest(""))
    }

    /// The record's key that a digest is of.
    ///
    /// # Errors
    /// A key below the prefix that no store wrote.
    pub(crate) fn proved_of(&self, kv: &KeyValue) -> Result<String, StoreError> {
        self.part_of(kv, "digest/")
    }

    /// The host that a life sign is of.
    ///
    /// # Errors
    /// A key below the prefix that no store wrote.
    pub(crate) fn host_of(&self, kv: &KeyValue) -> Result<String, StoreError> {
        self.part_of(kv, "live/")
    }

    fn part_of(&self, kv: &KeyValue, part: &str) -> Result<String, StoreError> {
        let rest = kv.key.strip_prefix(self.0.as_bytes());
        let rest = rest.and_then(|r| r.strip_prefix(part.as_bytes()));
        let rest = rest.and_then(|r| std::str::from_utf8(r).ok());
        rest.map(ToOwned::to_owned).ok_or_else(|| {
            let key = kv.key.escape_ascii();
            StoreError::Io(format!(
                "etcd holds the key `{key}`, which no store wrote; keys below `{}` are the store's: remove it",
                self.0
            ))
        })
    }
}

/// The first key after all that begin with `prefix`, as etcd wants the end of a range; `\0` is the end of all keys.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let kept = prefix.iter().rposition(|byte| *byte < 0xff);
    match kept {
        Some(last) => {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            end
        }
        None => vec![0],
    }
}

/// The first key after `key`.
pub(crate) fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// Where a listing from `start` to `end` goes on after a page; `None` where the page is none of it: without a key though there are more,
/// or with keys out of order or range, with which a listing might never end.
pub(crate) fn next_start(start: &[u8], end: &[u8], page: &[KeyValue]) -> Option<Vec<u8>> {
    let mut least = start;
    for kv in page {
        if kv.key.as_slice() < least || kv.key.as_slice() >= end {
            return None;
        }
        least = &kv.key;
    }
    page.last().map(|kv| after(kv.key.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_one() {
        assert_eq!(after_prefix(b"a/"), b"a0");
        assert_eq!(after_prefix(b"a\xff\xff"), b"b");
        assert_eq!(after_prefix(b"\xff"), b"\0");
    }

    #[test]
    fn tombstones_head_and_records_lie_in_one_range_without_life_signs() {
        let keys = Keys::new("/p/".into());
        let (start, end) = (keys.tombstone(""), keys.records_end());
        let within = |key: Vec<u8>| start <= key && key < end;
        assert!(
            within(keys.head()) && within(keys.record("")) && within(keys.record("\u{10ffff}"))
        );
        assert!(within(keys.digest("b/x")) && keys.digest("b/x") < keys.head());
        assert!(within(keys.tombstone("x")) && !within(keys.life_sign("h")));
    }

    #[test]
    fn a_listing_goes_on_after_what_is_in_order_and_in_range() {
        let page = |keys: &[&str]| -> Vec<KeyValue> {
            let kv = |key: &&str| KeyValue {
                key: key.as_bytes().to_vec(),
                ..KeyValue::default()
            };
            keys.iter().map(kv).collect()
        };
        let next = |keys: &[&str]| next_start(b"b", b"d", &page(keys));
        assert_eq!(next(&["b", "bb", "c"]), Some(b"c\0".to_vec()));
        for wrong in [&[][..], &["a"], &["d"], &["c", "b"], &["b", "zz"]] {
            assert_eq!(next(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn foreign_keys_are_told_of() {
        let keys = Keys::new("/p/".into());
        let kv = |key: &[u8]| KeyValue {
            key: key.to_vec(),
            ..KeyValue::default()
        };
        assert_eq!(keys.record_of(&kv(b"/p/k/c/o")), Ok("c/o".to_owned()));
        let foreign = keys.record_of(&kv(b"/p/k/\xff"));
        assert!(
            matches!(&foreign, Err(StoreError::Io(why)) if why.contains("/p/k/\\xff")),
            "{foreign:?}"
        );
    }
}
