//! Handles of qdiscs and classes: 16 bits of major and 16 bits of minor number, written in hexadecimal.

use crate::text::printable;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// A qdisc's (`1:`) or class's (`1:10`) handle, or one of the kernel's named parents.
///
/// ```
/// use netshape::object::Handle;
///
/// let handle: Handle = "1:a0".parse()?;
/// assert_eq!(handle, Handle::new(1, 0xa0));
/// assert_eq!(handle.of_qdisc().to_string(), "1:");
/// assert_eq!("root".parse(), Ok(Handle::ROOT));
/// # Ok::<(), netshape::object::HandleError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "classid")]
#[doc(alias = "flowid")]
pub struct Handle(u32);

impl Handle {
    /// No handle: kernel defaults carry it.
    pub const NONE: Self = Self(0);
    /// `TC_H_ROOT`: the parent of a device's root qdisc.
    pub const ROOT: Self = Self(0xffff_ffff);
    /// `TC_H_INGRESS` = `TC_H_CLSACT`: the parent of an ingress or clsact qdisc.
    pub const INGRESS: Self = Self(0xffff_fff1);
    /// `ffff:`, the handle that an ingress or clsact qdisc has.
    pub const INGRESS_QDISC: Self = Self(0xffff_0000);
    /// The parent of filters on clsact's ingress hook (on an ingress qdisc: `ffff:`, which the kernel takes alike).
    pub const HOOK_INGRESS: Self = Self(0xffff_fff2);
    /// The parent of filters on clsact's egress hook.
    pub const HOOK_EGRESS: Self = Self(0xffff_fff3);

    /// The handle `major:minor`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self(((major as u32) << 16) | minor as u32)
    }

    /// The handle `major:` of a qdisc.
    #[must_use]
    pub const fn qdisc(major: u16) -> Self {
        Self::new(major, 0)
    }

    /// From the kernel's 32 bits.
    #[must_use]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The kernel's 32 bits.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The upper half.
    #[must_use]
    pub const fn major(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The lower half.
    #[must_use]
    pub const fn minor(self) -> u16 {
        (self.0 & 0xffff) as u16
    }

    /// The handle of the qdisc that a class belongs to.
    #[must_use]
    pub const fn of_qdisc(self) -> Self {
        Self(self.0 & 0xffff_0000)
    }

    /// Whether this is 0.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// As tc prints it: `1:`, `1:10`, `root`, `ingress`, `none`.
impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ROOT => f.write_str("root"),
            Self::INGRESS => f.write_str("ingress"),
            Self::NONE => f.write_str("none"),
            h if h.minor() == 0 => write!(f, "{:x}:", h.major()),
            h if h.major() == 0 => write!(f, ":{:x}", h.minor()),
            h => write!(f, "{:x}:{:x}", h.major(), h.minor()),
        }
    }
}

/// A text that names no handle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a handle: write root, ingress, `1:` or `1:10`, in hexadecimal, each half at most ffff",
    printable(given)
)]
#[non_exhaustive]
pub struct HandleError {
    /// What was given, cut at 40 characters.
    pub given: String,
}

impl HandleError {
    fn new(given: &str) -> Self {
        Self {
            given: given.chars().take(40).collect(),
        }
    }
}

impl FromStr for Handle {
    type Err = HandleError;

    fn from_str(text: &str) -> Result<Self, HandleError> {
        match text {
            "root" => return Ok(Self::ROOT),
            "none" => return Ok(Self::NONE),
            "ingress" | "clsact" => return Ok(Self::INGRESS),
            _ => {}
        }
        let error = || HandleError::new(text);
        let (major, minor) = text.split_once(':').ok_or_else(error)?;
        let half = |digits: &str| {
            if digits.is_empty() {
                return Ok(0);
            }
            let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
            u16::from_str_radix(digits, 16)
                .ok()
                .filter(|_| hex)
                .ok_or_else(error)
        };
        Ok(Self::new(half(major)?, half(minor)?))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Handle {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
