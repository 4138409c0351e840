//! Observed state as one JSON document: what `berth shape show` writes and `berth shape plan --observed` reads.

mod read;
mod write;

use crate::text::printable;
use alloc::string::String;
use alloc::vec::Vec;

/// The document; fields that a plan has no use for are passed over.
///
/// ```
/// use netshape::DevName;
/// use netshape::observe::ObservedDocument;
///
/// let document: ObservedDocument = serde_json::from_str(
///     r#"{"devices": [{"dev": "eth0", "ifindex": 2, "qdiscs": [{"kind": "htb", "handle": "1:", "parent": "root"}]}]}"#,
/// )?;
/// let state = document.state()?;
/// assert!(state.device(&DevName::host("eth0")).unwrap().root().is_some());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
#[non_exhaustive]
pub struct ObservedDocument {
    /// The devices.
    #[serde(default)]
    pub devices: Vec<ObservedDevice>,
}

/// One device.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
#[non_exhaustive]
pub struct ObservedDevice {
    /// Name of its network namespace; it is in the host's own where this and `pid` are `null`.
    pub netns: Option<String>,
    /// A process in whose network namespace it is, where that has no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Name.
    pub dev: String,
    /// Number.
    pub ifindex: Option<i32>,
    /// Largest GSO packet.
    pub gso_max_size: Option<u32>,
    /// Its qdiscs.
    #[serde(default)]
    qdiscs: Vec<ObservedQdisc>,
    /// Its classes.
    #[serde(default)]
    classes: Vec<ObservedClass>,
    /// Its filters.
    #[serde(default)]
    filters: Vec<ObservedFilter>,
}

#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
struct ObservedQdisc {
    kind: String,
    handle: String,
    parent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r2q: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direct_qlen: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_packets: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_limit_bytes: Option<u32>,
    #[serde(flatten)]
    counted: Option<Counted>,
}

#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
struct ObservedClass {
    kind: String,
    classid: String,
    parent: String,
    #[serde(default)]
    rate_bytes_per_second: u64,
    #[serde(default)]
    ceil_bytes_per_second: u64,
    #[serde(default)]
    buffer_ticks: u32,
    #[serde(default)]
    cbuffer_ticks: u32,
    #[serde(default)]
    quantum: u32,
    #[serde(default)]
    prio: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    overhead_bytes: u16,
    #[serde(default, skip_serializing_if = "is_zero")]
    mpu_bytes: u16,
    #[serde(flatten)]
    counted: Option<Counted>,
}

/// What a qdisc or a class has counted, where that was read; a plan has no use for it.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, serde::Serialize)]
struct Counted {
    sent_bytes: u64,
    sent_packets: u64,
    drops: u32,
    overlimits: u32,
    backlog_bytes: u32,
}

#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
struct ObservedFilter {
    kind: String,
    parent: String,
    handle: String,
    #[serde(default)]
    prio: u16,
    protocol: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    chain: u32,
    flowid: Option<String>,
    /// Buckets, where it is a hash table.
    #[serde(skip_serializing_if = "Option::is_none")]
    divisor: Option<u32>,
    /// The hash table that is looked in next, by which bits of the packet, and how many bytes are passed over first.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hashkey: Option<ObservedHashKey>,
    #[serde(default, skip_serializing_if = "is_zero")]
    passed_over_bytes: u16,
    /// What a u32 filter looks for; all must be there. A filter without any matches every packet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    matches: Vec<ObservedMatch>,
    #[serde(default)]
    actions: Vec<ObservedAction>,
}

/// The bits of the packet that choose a bucket.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
struct ObservedHashKey {
    mask: u32,
    #[serde(default)]
    offset_bytes: i16,
}

/// One key of a u32 filter: the 32-bit word at an offset, masked, has this value.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
struct ObservedMatch {
    value: u32,
    mask: u32,
    #[serde(default)]
    offset_bytes: i32,
    /// Whether the offset counts from the next header.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    next_header: bool,
}

#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
struct ObservedAction {
    kind: String,
    action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_ifindex: Option<u32>,
}

/// A field of the document that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: `{}` is {wanted}", printable(given))]
#[non_exhaustive]
pub struct DocumentError {
    /// Such as `devices[0].classes[2].classid`.
    pub field: String,
    /// What stands there.
    pub given: String,
    /// What would be right.
    pub wanted: &'static str,
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}
