//! Prefixes and ranges of addresses, of both families.

mod family;
mod range;

pub use family::{Family, number};
pub use range::AddressRange;

use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// A prefix such as `10.9.0.0/22`, without host bits.
///
/// ```
/// use ipam::Cidr;
///
/// let cidr: Cidr = "10.9.0.0/22".parse()?;
/// assert_eq!((cidr.prefix(), cidr.to_string()), (22, "10.9.0.0/22".to_owned()));
/// assert!(cidr.contains("10.9.3.255".parse()?));
/// assert!("10.9.0.1/22".parse::<Cidr>().is_err()); // it has host bits
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    family: Family,
    base: u128,
    prefix: u8,
}

/// Why a text or a pair is no prefix or range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not of the form wanted.
    #[error("`{given}` is not {wanted}")]
    Form {
        /// What was given.
        given: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// The prefix is longer than the family's addresses.
    #[error("prefix length {given} is above {limit}")]
    Length {
        /// The length given.
        given: u8,
        /// 32 or 128.
        limit: u8,
    },
    /// There are bits set after the prefix.
    #[error("{given}/{length} has host bits set; the network is {network}")]
    HostBits {
        /// The address given.
        given: IpAddr,
        /// The prefix length given.
        length: u8,
        /// The prefix without host bits.
        network: Cidr,
    },
    /// A range that ends before it begins, or mixes families.
    #[error("a range must run upwards within one family, not from {first} to {last}")]
    Backwards {
        /// The first address given.
        first: IpAddr,
        /// The last address given.
        last: IpAddr,
    },
}

impl Cidr {
    /// The prefix of `length` bits at `address`.
    ///
    /// ```
    /// use ipam::Cidr;
    ///
    /// assert_eq!(Cidr::new("10.9.0.0".parse()?, 24)?.to_string(), "10.9.0.0/24");
    /// let error = Cidr::new("10.9.0.5".parse()?, 24).unwrap_err();
    /// assert_eq!(error.to_string(), "10.9.0.5/24 has host bits set; the network is 10.9.0.0/24");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the length is above the family's bits or the address has bits set after it.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, ParseError> {
        let network = Self::containing(address, length)?;
        if number(address) != network.base {
            return Err(ParseError::HostBits {
                given: address,
                length,
                network,
            });
        }
        Ok(network)
    }

    /// The prefix of `length` bits that contains `address`.
    ///
    /// ```
    /// use ipam::Cidr;
    ///
    /// assert_eq!(Cidr::containing("10.9.0.5".parse()?, 24)?.to_string(), "10.9.0.0/24");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the length is above the family's bits.
    pub fn containing(address: IpAddr, length: u8) -> Result<Self, ParseError> {
        let family = Family::of(address);
        if length > family.bits() {
            return Err(ParseError::Length {
                given: length,
                limit: family.bits(),
            });
        }
        let base = number(address) & !host_mask(family.bits() - length);
        Ok(Self {
            family,
            base,
            prefix: length,
        })
    }

    /// The family of its addresses.
    #[must_use]
    pub fn family(self) -> Family {
        self.family
    }

    /// The prefix length in bits.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// The first address, the network's.
    #[must_use]
    pub fn first(self) -> IpAddr {
        self.family.address(self.base)
    }

    /// The last address, IPv4's broadcast.
    #[must_use]
    pub fn last(self) -> IpAddr {
        self.family.address(self.last_number())
    }

    pub(crate) fn base(self) -> u128 {
        self.base
    }

    pub(crate) fn last_number(self) -> u128 {
        self.base | host_mask(self.host_bits())
    }

    /// Bits after the prefix.
    #[must_use]
    pub fn host_bits(self) -> u8 {
        self.family.bits() - self.prefix
    }

    /// Whether an address lies in it.
    ///
    /// ```
    /// use ipam::Cidr;
    ///
    /// let cidr: Cidr = "10.9.0.0/24".parse()?;
    /// assert!(cidr.contains("10.9.0.255".parse()?) && !cidr.contains("fd00::1".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        Family::of(address) == self.family
            && number(address) & !host_mask(self.host_bits()) == self.base
    }

    /// Whether two prefixes share an address.
    ///
    /// ```
    /// use ipam::Cidr;
    ///
    /// let (site, rack): (Cidr, Cidr) = ("10.9.0.0/16".parse()?, "10.9.3.0/24".parse()?);
    /// assert!(site.overlaps(rack) && rack.overlaps(site));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.first()) || other.contains(self.first())
    }

    /// All its addresses.
    #[must_use]
    pub fn range(self) -> AddressRange {
        let (first, last) = (self.base, self.last_number());
        AddressRange {
            family: self.family,
            first,
            last,
        }
    }

    /// The addresses a host may be given by the rules of the family: without network and broadcast in IPv4
    /// (both are usable in a /31, RFC 3021, and a /32), without the subnet-router anycast address in IPv6
    /// (usable in a /127, RFC 6164, and a /128).
    ///
    /// ```
    /// use ipam::Cidr;
    ///
    /// assert_eq!("10.9.0.0/24".parse::<Cidr>()?.usable().to_string(), "10.9.0.1-10.9.0.254");
    /// assert_eq!("10.9.0.0/31".parse::<Cidr>()?.usable().to_string(), "10.9.0.0-10.9.0.1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn usable(self) -> AddressRange {
        let AddressRange {
            family,
            first,
            last,
        } = self.range();
        match (family, self.host_bits()) {
            (_, 0 | 1) => AddressRange {
                family,
                first,
                last,
            },
            (Family::V4, _) => AddressRange {
                family,
                first: first + 1,
                last: last - 1,
            },
            (Family::V6, _) => AddressRange {
                family,
                first: first + 1,
                last,
            },
        }
    }

    /// The addresses between the first and the last, both left out; none in a prefix of one or two
    /// addresses.
    ///
    /// ```
    /// use ipam::Cidr;
    ///
    /// let interior = |cidr: &str| Ok::<_, ipam::net::ParseError>(cidr.parse::<Cidr>()?.interior());
    /// assert_eq!(interior("10.9.0.0/30")?.map(|r| r.to_string()), Some("10.9.0.1-10.9.0.2".into()));
    /// assert_eq!(interior("10.9.0.0/31")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn interior(self) -> Option<AddressRange> {
        let AddressRange {
            family,
            first,
            last,
        } = self.range();
        (self.host_bits() > 1).then(|| AddressRange {
            family,
            first: first + 1,
            last: last - 1,
        })
    }

    /// Its parts of a prefix length, upwards; none when the length is shorter than its own or above the
    /// family's bits.
    ///
    /// ```
    /// use ipam::Cidr;
    ///
    /// let racks: Vec<String> = "10.9.0.0/22".parse::<Cidr>()?.subnets(24).map(|c| c.to_string()).collect();
    /// assert_eq!(racks, ["10.9.0.0/24", "10.9.1.0/24", "10.9.2.0/24", "10.9.3.0/24"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subnets(self, length: u8) -> impl Iterator<Item = Self> {
        let bits = self.family.bits();
        let fits = (self.prefix..=bits).contains(&length);
        let mut next = fits.then_some(self.base);
        core::iter::from_fn(move || {
            let base = next?;
            let step = 1u128.checked_shl(u32::from(bits - length)).unwrap_or(0);
            next = base
                .checked_add(step)
                .filter(|&n| step > 0 && n <= self.last_number());
            Some(Self {
                family: self.family,
                base,
                prefix: length,
            })
        })
    }
}

/// A mask of the low `bits` bits.
pub(crate) fn host_mask(bits: u8) -> u128 {
    match bits {
        128.. => u128::MAX,
        bits => (1u128 << bits) - 1,
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first(), self.prefix)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Cidr {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wanted = "a prefix such as 10.9.0.0/22 or fd00::/64";
        let bad = || ParseError::Form {
            given: shortened(text),
            wanted,
        };
        let (address, length) = text.split_once('/').ok_or_else(bad)?;
        Self::new(
            address.parse().map_err(|_| bad())?,
            length.parse().map_err(|_| bad())?,
        )
    }
}

/// What is quoted of a text in an error: enough to recognise it.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(feature = "serde")]
mod as_text {
    use super::{AddressRange, Cidr};
    use alloc::borrow::Cow;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    macro_rules! as_text {
        ($type:ty) => {
            impl Serialize for $type {
                fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                    to.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $type {
                fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    Cow::<'_, str>::deserialize(from)?
                        .parse()
                        .map_err(D::Error::custom)
                }
            }
        };
    }
    as_text!(Cidr);
    as_text!(AddressRange);
}

#[cfg(feature = "ipnetwork")]
mod from_ipnetwork {
    use super::Cidr;
    use ipnetwork::IpNetwork;

    impl From<IpNetwork> for Cidr {
        /// The network, host bits dropped.
        fn from(network: IpNetwork) -> Self {
            let family = super::Family::of(network.ip());
            let prefix = network.prefix().min(family.bits());
            let base = super::number(network.ip()) & !super::host_mask(family.bits() - prefix);
            Self {
                family,
                base,
                prefix,
            }
        }
    }

    impl TryFrom<Cidr> for IpNetwork {
        type Error = ipnetwork::IpNetworkError;

        fn try_from(cidr: Cidr) -> Result<Self, Self::Error> {
            Self::new(cidr.first(), cidr.prefix())
        }
    }
}
