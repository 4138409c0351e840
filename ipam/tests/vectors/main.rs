//! Inputs and expected outputs of peers, met through the public API: one test per known file.

mod calico;
mod calico_order;
mod go_ipam;
mod host_local;
mod whereabouts;

use doors::Value;
use ipam::{Cidr, Timestamp};
use std::net::IpAddr;

/// The time at which nothing has happened yet.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_000_000);

/// Cases of a key of a file, each with an id for messages.
pub(crate) fn cases<'a>(json: &'a Value, key: &str) -> Vec<(String, &'a Value)> {
    let list = json[key].as_array().into_iter().flatten();
    list.enumerate()
        .map(|(i, case)| (format!("{key}[{i}]"), case))
        .collect()
}

/// A text, empty when there is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An address in a field that may be null.
pub(crate) fn address(value: &Value) -> Option<IpAddr> {
    value.as_str().and_then(|t| t.parse().ok())
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
