//! Names of network devices, as they may stand in what is rendered.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

/// The longest name in bytes: `IFNAMSIZ` of `linux/if.h`, less the zero at its end.
const LONGEST: usize = 15;

/// The name of a network device: letters, digits, `_`, `.` and `-`, with a letter, a digit or `_` first, 15 bytes at the
/// most. The kernel takes more; nothing else is safe in the configuration of every routing daemon and in a batch.
///
/// ```
/// use ipam::routes::DeviceName;
///
/// assert_eq!("br0".parse::<DeviceName>()?.as_str(), "br0");
/// assert!("br0\"; include \"/etc/x".parse::<DeviceName>().is_err());
/// assert!("-all".parse::<DeviceName>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct DeviceName(String);

/// Why a text is not taken as a device's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceNameError {
    /// It has no byte, or more than fit.
    #[error("{given:?} is no device name: {length} bytes, want 1 to {limit}")]
    Length {
        /// What was given.
        given: String,
        /// Its bytes.
        length: usize,
        /// The most.
        limit: usize,
    },
    /// A character that is not taken, or not at the beginning.
    #[error(
        "{given:?} is not taken as a device name: want letters, digits, `_`, `.` and `-`, a letter, a digit or `_` first"
    )]
    Character {
        /// What was given.
        given: String,
    },
}

impl DeviceName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceName {
    type Err = DeviceNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let given = || text.chars().take(40).collect::<String>();
        if !(1..=LONGEST).contains(&text.len()) {
            return Err(DeviceNameError::Length {
                given: given(),
                length: text.len(),
                limit: LONGEST,
            });
        }
        let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fits = |b: u8| first(b) || matches!(b, b'.' | b'-');
        if !text.bytes().next().is_some_and(first) || !text.bytes().all(fits) {
            return Err(DeviceNameError::Character { given: given() });
        }
        Ok(Self(text.to_string()))
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
