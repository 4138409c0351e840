//! The network namespace that a device is in.

use super::name::{bad_pid, netns};
use crate::policy::refusal::Refusal;
use crate::text::printable;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

/// The network namespace that a device is in.
///
/// ```
/// use netshape::Netns;
///
/// let netns: Netns = "pid:4242".parse()?;
/// assert_eq!(netns.enter(), ["nsenter", "--net=/proc/4242/ns/net"]);
/// assert_eq!("web-1".parse::<Netns>()?.enter(), ["ip", "netns", "exec", "web-1"]);
/// # Ok::<(), netshape::Refusal>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "namespace")]
#[doc(alias = "nsenter")]
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
    /// The words to put before a command to run it in this namespace; none for the host's own.
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
