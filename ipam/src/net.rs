//! Addresses, prefixes and ranges; carving prefixes out of larger ones.

pub use crate::cidr::{AddressRange, Cidr, Family, ParseError, number};
pub use crate::prefixes::{PrefixError, Prefixes};
pub use crate::subrange::{Subrange, SubrangeError};
