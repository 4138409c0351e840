//! Part of a subnet with its gateway, as CNI configurations write it.

use crate::cidr::{AddressRange, Cidr, Family, ParseError, number};
use crate::pool::spec::PoolSpec;
use alloc::string::String;
use core::net::IpAddr;

/// The addresses from `first` to `last` of a subnet, both included.
///
/// ```
/// use ipam::net::Subrange;
///
/// // As a CNI configuration writes it: subnet, rangeStart, rangeEnd, gateway.
/// let end = "10.9.0.20".parse()?;
/// let part = Subrange::new("10.9.0.0".parse()?, 24, Some("10.9.0.10".parse()?), Some(end), None)?;
/// assert_eq!(part.range.to_string(), "10.9.0.10-10.9.0.20");
/// assert_eq!(part.pool("p").gateway, Some("10.9.0.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subrange {
    /// The subnet.
    pub subnet: Cidr,
    /// Its addresses that may be given out.
    pub range: AddressRange,
    /// The gateway; when it lies in the range, it is not given out.
    pub gateway: IpAddr,
}

/// Why there is no such part, or set of parts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubrangeError {
    /// The subnet is none.
    #[error(transparent)]
    Subnet(#[from] ParseError),
    /// Nothing is left of the subnet without its first and last address.
    #[error("{0} is too small to give addresses from")]
    TooSmall(Cidr),
    /// An end of the range lies elsewhere, or the range runs backwards.
    #[error("{which} {given} does not lie in {subnet}, or the range runs backwards")]
    Outside {
        /// `range start` or `range end`.
        which: &'static str,
        /// The address given.
        given: IpAddr,
        /// The subnet.
        subnet: Cidr,
    },
    /// A set without parts.
    #[error("a set needs at least one range")]
    Empty,
    /// A set of both families.
    #[error("the set mixes address families: {0} and {1}")]
    Mixed(Cidr, Cidr),
    /// Two parts of a set share addresses.
    #[error("{0} and {1} overlap")]
    Overlap(AddressRange, AddressRange),
}

impl Subrange {
    /// A part of the subnet `address`/`length`. Unless given, it begins after the network's address, ends
    /// before the broadcast address (in IPv6 with the last one), and the gateway is the first address after
    /// the network's.
    ///
    /// # Errors
    /// [`SubrangeError`].
    pub fn new(
        address: IpAddr,
        length: u8,
        first: Option<IpAddr>,
        last: Option<IpAddr>,
        gateway: Option<IpAddr>,
    ) -> Result<Self, SubrangeError> {
        let subnet = Cidr::new(address, length)?;
        let inner = subnet.interior().ok_or(SubrangeError::TooSmall(subnet))?;
        let outside = |which, given| SubrangeError::Outside {
            which,
            given,
            subnet,
        };
        let start = first.unwrap_or(inner.first());
        let end = last.unwrap_or(match subnet.family() {
            Family::V4 => inner.last(),
            Family::V6 => subnet.last(),
        });
        let backwards = last.is_some_and(|l| number(l) < number(start));
        if !subnet.contains(start) || (first.is_some() && backwards) {
            return Err(outside("range start", start));
        }
        if !subnet.contains(end) || backwards {
            return Err(outside("range end", end));
        }
        let range = AddressRange::new(start, end)?;
        Ok(Self {
            subnet,
            range,
            gateway: gateway.unwrap_or(inner.first()),
        })
    }

    /// Whether an address lies in the part.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.range.contains(address)
    }

    /// Whether two parts share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.range.overlaps(other.range)
    }

    /// Whether parts can serve one attachment in turn: some, of one family, none overlapping.
    ///
    /// ```
    /// use ipam::net::Subrange;
    ///
    /// let part = |network: &str| Ok::<_, Box<dyn std::error::Error>>(Subrange::new(network.parse()?, 24, None, None, None)?);
    /// Subrange::check_set(&[part("10.9.0.0")?, part("10.9.1.0")?])?;
    /// assert!(Subrange::check_set(&[part("10.9.0.0")?, part("10.9.0.0")?]).is_err()); // they overlap
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SubrangeError`].
    pub fn check_set(set: &[Self]) -> Result<(), SubrangeError> {
        let first = set.first().ok_or(SubrangeError::Empty)?;
        for (i, one) in set.iter().enumerate() {
            if one.subnet.family() != first.subnet.family() {
                return Err(SubrangeError::Mixed(first.subnet, one.subnet));
            }
            if let Some(other) = set.iter().take(i).find(|o| o.overlaps(one)) {
                return Err(SubrangeError::Overlap(other.range, one.range));
            }
        }
        Ok(())
    }

    /// A pool that gives out just this part's addresses.
    #[must_use]
    pub fn pool(&self, name: impl Into<String>) -> PoolSpec {
        let mut spec = PoolSpec::new(name, self.subnet).gateway(self.gateway);
        spec.use_edges = true;
        spec.excluded
            .extend(self.subnet.range().outside(self.range));
        spec
    }
}
