//! What is wrong with a name or a pool.

use crate::cidr::{AddressRange, Cidr, Family};
use crate::hash::last_word;
use alloc::string::String;
use core::net::IpAddr;

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An empty name.
    #[error("a name must not be empty")]
    Empty,
    /// Longer than a DNS name.
    #[error("a name of {given} bytes is longer than 253")]
    Long {
        /// Its length in bytes.
        given: usize,
    },
    /// Control characters would tear logs and listings.
    #[error("a name must not hold control characters, such as a line break")]
    Control,
    /// No name of an interface.
    #[error(
        "an interface's name is 1 to 15 bytes, not `.` or `..`, without `/`, `:`, white space and control characters"
    )]
    Interface,
    /// A workload's name and that of an interface other than `eth0` are stored as one name.
    #[error("the names of a workload and its interface are {given} bytes, more than 252 together")]
    LongWithInterface {
        /// Their bytes.
        given: usize,
    },
}

/// Whether an owner, a workload, a host or a pool can have a name: 1 to 253 bytes without control characters.
///
/// ```
/// use ipam::pool::check_name;
///
/// assert!(check_name("container-1/eth0").is_ok());
/// assert!(check_name("two\nlines").is_err());
/// ```
///
/// # Errors
/// [`NameError`].
pub fn check_name(name: &str) -> Result<(), NameError> {
    name_fits(name)
}

/// Whether a name can be stored and printed.
#[inline]
pub(crate) fn name_fits(name: &str) -> Result<(), NameError> {
    match name.len() {
        0 => Err(NameError::Empty),
        given if given > crate::names::LONGEST => Err(NameError::Long { given }),
        _ if has_control(name.as_bytes()) => Err(NameError::Control),
        _ => Ok(()),
    }
}

/// Whether any byte is an ASCII control character: eight at a time, since every claim asks it of three names, twice.
#[inline]
fn has_control(bytes: &[u8]) -> bool {
    // One bit a byte. A borrow from a lower byte may set one too many, but only above one that is set rightly.
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = LOW << 7;
    let below = |word: u64, byte: u8| word.wrapping_sub(LOW * u64::from(byte)) & !word;
    let controls = |word: u64| below(word, b' ') | below(word ^ (LOW * 0x7f), 1);
    let (words, rest) = bytes.as_chunks::<8>();
    let found = words
        .iter()
        .fold(0, |found, word| found | controls(u64::from_le_bytes(*word)));
    // What is not there counts as bytes that are no control characters.
    let last = last_word(bytes) | u64::MAX << (rest.len() * 8);
    (found | controls(last)) & HIGH != 0
}

/// Why a pool cannot be added, changed or removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The name does not fit.
    #[error("pool name, label or bridge: {0}")]
    Name(NameError),
    /// Larger than the bitmap is made for.
    #[error("{given} is too large: an IPv4 pool is a /{limit} at the most")]
    TooLarge {
        /// The prefix given.
        given: Cidr,
        /// The shortest prefix length.
        limit: u8,
    },
    /// A block must lie within the pool and be of a size that is materialised at once.
    #[error("block size /{given} is not between /{least} and /{most}")]
    BlockSize {
        /// The prefix length given.
        given: u8,
        /// The shortest possible here.
        least: u8,
        /// The longest possible here.
        most: u8,
    },
    /// VLAN ids 0 and 4095 are reserved by IEEE 802.1Q.
    #[error("VLAN {0} is not between 1 and 4094")]
    Vlan(u16),
    /// A range without effect is more likely a mistake.
    #[error("the range {range} lies outside {cidr}")]
    Outside {
        /// The range given.
        range: AddressRange,
        /// The pool's prefix.
        cidr: Cidr,
    },
    /// The gateway is of another family.
    #[error("the gateway must be an {family} address")]
    Gateway {
        /// The pool's family.
        family: Family,
    },
    /// Too many ranges are excluded or set aside.
    #[error("{given} ranges: a pool has {limit} at the most; join those that touch")]
    TooManyRanges {
        /// The ranges given.
        given: usize,
        /// The most ranges.
        limit: usize,
    },
    /// Too many labels.
    #[error("{given} labels: a pool has {limit} at the most")]
    TooManyLabels {
        /// The labels given.
        given: usize,
        /// The most labels.
        limit: usize,
    },
    /// There is a pool of that name.
    #[error("there is a pool `{0}` already: choose another name")]
    Exists(String),
    /// Its addresses belong to another pool.
    #[error("{given} overlaps {with} of pool `{pool}`: choose a prefix outside it")]
    Overlap {
        /// The prefix given.
        given: Cidr,
        /// The other pool's prefix.
        with: Cidr,
        /// The other pool.
        pool: String,
    },
    /// There is no such pool.
    #[error("there is no pool `{0}`: add it, or name another")]
    Unknown(String),
    /// All pool numbers are in use.
    #[error("there are {limit} pools already, the most there can be: remove one first")]
    TooManyPools {
        /// The most pools.
        limit: usize,
    },
    /// Addresses are held or reserved.
    #[error(
        "pool `{pool}` still has {held} held and {reserved} reserved addresses; drain it first"
    )]
    InUse {
        /// The pool.
        pool: String,
        /// Addresses held by owners.
        held: u32,
        /// Addresses reserved to workloads and not held.
        reserved: u32,
    },
    /// No container may have addresses of this range.
    #[error("{given} holds {reserved}")]
    Reserved {
        /// The prefix given.
        given: Cidr,
        /// What is in it.
        reserved: &'static str,
    },
    /// Somebody has an address that the pool is to give out no more.
    #[error("{address} is held by or retained for `{holder}`: release it before it is excluded")]
    BarredInUse {
        /// The address.
        address: IpAddr,
        /// Its owner, or the workload it is retained for.
        holder: String,
    },
    /// Something cannot change while the pool exists.
    #[error("a pool's {setting} cannot change; add another pool, or grow this one")]
    Immutable {
        /// What was to change.
        setting: &'static str,
    },
    /// An address in use would become the network's or broadcast.
    #[error("{address} is in use and would be the network's or broadcast address of {cidr}")]
    EdgeInUse {
        /// The address.
        address: IpAddr,
        /// The prefix given.
        cidr: Cidr,
    },
    /// A pool may only grow to a prefix that contains its own.
    #[error("{given} does not contain {cidr}")]
    NotGrowing {
        /// The prefix given.
        given: Cidr,
        /// The pool's prefix.
        cidr: Cidr,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character of two bytes at most, at every place of names up to two words and a half.
    #[test]
    fn control_characters_are_found_wherever_they_stand() {
        for character in (0..0x800).filter_map(char::from_u32) {
            for length in 0..20 {
                for before in [0, length / 2, length] {
                    let (start, end) = ("a".repeat(before), "\u{e9}".repeat(length - before));
                    let name = alloc::format!("{start}{character}{end}");
                    let control = character.is_ascii_control();
                    assert_eq!(
                        name_fits(&name) == Err(NameError::Control),
                        control,
                        "{name:?}"
                    );
                }
            }
        }
    }
}
