//! Requests: what can be refused without looking at the state, and what they ask of a pool.

use super::errors::{ClaimError, PoolReason};
use crate::cidr::Family;
use crate::claim::{Families, Lease, Place, Request, Retention};
use crate::identity::{Identity, interface_fits};
use crate::pool::Pool;
use alloc::string::ToString;
use core::net::IpAddr;

#[inline(always)]
pub(super) fn lease_of(pool: &Pool, place: &Place) -> Lease {
    Lease {
        address: place.address,
        prefix_length: pool.spec().cidr.prefix(),
        pool: pool.shared_name(),
        gateway: pool.spec().gateway,
        vlan: pool.spec().vlan,
        bridge: pool.bridge(),
        origin: place.origin,
    }
}

/// The address of a family that a request asks for.
pub(crate) fn wanted(request: &Request<'_>, family: Family) -> Option<IpAddr> {
    request
        .addresses
        .iter()
        .copied()
        .find(|&a| Family::of(a) == family)
}

/// A label that a request asks for and a pool does not bear.
pub(super) fn missing_label(pool: &Pool, request: &Request<'_>) -> Option<PoolReason> {
    request.labels.iter().find_map(|&(key, want)| {
        let have = pool.spec().labels.get(key);
        (have.map(|h| &**h) != Some(want)).then(|| PoolReason::Label {
            key: key.to_string(),
            want: want.to_string(),
            have: have.cloned(),
        })
    })
}

/// Whether a request's workload and interface have names that can be stored.
pub(super) fn check_names(request: &Request<'_>) -> Result<(), ClaimError> {
    let checked = match request.workload {
        Some(workload) => Identity::from((workload, request.interface)).check(),
        None => interface_fits(request.interface).map_err(|e| ("interface", e)),
    };
    checked.map_err(|(field, error)| ClaimError::Name { field, error })
}

/// What can be refused without looking at the state, but for names.
pub(super) fn check_request(request: &Request<'_>) -> Result<(), ClaimError> {
    if request.workload.is_none() && request.retention != Retention::Ephemeral {
        return Err(ClaimError::NeedsWorkload);
    }
    for (i, &address) in request.addresses.iter().enumerate() {
        let family = Family::of(address);
        let again = request
            .addresses
            .iter()
            .take(i)
            .any(|&a| Family::of(a) == family);
        if again || !request.families.want(family) {
            let wanted = match request.families {
                Families::V4 => "IPv4",
                Families::V6 => "IPv6",
                Families::Dual => "each family",
            };
            return Err(ClaimError::Addresses { address, wanted });
        }
    }
    Ok(())
}
