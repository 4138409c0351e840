//! Inputs and expected outputs of peers, met through the public API: one test per known file.

mod calico;
mod calico_order;
mod go_ipam;
mod host_local;
mod host_local_config;
mod whereabouts;

use ipam::{Cidr, Timestamp};
use std::net::IpAddr;
use test_support::{Need, Value};

/// The time at which nothing has happened yet.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_000_000);

/// The fields of a case of Calico's traces. The order of some results is Calico's own; they are compared as sets.
const CALICO: [&str; 6] = [
    "block_size_v4",
    "block_size_v6",
    "pools",
    "reservations",
    "ops",
    "order_nondeterministic",
];

/// Cases of a key of a file, each with an id for messages. `fields` are those that are read.
///
/// # Panics
/// When there is no such list, or a case has a field that nobody reads.
pub(crate) fn cases<'a>(json: &'a Value, key: &str, fields: &[&str]) -> Vec<(String, &'a Value)> {
    let list = json[key].as_array();
    let list = list.unwrap_or_else(|| panic!("no list {key:?} of cases"));
    list.iter()
        .enumerate()
        .map(|(i, case)| {
            let id = format!("{key}[{i}]");
            if let Err(error) = test_support::only(case, fields) {
                panic!("{id}: {error}");
            }
            (id, case)
        })
        .collect()
}

/// A text, empty when there is none.
///
/// # Panics
/// When it is anything else: read as empty it would hide what it says.
pub(crate) fn text(value: &Value) -> &str {
    match value {
        Value::Null => "",
        other => other
            .as_str()
            .unwrap_or_else(|| panic!("{other}, want a text")),
    }
}

/// The items of a list, none when there is none.
///
/// # Panics
/// When it is anything else.
pub(crate) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        other => other
            .as_array()
            .unwrap_or_else(|| panic!("{other}, want a list")),
    }
}

/// A whole number, or what counts where there is none.
///
/// # Panics
/// When it is anything else.
pub(crate) fn whole(value: &Value, default: u64) -> u64 {
    match value {
        Value::Null => default,
        other => other
            .as_u64()
            .unwrap_or_else(|| panic!("{other}, want a whole number")),
    }
}

/// An address in a field that may be null.
pub(crate) fn address(value: &Value) -> Option<IpAddr> {
    value.as_str().and_then(|t| t.parse().ok())
}

/// An address that must be there.
pub(crate) fn parsed(value: &Value) -> Result<IpAddr, String> {
    text(value).parse().map_err(|e| format!("{value}: {e}"))
}

/// Address and length of `A/L`, host bits or not.
pub(crate) fn prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    Some((address.parse().ok()?, length.parse().ok()?))
}

/// The network of `A/L`.
pub(crate) fn network(text: &str) -> Result<Cidr, String> {
    let (address, length) = prefix(text).ok_or_else(|| format!("`{text}` is no prefix"))?;
    Cidr::containing(address, length).map_err(|e| e.to_string())
}

/// `Ok` when both are the same, else what was wanted and what came.
// By value: callers compare what they have just made.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    ours: T,
    theirs: T,
) -> Result<(), String> {
    if ours == theirs {
        Ok(())
    } else {
        Err(format!("{what}: want {theirs:?}, got {ours:?}"))
    }
}

test_support::tests! {
    calico::calico_ipam_traces [Need::Vectors("calico_ipam_traces.json")],
    calico_order::calico_block_order [Need::Vectors("calico_block_order.json")],
    go_ipam::go_ipam_traces [Need::Vectors("go_ipam_traces.json")],
    host_local::host_local_allocator [Need::Vectors("host_local_allocator.json")],
    whereabouts::whereabouts_allocate [Need::Vectors("whereabouts_allocate.json")],
    whereabouts::whereabouts_iphelpers [Need::Vectors("whereabouts_iphelpers.json")],
}
