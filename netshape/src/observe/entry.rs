//! Objects of tc's JSON with their repeated keys kept.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;

/// One object with its repeated keys kept.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) fields: Vec<(String, Value)>,
    pub(super) options: Vec<(String, Value)>,
}

/// A map as its entries.
pub(super) struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        from.deserialize_map(Map)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Entry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tc")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let mut entry = Entry::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "options" {
                        entry.options = map.next_value::<Entries>()?.0;
                    } else {
                        entry.fields.push((key, map.next_value()?));
                    }
                }
                Ok(entry)
            }
        }
        from.deserialize_map(Map)
    }
}

pub(super) fn get<'a>(entries: &'a [(String, Value)], key: &str) -> Option<&'a Value> {
    entries.iter().find(|(k, _)| k == key).map(|(_, v)| v)
}

pub(super) fn text<'a>(entries: &'a [(String, Value)], key: &str) -> Option<&'a str> {
    get(entries, key).and_then(Value::as_str)
}

pub(super) fn number(entries: &[(String, Value)], key: &str) -> Option<u64> {
    get(entries, key).and_then(Value::as_u64)
}

pub(super) fn small(entries: &[(String, Value)], key: &str) -> Option<u32> {
    number(entries, key).and_then(|n| u32::try_from(n).ok())
}

pub(super) fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}
