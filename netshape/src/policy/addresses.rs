//! Addresses as a policy file writes them.

use super::refusal::{Refusal, RefusalKind};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Reads a container's addresses; one with the length of a whole address (`/32`, `/128`) is that address.
pub(super) fn addresses(given: &[String]) -> Result<Vec<IpAddr>, Refusal> {
    let parsed = given.iter().enumerate().map(|(i, given)| {
        let bare = |whole: &str| given.strip_suffix(whole).and_then(|a| a.parse().ok());
        let address = given.parse().ok();
        let address = address.or_else(|| bare("/32").filter(IpAddr::is_ipv4));
        let address = address.or_else(|| bare("/128").filter(IpAddr::is_ipv6));
        address.ok_or_else(|| {
            let kind = RefusalKind::BadAddress {
                given: given.chars().take(60).collect(),
                rule: "no IPv4 or IPv6 address, such as 10.1.2.3 or fd00::3",
            };
            Refusal::new(format!("addresses[{i}]"), kind)
        })
    });
    parsed.collect()
}
