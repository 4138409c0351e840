//! What annotations ask for.

use crate::field::{Wrong, shortened};
use ipam::claim::Families;
use ipam::net::{AddressRange, Family, number};
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

/// `ephemeral` (as without it), `fixed`, or `sticky=1h`.
pub const RETENTION: &str = "ipam.berth.dev/retention";
/// Names of pools, with commas between; without it, any pool.
pub const POOLS: &str = "ipam.berth.dev/pools";
/// `v4` (as without it), `v6` or `dual`.
pub const FAMILY: &str = "ipam.berth.dev/family";
/// Addresses and ranges, with commas between: the first is slot 0's, and so on, of each family.
pub const ADDRESSES: &str = "ipam.berth.dev/addresses";
/// Written to the pod: what it was given.
pub const LEASE: &str = "ipam.berth.dev/lease";

/// The longest annotation that is read.
const LONGEST: usize = 4096;
/// Most pools and most ranges.
const MOST: usize = 64;

/// How long an address stays with a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Retain {
    #[default]
    Ephemeral,
    Sticky(Duration),
    Fixed,
}

/// What a pod or workload asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// None where the annotations do not say.
    pub(crate) retention: Option<Retain>,
    pub(crate) pools: Vec<String>,
    /// None where the annotations do not say.
    pub(crate) families: Option<Families>,
    pub(crate) addresses: Vec<AddressRange>,
}

impl Policy {
    /// What this says, and `other` where this says nothing.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            retention: self.retention.or(other.retention),
            families: self.families.or(other.families),
            pools: if self.pools.is_empty() {
                other.pools
            } else {
                self.pools
            },
            addresses: if self.addresses.is_empty() {
                other.addresses
            } else {
                self.addresses
            },
        }
    }

    /// The families that are wanted.
    pub(crate) fn wanted(&self) -> Families {
        self.families.unwrap_or_default()
    }

    /// Reads the annotations of an object; `None` where none is of ours.
    pub(crate) fn read(annotations: &Value) -> Result<Option<Self>, Wrong> {
        let texts = [RETENTION, POOLS, FAMILY, ADDRESSES].map(|key| text(annotations, key));
        let [retention, pools, family, addresses] = texts;
        let (retention, pools, family, addresses) = (retention?, pools?, family?, addresses?);
        if [retention, pools, family, addresses]
            .iter()
            .all(Option::is_none)
        {
            return Ok(None);
        }
        let policy = Self {
            retention: retention.map(retain).transpose()?,
            pools: list(POOLS, pools, |name| {
                ipam::pool::check_name(name).map_err(|e| e.to_string())?;
                Ok(name.to_owned())
            })?,
            families: family.map(families).transpose()?,
            addresses: list(ADDRESSES, addresses, |range| {
                range
                    .parse()
                    .map_err(|e: ipam::net::ParseError| e.to_string())
            })?,
        };
        Ok(Some(policy))
    }

    /// The addresses of a slot: one of each family that the list has addresses of.
    pub(crate) fn addresses_of(&self, slot: u32) -> Result<Vec<IpAddr>, Wrong> {
        let wanted = self.wanted();
        let unwanted = |range: &&AddressRange| !wanted.want(range.family());
        if let Some(range) = self.addresses.iter().find(unwanted) {
            let problem = format!("{range} is of a family that {FAMILY} does not ask for");
            return Err(Wrong::new(ADDRESSES, problem));
        }
        let mut found = Vec::new();
        for family in [Family::V4, Family::V6] {
            let ranges = || self.addresses.iter().filter(|r| r.family() == family);
            if ranges().next().is_none() {
                continue;
            }
            let mut left = u128::from(slot);
            let at = ranges().find_map(|range| {
                let count = range.count();
                let there = (left < count).then(|| family.address(number(range.first()) + left));
                left = left.saturating_sub(count);
                there
            });
            let few = || {
                let count = ranges().fold(0u128, |sum, r| sum.saturating_add(r.count()));
                Wrong::new(
                    ADDRESSES,
                    format!("{count} addresses are too few for slot {slot}: list more"),
                )
            };
            found.push(at.ok_or_else(few)?);
        }
        Ok(found)
    }
}

fn text<'v>(annotations: &'v Value, key: &str) -> Result<Option<&'v str>, Wrong> {
    match &annotations[key] {
        Value::Null => Ok(None),
        Value::String(text) if text.len() > LONGEST => Err(Wrong::new(
            key,
            format!("{} characters; {LONGEST} are the most", text.len()),
        )),
        Value::String(text) => Ok(Some(text.trim())),
        other => Err(Wrong::new(
            key,
            format!("want a string, got {}", shortened(&other.to_string())),
        )),
    }
}

fn list<T>(
    key: &str,
    text: Option<&str>,
    item: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Wrong> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let mut items = Vec::new();
    for part in text.split(',').map(str::trim) {
        if items.len() == MOST {
            return Err(Wrong::new(key, format!("more than {MOST} items")));
        }
        let wrong = |error| Wrong::new(key, format!("{:?}: {error}", shortened(part)));
        items.push(item(part).map_err(wrong)?);
    }
    Ok(items)
}

fn retain(text: &str) -> Result<Retain, Wrong> {
    match (text, text.split_once('=')) {
        ("ephemeral", _) => Ok(Retain::Ephemeral),
        ("fixed", _) => Ok(Retain::Fixed),
        (_, Some(("sticky", time))) if let Some(time) = duration(time) => Ok(Retain::Sticky(time)),
        _ => Err(Wrong::new(
            RETENTION,
            format!(
                "{:?}; want ephemeral, fixed or sticky=TIME (sticky=90s, sticky=5m, sticky=1h, sticky=1d)",
                shortened(text)
            ),
        )),
    }
}

fn families(text: &str) -> Result<Families, Wrong> {
    match text {
        "v4" => Ok(Families::V4),
        "v6" => Ok(Families::V6),
        "dual" => Ok(Families::Dual),
        other => Err(Wrong::new(
            FAMILY,
            format!("{:?}; want v4, v6 or dual", shortened(other)),
        )),
    }
}

/// A time such as `90s`.
fn duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn annotations_are_read() {
        let none = Policy::read(&json!({"a": "b", LEASE: "x"}));
        assert_eq!(none, Ok(None));
        let policy = Policy::read(&json!({
            RETENTION: "sticky=2h", POOLS: "a, b", FAMILY: "dual", ADDRESSES: "10.9.0.5,10.9.0.8-10.9.0.9,2001:db8::1",
        }));
        let policy = policy.unwrap().unwrap();
        assert_eq!(
            policy.retention,
            Some(Retain::Sticky(Duration::from_secs(7200)))
        );
        assert_eq!(policy.pools, ["a", "b"]);
        let of = |slot| {
            policy
                .addresses_of(slot)
                .map(|a| a.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(of(0).unwrap(), ["10.9.0.5", "2001:db8::1"]);
        assert_eq!(
            of(2).unwrap_err().problem,
            "1 addresses are too few for slot 2: list more"
        );
        assert!(of(1).is_err());
    }

    #[test]
    fn absurd_annotations_are_told() {
        let cases = [
            (
                json!({RETENTION: "for ever"}),
                "want ephemeral, fixed or sticky=TIME",
            ),
            (
                json!({RETENTION: "sticky=99999999999999999d"}),
                "want ephemeral",
            ),
            (json!({RETENTION: 7}), "want a string, got 7"),
            (json!({POOLS: "a,,b"}), "\"\""),
            (json!({POOLS: "x,".repeat(100)}), "more than 64 items"),
            (
                json!({POOLS: "x".repeat(5000)}),
                "5000 characters; 4096 are the most",
            ),
            (json!({FAMILY: "ipx"}), "want v4, v6 or dual"),
            (json!({ADDRESSES: "10.9.0.300"}), "10.9.0.300"),
            (json!({ADDRESSES: "10.9.0.9-10.9.0.5"}), "10.9.0.9"),
        ];
        for (annotations, part) in cases {
            let wrong = Policy::read(&annotations).unwrap_err();
            assert!(wrong.problem.contains(part), "{wrong:?} lacks {part}");
        }
    }

    #[test]
    fn addresses_are_of_a_family_that_is_wanted() {
        let policy = Policy::read(&json!({ADDRESSES: "::1"})).unwrap().unwrap();
        assert!(
            policy
                .addresses_of(0)
                .unwrap_err()
                .problem
                .contains("does not ask for")
        );
    }

    #[test]
    fn all_of_ipv6_has_slots() {
        let policy = Policy::read(
            &json!({FAMILY: "v6", ADDRESSES: "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}),
        );
        let policy = policy.unwrap().unwrap();
        let slot = policy.addresses_of(u32::MAX).unwrap();
        assert_eq!(slot[0].to_string(), "::ffff:ffff");
    }
}
