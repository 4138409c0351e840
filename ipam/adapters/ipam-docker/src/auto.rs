//! Prefixes for networks that name none.

use ipam::Ipam;
use ipam::net::{Cidr, Family, number};
use std::collections::BTreeSet;
use std::str::FromStr;

/// Most parts that a range is cut into, as a power of two.
const MOST_BITS: u8 = 16;

/// A prefix that is cut into equal parts, one for each network that names none: `10.200.0.0/16:24`, as Docker's
/// `default-address-pools` has `base` and `size`.
///
/// ```
/// use ipam_docker::AutoRange;
///
/// let range: AutoRange = "fd00:200::/48:64".parse().unwrap();
/// assert_eq!(range.to_string(), "fd00:200::/48:64");
/// // No more than 65,536 parts.
/// assert!("10.0.0.0/8:30".parse::<AutoRange>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoRange {
    base: Cidr,
    size: u8,
}

impl FromStr for AutoRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("{text:?} is not PREFIX:LENGTH, such as 10.200.0.0/16:24");
        let (base, size) = text.rsplit_once(':').ok_or_else(shape)?;
        let base: Cidr = base.parse().map_err(|e| format!("{base:?}: {e}"))?;
        let size: u8 = size.parse().map_err(|_| shape())?;
        let most = base
            .prefix()
            .saturating_add(MOST_BITS)
            .min(base.family().bits());
        if !(base.prefix()..=most).contains(&size) {
            let least = base.prefix();
            return Err(format!(
                "parts of {base} are /{least} to /{most}, not /{size}"
            ));
        }
        Ok(Self { base, size })
    }
}

impl std::fmt::Display for AutoRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.base, self.size)
    }
}

impl AutoRange {
    pub(crate) fn family(self) -> Family {
        self.base.family()
    }

    /// The first part that overlaps no pool of these.
    pub(crate) fn first_free<'p>(self, pools: impl Iterator<Item = &'p Cidr>) -> Option<Cidr> {
        let shift = u32::from(self.base.family().bits() - self.size);
        let index = |address| {
            let offset = number(address).saturating_sub(number(self.base.first()));
            // A /0 of IPv6 is one part.
            offset.checked_shr(shift).unwrap_or_default()
        };
        let last = index(self.base.last());
        let mut taken = BTreeSet::new();
        for pool in pools.filter(|pool| pool.overlaps(self.base)) {
            let own = pool.range().intersection(self.base.range())?;
            taken.extend(index(own.first())..=index(own.last()));
        }
        let free = (0..=last).find(|part| !taken.contains(part))?;
        let first = number(self.base.first()) + free.checked_shl(shift).unwrap_or_default();
        Cidr::new(self.base.family().address(first), self.size).ok()
    }
}

/// The prefixes of a state's pools that a condition holds for.
pub(crate) fn prefixes(ipam: &Ipam, which: impl Fn(&ipam::PoolSpec) -> bool) -> Vec<Cidr> {
    let pools = ipam.pools().map(ipam::pool::PoolRef::spec);
    pools
        .filter(|spec| which(spec))
        .map(|spec| spec.cidr)
        .collect()
}
