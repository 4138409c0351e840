//! Under which keys records stand.

use crate::cidr::Family;
use crate::identity::{DEFAULT_INTERFACE, Identity};
use crate::pool::PoolId;
use crate::store::codec::hex;
use alloc::format;
use alloc::string::String;
use core::net::IpAddr;

/// The keys' first parts, in the order in which a state is restored.
pub(crate) const KINDS: [&str; 10] = ["m/", "p/", "r/", "h/", "b/", "w/", "x/", "c/", "g/", "s/"];

pub(crate) fn pool_key(id: PoolId) -> String {
    format!("p/{:05}", id.0)
}

/// Where the store's time stands: apart from the state, which is restored without it.
pub(crate) const TIME: &str = "t/";

/// The first part of the keys of copies.
pub(crate) const COPIES: &str = "q/";

/// Where the copy of a record stands: those have one that say what nothing else says, pools and hosts with settings.
pub(crate) fn copy_key(key: &str) -> Option<String> {
    match key.strip_prefix("p/") {
        Some(id) => Some(format!("{COPIES}{id}")),
        None => key.starts_with("h/").then(|| format!("{COPIES}{key}")),
    }
}

/// The key of the record that a copy is of.
pub(crate) fn copied_key(copy: &str) -> String {
    let rest = copy.strip_prefix(COPIES).unwrap_or(copy);
    match rest.starts_with("h/") {
        true => rest.into(),
        false => format!("p/{rest}"),
    }
}

pub(crate) fn cursor_key(id: PoolId) -> String {
    format!("r/{:05}", id.0)
}

pub(crate) fn block_key(id: PoolId, first: IpAddr) -> String {
    format!("b/{:05}/{}", id.0, hex(first))
}

/// `s/POOL/LEVEL/` and the first address.
pub(crate) fn summary_key(id: PoolId, level: u8, first: IpAddr) -> String {
    format!("s/{:05}/{level:02}/{}", id.0, hex(first))
}

pub(crate) fn host_key(name: &str) -> String {
    format!("h/{name}")
}

/// `w/WORKLOAD` of the default interface; of another one `x/INTERFACE/WORKLOAD`: it holds no slash.
pub(crate) fn workload_key(identity: Identity<'_>) -> String {
    let Identity {
        workload,
        interface,
    } = identity;
    match interface {
        DEFAULT_INTERFACE => format!("w/{workload}"),
        interface => format!("x/{interface}/{workload}"),
    }
}

/// The workload and interface that a key names, whether or not these are names.
pub(super) fn name_of(key: &str) -> Option<Identity<'_>> {
    match key.split_at_checked(2)? {
        ("w/", workload) => Some(Identity::from(workload)),
        ("x/", rest) => {
            let (interface, workload) = rest.split_once('/')?;
            Some(Identity::from((workload, interface)))
        }
        _ => None,
    }
}

/// The workload and interface whose record a key is, if it is one's.
pub(crate) fn identity_of(key: &str) -> Option<Identity<'_>> {
    let identity = name_of(key)?;
    // Others' keys lead nowhere.
    let fits = identity.check().is_ok() && workload_key(identity) == key;
    fits.then_some(identity)
}

pub(crate) fn claim_key(owner: &str) -> String {
    format!("c/{owner}")
}

/// `g/4/` or `g/6/` and the first address: of pools that are gone.
pub(crate) fn departed_key(first: IpAddr) -> String {
    let family = if first.is_ipv4() { 4 } else { 6 };
    format!("g/{family}/{}", hex(first))
}

/// The first address whose record a key is, if it is one's.
pub(crate) fn departed_of(key: &str) -> Option<IpAddr> {
    let (family, number) = key.strip_prefix("g/")?.split_once('/')?;
    let number = u128::from_str_radix(number, 16).ok()?;
    let first = match family {
        "4" => Family::V4.address(number),
        "6" => Family::V6.address(number),
        _ => return None,
    };
    (departed_key(first) == key).then_some(first)
}
