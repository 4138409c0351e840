//! Ranges of addresses.

use super::{Cidr, Family, ParseError, number, shortened};
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// Addresses from the first to the last, both included.
///
/// ```
/// use ipam::net::AddressRange;
///
/// let range: AddressRange = "10.9.0.10-10.9.0.19".parse()?;
/// assert_eq!((range.count(), range.contains("10.9.0.12".parse()?)), (10, true));
/// assert_eq!("10.9.0.0/24".parse::<ipam::Cidr>()?.range().intersection(range), Some(range));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    pub(super) family: Family,
    pub(super) first: u128,
    pub(super) last: u128,
}

impl AddressRange {
    /// The range between two addresses.
    ///
    /// ```
    /// use ipam::net::AddressRange;
    ///
    /// let range = AddressRange::new("10.9.0.10".parse()?, "10.9.0.19".parse()?)?;
    /// assert_eq!(range.count(), 10);
    /// assert!(AddressRange::new("10.9.0.19".parse()?, "10.9.0.10".parse()?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When they are of two families or the last is below the first.
    pub fn new(first: IpAddr, last: IpAddr) -> Result<Self, ParseError> {
        let family = Family::of(first);
        if family != Family::of(last) || number(first) > number(last) {
            return Err(ParseError::Backwards { first, last });
        }
        Ok(Self {
            family,
            first: number(first),
            last: number(last),
        })
    }

    /// Its family.
    #[must_use]
    pub fn family(self) -> Family {
        self.family
    }

    /// The first address.
    #[must_use]
    pub fn first(self) -> IpAddr {
        self.family.address(self.first)
    }

    /// The last address.
    #[must_use]
    pub fn last(self) -> IpAddr {
        self.family.address(self.last)
    }

    pub(crate) fn numbers(self) -> (u128, u128) {
        (self.first, self.last)
    }

    /// How many addresses; saturates for the whole of IPv6.
    #[must_use]
    pub fn count(self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        Family::of(address) == self.family && (self.first..=self.last).contains(&number(address))
    }

    /// Whether two ranges share an address.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.family == other.family && self.first <= other.last && other.first <= self.last
    }

    /// From `first` to `last`, where those lie inside and in this order; what does not is passed over.
    #[must_use]
    pub fn narrowed(mut self, first: Option<IpAddr>, last: Option<IpAddr>) -> Self {
        if let Some(first) = first.filter(|&a| self.contains(a)) {
            self.first = number(first);
        }
        if let Some(last) = last.filter(|&a| self.contains(a)) {
            self.last = number(last);
        }
        self
    }

    /// What lies before and after `inner`.
    ///
    /// ```
    /// use ipam::{Cidr, net::AddressRange};
    ///
    /// let inner: AddressRange = "10.9.0.64-10.9.0.127".parse()?;
    /// let whole = "10.9.0.0/24".parse::<Cidr>()?.range();
    /// let outside: Vec<String> = whole.outside(inner).map(|r| r.to_string()).collect();
    /// assert_eq!(outside, ["10.9.0.0-10.9.0.63", "10.9.0.128-10.9.0.255"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outside(self, inner: Self) -> impl Iterator<Item = Self> {
        let family = self.family;
        let before = inner.first.checked_sub(1).filter(|&l| l >= self.first);
        let after = inner.last.checked_add(1).filter(|&f| f <= self.last);
        let before = before.map(|last| Self {
            family,
            first: self.first,
            last,
        });
        before.into_iter().chain(after.map(|first| Self {
            family,
            first,
            last: self.last,
        }))
    }

    /// The part that lies in `other` too.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        self.overlaps(other).then_some(Self {
            family: self.family,
            first,
            last,
        })
    }
}

impl From<IpAddr> for AddressRange {
    fn from(address: IpAddr) -> Self {
        let n = number(address);
        Self {
            family: Family::of(address),
            first: n,
            last: n,
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first());
        }
        write!(f, "{}-{}", self.first(), self.last())
    }
}

impl fmt::Debug for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for AddressRange {
    type Err = ParseError;

    /// `A-B`, a prefix, or one address.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.contains('/') {
            return Ok(text.parse::<Cidr>()?.range());
        }
        let wanted = "a range such as 10.9.3.240-10.9.3.255, a prefix or an address";
        let bad = |_| ParseError::Form {
            given: shortened(text),
            wanted,
        };
        match text.split_once('-') {
            Some((a, b)) => Self::new(
                a.trim().parse().map_err(bad)?,
                b.trim().parse().map_err(bad)?,
            ),
            None => Ok(text.trim().parse::<IpAddr>().map_err(bad)?.into()),
        }
    }
}
