//! Tables and plans as text for BIRD, FRR, `ip -batch` and `bridge -batch`.
//!
//! Nothing but numbers, addresses, [`DeviceName`](super::DeviceName)s and escaped names stands in it.

mod bird;
mod frr;
mod ip;

pub use bird::bird;
pub use frr::{FrrMarks, frr};
pub use ip::{IpMarks, TunnelDevice, forwarding, ip_batch, link};

use super::table::{NextHop, Route};
use crate::cidr::{Cidr, Family};
use alloc::format;
use alloc::string::String;
use core::net::IpAddr;

/// Why a route cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The daemon has no static routes whose next hop is of the other family.
    #[error(
        "{format} has no static route to {prefix} with the next hop {via}, of another family: `ip -batch` has"
    )]
    NextHopFamily {
        /// The daemon.
        format: &'static str,
        /// Where to.
        prefix: Cidr,
        /// The next hop.
        via: IpAddr,
    },
}

/// That a route's next hop is of its prefix's family.
fn one_family(route: &Route, format: &'static str) -> Result<(), RenderError> {
    let prefix = route.prefix;
    match route.hop {
        NextHop::Host(via) | NextHop::Tunnel { via, .. } if Family::of(via) != prefix.family() => {
            Err(RenderError::NextHopFamily {
                format,
                prefix,
                via,
            })
        }
        _ => Ok(()),
    }
}

/// A name in a comment: what is no plain letter, digit or mark is escaped, so that no name ends the comment, continues the line
/// or hides in it.
fn shown(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c.is_ascii_alphanumeric() || "._:/@-".contains(c) {
            true => out.push(c),
            false => out.extend(c.escape_unicode()),
        }
    }
    out
}

/// The first line, after the sign that begins a comment. The same table gives the same bytes: no time is in it.
fn heading(sign: char, host: &str) -> String {
    format!(
        "{sign} Routes of host {}, by `berth ipam routes`; what is changed here is lost.\n",
        shown(host)
    )
}

/// Six bytes as the tools write them.
fn mac(bytes: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = bytes;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}
