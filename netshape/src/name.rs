//! Names of devices and of network namespaces: which ones there can be.

use crate::refusal::{Refusal, RefusalKind};
use crate::text::printable;
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

/// Longest name of a device in bytes: `IFNAMSIZ` less the closing zero.
const DEV_MAX: usize = 15;
/// Longest name of a namespace (`NAME_MAX` of the directory that holds them), and longest id taken.
const NAME_MAX: usize = 255;

const DEV_RULE: &str = "no name that a device can have: 1 to 15 bytes other than `.` and `..`, without blanks, `/`, `:` and `%`";
const NETNS_RULE: &str = "no name of a network namespace: 1 to 255 of A-Z, a-z, 0-9, `.`, `_` and `-`, other than `.` and `..`";
const ID_RULE: &str = "no name: 1 to 255 printable ASCII characters other than `.` and `..`, without blanks, `/`, `\\`, quotes, `#` and `$`";

/// `dev_valid_name` of Linux: its `isspace` holds the byte 0xa0 too, so that some letters beyond ASCII are no part of a name.
/// A `%` stands for a number that the kernel chooses, so that no device has one in its name either.
pub(crate) fn is_dev_name(name: &str) -> bool {
    let taken = |b: u8| !matches!(b, 0 | b'\t'..=b'\r' | b' ' | 0xa0 | b'/' | b':' | b'%');
    fits(name, DEV_MAX) && name.bytes().all(taken)
}

/// Stricter than the kernel, which takes whatever a file may be called.
pub(crate) fn is_netns_name(name: &str) -> bool {
    let taken = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    fits(name, NAME_MAX) && name.bytes().all(taken)
}

fn fits(name: &str, most: usize) -> bool {
    (1..=most).contains(&name.len()) && name != "." && name != ".."
}

fn checked(field: &str, given: &str, sound: bool, rule: &'static str) -> Result<Arc<str>, Refusal> {
    if sound {
        return Ok(Arc::from(given));
    }
    let given: String = given.chars().take(40).collect();
    let kind = RefusalKind::BadName { given, rule };
    Err(Refusal::new(field.to_owned(), kind))
}

/// A device's name.
pub(crate) fn dev(field: &str, given: &str) -> Result<Arc<str>, Refusal> {
    checked(field, given, is_dev_name(given), DEV_RULE)
}

/// A namespace's name.
pub(crate) fn netns(field: &str, given: &str) -> Result<Arc<str>, Refusal> {
    checked(field, given, is_netns_name(given), NETNS_RULE)
}

/// A container's id or a tier's name.
pub(crate) fn id(field: &str, given: &str) -> Result<Arc<str>, Refusal> {
    let plain = |b: u8| b.is_ascii_graphic() && !b"/\"'\\#$`".contains(&b);
    let sound = fits(given, NAME_MAX) && given.bytes().all(plain);
    checked(field, given, sound, ID_RULE)
}

/// What a namespace or device must be called, for errors elsewhere.
#[cfg(feature = "serde")]
pub(crate) const fn rule(netns: bool) -> &'static str {
    if netns { NETNS_RULE } else { DEV_RULE }
}

/// The network namespace that a device is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Netns {
    /// The one that the plan is carried out from.
    #[default]
    Host,
    /// One that has a name below `/run/netns`.
    Named(Arc<str>),
    /// That of a process. It has no name: `tc -n` can't open it, `nsenter` can.
    Pid(u32),
}

impl Netns {
    /// The words that go before a command for it to be run in this namespace; none for the host's.
    #[must_use]
    pub fn enter(&self) -> alloc::vec::Vec<String> {
        match self {
            Self::Host => alloc::vec::Vec::new(),
            Self::Named(name) => {
                alloc::vec!["ip".into(), "netns".into(), "exec".into(), name.to_string()]
            }
            Self::Pid(pid) => {
                let file = alloc::format!("--net=/proc/{pid}/ns/net");
                alloc::vec!["nsenter".into(), file]
            }
        }
    }

    /// Its name, where it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Host | Self::Pid(_) => None,
        }
    }

    /// The process that it is known by.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        match self {
            Self::Pid(pid) => Some(*pid),
            Self::Host | Self::Named(_) => None,
        }
    }
}

/// `host`, a name, `pid:4242`; a namespace that is itself called `host` is `netns:host`. No name holds a colon.
impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Named(name) if &**name == "host" => f.write_str("netns:host"),
            Self::Named(name) => printable(name).fmt(f),
            Self::Pid(pid) => write!(f, "pid:{pid}"),
        }
    }
}

/// Reads what is displayed.
impl FromStr for Netns {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text == "host" {
            return Ok(Self::Host);
        }
        if let Some(pid) = text.strip_prefix("pid:") {
            let number = pid.parse().ok().filter(|p| *p != 0);
            return number.map(Self::Pid).ok_or_else(|| bad_pid(pid));
        }
        let name = text.strip_prefix("netns:").unwrap_or(text);
        netns("netns", name).map(Self::Named)
    }
}

/// A number that no process has.
pub(crate) fn bad_pid(given: &str) -> Refusal {
    let given = given.chars().take(40).collect();
    Refusal::new("pid", RefusalKind::BadPid { given })
}
