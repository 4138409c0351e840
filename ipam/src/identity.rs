//! Whom an address is retained for: a workload, through one of its interfaces.

use crate::names::LONGEST;
use crate::pool::spec::{NameError, name_fits};
use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

/// The interface of a request that names none, and of what was stored before interfaces were told apart: the one
/// that CNI runtimes name first (`CNI_IFNAME`).
pub const DEFAULT_INTERFACE: &str = "eth0";

/// The kernel's `IFNAMSIZ` less the zero at its end (`linux/if.h`).
const LONGEST_INTERFACE: usize = 15;

/// Stands between a workload's name and an interface in a key; no name holds it.
const SEPARATOR: char = '\u{1f}';

/// A workload and one of its interfaces: sticky and fixed addresses belong to both together. A workload alone means
/// its [`DEFAULT_INTERFACE`].
///
/// ```
/// use ipam::Identity;
///
/// assert_eq!(Identity::from("shop/web-0"), Identity::from(("shop/web-0", "eth0")));
/// assert_eq!(Identity::from(("shop/web-0", "net1")).to_string(), "shop/web-0 (net1)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity<'a> {
    /// The stable identity behind owners, such as `shop/web-0`.
    pub workload: &'a str,
    /// The interface's name inside the container, such as `eth0`.
    pub interface: &'a str,
}

impl<'a> Identity<'a> {
    /// The text under which it is indexed and stored in names: of the default interface the workload alone.
    #[inline]
    pub(crate) fn key(self) -> Cow<'a, str> {
        match self.interface == DEFAULT_INTERFACE {
            true => Cow::Borrowed(self.workload),
            false => Cow::Owned(self.joined()),
        }
    }

    #[inline(never)]
    fn joined(self) -> String {
        let mut key = String::with_capacity(self.workload.len() + 1 + self.interface.len());
        key.push_str(self.workload);
        key.push(SEPARATOR);
        key.push_str(self.interface);
        key
    }

    /// What a key stands for.
    pub(crate) fn of_key(key: &'a str) -> Self {
        let (workload, interface) = key
            .split_once(SEPARATOR)
            .unwrap_or((key, DEFAULT_INTERFACE));
        Self {
            workload,
            interface,
        }
    }

    /// Whether both names can be; the field that cannot, and why.
    pub(crate) fn check(self) -> Result<(), (&'static str, NameError)> {
        name_fits(self.workload).map_err(|e| ("workload", e))?;
        interface_fits(self.interface).map_err(|e| ("interface", e))?;
        let given = self.workload.len() + self.interface.len();
        if self.interface != DEFAULT_INTERFACE && given >= LONGEST {
            return Err(("workload", NameError::LongWithInterface { given }));
        }
        Ok(())
    }
}

/// Whether the kernel would take an interface of this name (`dev_valid_name` in `net/core/dev.c`), less control
/// characters.
#[inline]
pub(crate) fn interface_fits(name: &str) -> Result<(), NameError> {
    match name {
        DEFAULT_INTERFACE => Ok(()),
        _ => other_interface_fits(name),
    }
}

fn other_interface_fits(name: &str) -> Result<(), NameError> {
    let odd = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    let fits = (1..=LONGEST_INTERFACE).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.contains(odd);
    fits.then_some(()).ok_or(NameError::Interface)
}

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.workload)?;
        match self.interface {
            DEFAULT_INTERFACE => Ok(()),
            interface => write!(f, " ({interface})"),
        }
    }
}

impl<'a> From<&'a str> for Identity<'a> {
    fn from(workload: &'a str) -> Self {
        let interface = DEFAULT_INTERFACE;
        Self {
            workload,
            interface,
        }
    }
}

impl<'a> From<&&'a str> for Identity<'a> {
    fn from(workload: &&'a str) -> Self {
        Self::from(*workload)
    }
}

impl<'a> From<&'a String> for Identity<'a> {
    fn from(workload: &'a String) -> Self {
        Self::from(workload.as_str())
    }
}

impl<'a> From<(&'a str, &'a str)> for Identity<'a> {
    fn from((workload, interface): (&'a str, &'a str)) -> Self {
        Self {
            workload,
            interface,
        }
    }
}

/// The default of stored and serialised interfaces.
#[cfg(feature = "serde")]
pub(crate) fn default_interface() -> Cow<'static, str> {
    Cow::Borrowed(DEFAULT_INTERFACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_named_as_the_kernel_takes_them() {
        for name in ["eth0", "a", "net1.100", "fifteen-bytes-x", "é"] {
            assert_eq!(interface_fits(name), Ok(()), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a:1",
            "a b",
            "a\tb",
            "a\u{1f}b",
            "sixteen-bytes-xx",
        ] {
            assert_eq!(interface_fits(name), Err(NameError::Interface), "{name:?}");
        }
    }

    #[test]
    fn keys_lead_back_to_their_identity_and_have_room() {
        for identity in [("w", "eth0"), ("w", "eth1"), ("a/b c", "net1")] {
            let identity = Identity::from(identity);
            assert_eq!(Identity::of_key(&identity.key()), identity);
        }
        let long = "w".repeat(253);
        assert_eq!(Identity::from(&*long).check(), Ok(()));
        let (field, error) = Identity::from((&*long, "e")).check().unwrap_err();
        assert_eq!(field, "workload");
        assert_eq!(error, NameError::LongWithInterface { given: 254 });
        let fits = "w".repeat(248);
        let identity = Identity::from((&*fits, "eth1"));
        assert_eq!((identity.check(), identity.key().len()), (Ok(()), 253));
    }
}
