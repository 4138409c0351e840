//! Addresses and ranges as configurations write them, with host-local's rules and texts.

use crate::environment::shortened;
use crate::error::{Code, Refusal};
use crate::field::field;
use ipam::net::{AddressRange, Cidr, Subrange, SubrangeError};
use serde_json::Value;
use std::net::IpAddr;

/// Ranges one of which gives an address; those of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeSet(Vec<Subrange>);

/// Most range sets of a configuration, and most ranges of all of them: each ADD compares them with the pools.
const MOST_RANGES: usize = 256;

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidConfig, message)
}

/// An address, with or without a prefix length; one that stands for an IPv4 address is that.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let address = match text.split_once('/') {
        Some((address, length)) => {
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let length: u8 = digits(length)?.parse().ok()?;
            (length <= most).then_some(address)?
        }
        None => text.parse().ok()?,
    };
    Some(address.to_canonical())
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

/// An address and the length of its network's prefix.
pub(crate) fn prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length: u8 = digits(length)?.parse().ok()?;
    (length <= most).then_some((address, length))
}

/// A text field that may be missing or empty.
pub(crate) fn text<'v>(object: &'v Value, name: &str) -> Result<Option<&'v str>, Refusal> {
    match field(object, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|t| !t.is_empty()).map(String::as_str)),
        Some(other) => Err(wrong_type(name, "a string", other)),
    }
}

pub(crate) fn wrong_type(name: &str, right: &str, given: &Value) -> Refusal {
    let given = shortened(&given.to_string());
    Refusal::new(
        Code::Decode,
        format!("cannot unmarshal {name:?}: want {right}, got {given}"),
    )
}

/// The items of a field that may be missing.
pub(crate) fn list<'v>(object: &'v Value, name: &str) -> Result<&'v [Value], Refusal> {
    match field(object, name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(wrong_type(name, "a list", other)),
    }
}

fn optional_address(object: &Value, name: &str) -> Result<Option<IpAddr>, Refusal> {
    let Some(text) = text(object, name)? else {
        return Ok(None);
    };
    let parsed = text.parse::<IpAddr>().ok().map(|a| a.to_canonical());
    let wrong = || invalid(format!("invalid IP address: {}", shortened(text))).details(name);
    parsed.map(Some).ok_or_else(wrong)
}

/// A range as it is written: each address can be read, and nothing is compared yet.
#[derive(Clone, Copy, Debug)]
struct Written {
    base: IpAddr,
    length: u8,
    first: Option<IpAddr>,
    last: Option<IpAddr>,
    gateway: Option<IpAddr>,
}

impl Written {
    fn read(object: &Value) -> Result<Self, Refusal> {
        if !object.is_object() && !object.is_null() {
            return Err(wrong_type("ranges", "objects with a subnet", object));
        }
        let subnet = match field(object, "subnet") {
            Some(Value::String(subnet)) => subnet,
            Some(Value::Null) | None => {
                return Err(invalid("invalid CIDR address: ").details(WANTS_SUBNET));
            }
            Some(other) => return Err(wrong_type("subnet", "a string", other)),
        };
        let Some((base, length)) = prefix(subnet) else {
            return Err(
                invalid(format!("invalid CIDR address: {}", shortened(subnet)))
                    .details(WANTS_SUBNET),
            );
        };
        Ok(Self {
            base,
            length,
            first: optional_address(object, "rangeStart")?,
            last: optional_address(object, "rangeEnd")?,
            gateway: optional_address(object, "gateway")?,
        })
    }

    /// The range, checked.
    fn range(&self) -> Result<Subrange, Refusal> {
        let (base, length) = (self.base, self.length);
        let network = Cidr::containing(base, length).map_err(|e| invalid(e.to_string()))?;
        if network.interior().is_none() {
            return Err(invalid(format!("Network {base}/{length} too small to allocate from"))
                .details("a subnet needs two addresses besides its own and the broadcast address: IPv4 up to /30, IPv6 up to /126"));
        }
        if matches!(base, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
            return Err(invalid("IPNet IP and Mask version mismatch")
                .details("write an IPv4 subnet as such, with a length up to 30"));
        }
        if network.first() != base {
            let first = network.first();
            return Err(invalid(format!(
                "Network has host bits set. For a subnet mask of length {length} the network address is {first}"
            )));
        }
        let range = Subrange::new(base, length, self.first, self.last, self.gateway);
        range.map_err(|error| match error {
            SubrangeError::Outside {
                which,
                given,
                subnet,
            } => {
                let which = if which == "range start" {
                    "RangeStart"
                } else {
                    "RangeEnd"
                };
                invalid(format!("{which} {given} not in network {subnet}"))
                    .details("both ends lie in the subnet, and the start is not above the end")
            }
            other => invalid(other.to_string()),
        })
    }
}

const WANTS_SUBNET: &str = "a range needs a subnet such as \"10.9.0.0/24\"";

impl RangeSet {
    fn checked(written: &[Written]) -> Result<Self, Refusal> {
        let mut ranges: Vec<Subrange> = Vec::with_capacity(written.len());
        for range in written.iter().map(Written::range) {
            let range = range?;
            let family = ranges.first().map(|first| first.subnet.family());
            if family.is_some_and(|family| family != range.subnet.family()) {
                return Err(invalid("mixed address families"));
            }
            ranges.push(range);
        }
        Subrange::check_set(&ranges).map_err(|error| match error {
            SubrangeError::Empty => invalid("empty range set"),
            // In the configuration's order.
            SubrangeError::Overlap(one, other) => {
                invalid(format!("subnets {one} and {other} overlap"))
            }
            other => invalid(other.to_string()),
        })?;
        Ok(Self(ranges))
    }

    /// The ranges, of which there is at least one.
    pub(crate) fn ranges(&self) -> &[Subrange] {
        &self.0
    }

    pub(crate) fn is_v4(&self) -> bool {
        self.0.first().is_some_and(|r| r.subnet.first().is_ipv4())
    }

    /// The range that an address lies in.
    pub(crate) fn range_of(&self, address: IpAddr) -> Option<&Subrange> {
        self.0.iter().find(|r| r.contains(address))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().any(|a| other.0.iter().any(|b| a.overlaps(b)))
    }

    /// `FIRST-LAST,...`, as host-local shows a set.
    pub(crate) fn shown(&self) -> String {
        let texts: Vec<String> = self.0.iter().map(|r| bounds(r.range)).collect();
        texts.join(",")
    }
}

fn bounds(range: AddressRange) -> String {
    format!("{}-{}", range.first(), range.last())
}

/// All range sets as they are written: those of the runtime, the one that the section itself is, those it lists.
#[derive(Clone, Debug)]
pub(crate) struct WrittenSets(Vec<Vec<Written>>);

impl WrittenSets {
    pub(crate) fn read(ipam: &Value, runtime: &Value) -> Result<Self, Refusal> {
        let own = field(ipam, "subnet").is_some();
        let (before, after) = (list(runtime, "ipRanges")?, list(ipam, "ranges")?);
        let count = before
            .len()
            .saturating_add(after.len())
            .saturating_add(usize::from(own));
        let ranges = |set: &Value| set.as_array().map_or(0, Vec::len);
        let total: usize = before.iter().chain(after).map(ranges).sum();
        if count.max(total) > MOST_RANGES {
            return Err(invalid(format!("{} ranges are too many", count.max(total)))
                .details(format!("a configuration may have {MOST_RANGES}")));
        }
        let mut sets = Vec::with_capacity(count);
        for set in before {
            sets.push(written_set(set)?);
        }
        if own {
            sets.push(vec![Written::read(ipam)?]);
        }
        for set in after {
            sets.push(written_set(set)?);
        }
        Ok(Self(sets))
    }

    /// The range sets, checked; `lists` says whether the version has several addresses of a family.
    pub(crate) fn checked(&self, version: &str, lists: bool) -> Result<Vec<RangeSet>, Refusal> {
        let mut sets = Vec::with_capacity(self.0.len());
        for (i, written) in self.0.iter().enumerate() {
            sets.push(RangeSet::checked(written).map_err(|e| Refusal {
                message: format!("invalid range set {i}: {}", e.message),
                ..e
            })?);
        }
        let of_v4 = sets.iter().filter(|s| s.is_v4()).count();
        if !lists && of_v4.max(sets.len() - of_v4) > 1 {
            return Err(invalid(format!(
                "CNI version {version} does not support more than 1 address per family"
            ))
            .details("use cniVersion 0.3.0 or later, or one range set per family"));
        }
        for (i, one) in sets.iter().enumerate() {
            let mut later = sets.iter().skip(i + 1);
            if let Some(j) = later.position(|other| one.overlaps(other)) {
                let message = format!("range set {i} overlaps with {}", i + j + 1);
                return Err(invalid(message));
            }
        }
        Ok(sets)
    }
}

/// One range set; null is an empty one.
fn written_set(set: &Value) -> Result<Vec<Written>, Refusal> {
    match set {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(Written::read).collect(),
        other => Err(wrong_type("ranges", "lists of ranges", other)),
    }
}
