//! Carving prefixes out of a larger one: for pools of sites, racks or tenants.

use crate::cidr::{Cidr, host_mask};
use alloc::collections::{BTreeMap, BTreeSet};

/// A prefix and what of it is taken, by whole prefixes. Neighbours that are both free become one again.
///
/// ```
/// use ipam::net::Prefixes;
///
/// let mut site = Prefixes::new("10.9.0.0/16".parse()?);
/// let rack = site.take(24)?;
/// site.take_exact("10.9.7.0/24".parse()?)?;
/// assert!(site.taken().any(|c| c == rack));
/// site.release(rack)?;
/// assert!(site.release(rack).is_err()); // it was given back before
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefixes {
    whole: Cidr,
    /// Free prefixes by length, each by its first address.
    free: BTreeMap<u8, BTreeSet<u128>>,
    taken: BTreeSet<Cidr>,
}

/// Why no prefix is given or taken back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// A part must be longer than the whole, and within the family.
    #[error("a part of {whole} has a prefix length of {least} to {most}, not {given}")]
    Length {
        /// The whole.
        whole: Cidr,
        /// The length given.
        given: u8,
        /// The shortest possible.
        least: u8,
        /// The longest possible.
        most: u8,
    },
    /// Nothing of that size is free.
    #[error("no /{length} is free in {whole}; the largest free part is {largest:?}")]
    Full {
        /// The whole.
        whole: Cidr,
        /// The length asked for.
        length: u8,
        /// The largest part that is free.
        largest: Option<Cidr>,
    },
    /// Outside, or taken in part or whole.
    #[error("{given} is not free in {whole}")]
    NotFree {
        /// The whole.
        whole: Cidr,
        /// The prefix asked for.
        given: Cidr,
    },
    /// Not taken.
    #[error("{given} was not taken from {whole}")]
    NotTaken {
        /// The whole.
        whole: Cidr,
        /// The prefix given back.
        given: Cidr,
    },
}

impl Prefixes {
    /// All of `whole` free.
    #[must_use]
    pub fn new(whole: Cidr) -> Self {
        let free = BTreeMap::from([(whole.prefix(), BTreeSet::from([whole.base()]))]);
        Self {
            whole,
            free,
            taken: BTreeSet::new(),
        }
    }

    /// The prefix that parts are taken of.
    #[must_use]
    pub fn whole(&self) -> Cidr {
        self.whole
    }

    /// What is taken, in order of address.
    pub fn taken(&self) -> impl Iterator<Item = Cidr> + '_ {
        self.taken.iter().copied()
    }

    /// The largest free parts, longest prefix last.
    pub fn free(&self) -> impl Iterator<Item = Cidr> + '_ {
        self.free
            .iter()
            .flat_map(move |(&length, set)| set.iter().map(move |&base| self.part(base, length)))
    }

    fn part(&self, base: u128, length: u8) -> Cidr {
        let first = self.whole.family().address(base);
        Cidr::containing(first, length).unwrap_or(self.whole)
    }

    fn check_length(&self, given: u8) -> Result<(), PrefixError> {
        let (least, most) = (self.whole.prefix() + 1, self.whole.family().bits());
        match (least..=most).contains(&given) {
            true => Ok(()),
            false => Err(PrefixError::Length {
                whole: self.whole,
                given,
                least,
                most,
            }),
        }
    }

    /// Takes a part of `length` bits from the smallest free part that has room, the lowest of those.
    /// Logarithmic, times the difference in length.
    ///
    /// ```
    /// use ipam::net::Prefixes;
    ///
    /// let mut site = Prefixes::new("10.9.0.0/23".parse()?);
    /// assert_eq!(site.take(24)?, "10.9.0.0/24".parse()?);
    /// assert_eq!(site.take(24)?, "10.9.1.0/24".parse()?);
    /// assert!(site.take(24).is_err()); // nothing is left
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PrefixError::Length`], [`PrefixError::Full`].
    pub fn take(&mut self, length: u8) -> Result<Cidr, PrefixError> {
        self.check_length(length)?;
        let fits = self.free.range(..=length).next_back();
        let fit = fits.and_then(|(&from, set)| Some((from, *set.first()?)));
        let Some((from, base)) = fit else {
            let largest = self.free().next();
            return Err(PrefixError::Full {
                whole: self.whole,
                length,
                largest,
            });
        };
        Ok(self.split(from, base, self.part(base, length)))
    }

    /// Takes this very part.
    ///
    /// # Errors
    /// [`PrefixError::Length`], [`PrefixError::NotFree`].
    pub fn take_exact(&mut self, given: Cidr) -> Result<Cidr, PrefixError> {
        self.check_length(given.prefix())?;
        let not_free = PrefixError::NotFree {
            whole: self.whole,
            given,
        };
        if given.family() != self.whole.family() {
            return Err(not_free);
        }
        let bits = given.family().bits();
        let over = self.free.iter().find_map(|(&length, set)| {
            let base = given.base() & !host_mask(bits - length);
            (length <= given.prefix() && set.contains(&base)).then_some((length, base))
        });
        let (length, base) = over.ok_or(not_free)?;
        Ok(self.split(length, base, given))
    }

    /// Takes `part` out of the free part of length `from` at `base`; what is left of that is free.
    fn split(&mut self, from: u8, base: u128, part: Cidr) -> Cidr {
        self.unfree(from, base);
        let bits = part.family().bits();
        for length in from + 1..=part.prefix() {
            let half = 1u128 << (bits - length);
            let kept = part.base() & !host_mask(bits - length);
            self.free.entry(length).or_default().insert(kept ^ half);
        }
        self.taken.insert(part);
        part
    }

    fn unfree(&mut self, length: u8, base: u128) -> bool {
        let Some(set) = self.free.get_mut(&length) else {
            return false;
        };
        let was = set.remove(&base);
        if set.is_empty() {
            self.free.remove(&length);
        }
        was
    }

    /// Gives a part back.
    ///
    /// # Errors
    /// [`PrefixError::NotTaken`].
    pub fn release(&mut self, given: Cidr) -> Result<(), PrefixError> {
        if !self.taken.remove(&given) {
            return Err(PrefixError::NotTaken {
                whole: self.whole,
                given,
            });
        }
        let (mut base, mut length, bits) = (given.base(), given.prefix(), given.family().bits());
        while length > self.whole.prefix() {
            let half = 1u128 << (bits - length);
            if !self.unfree(length, base ^ half) {
                break;
            }
            (base, length) = (base & !half, length - 1);
        }
        self.free.entry(length).or_default().insert(base);
        Ok(())
    }
}
