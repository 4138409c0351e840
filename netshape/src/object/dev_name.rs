//! Devices by name.

use super::netns::Netns;
use crate::text::printable;
use alloc::sync::Arc;
use core::fmt;

/// A device by name, in the host's network namespace or a container's.
///
/// ```
/// use netshape::DevName;
///
/// assert_eq!(DevName::host("eth0").to_string(), "eth0");
/// assert_eq!(DevName::in_netns("web-1", "eth0").to_string(), "web-1/eth0");
/// assert_eq!(DevName::of_pid(4242, "eth0").to_string(), "pid:4242/eth0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevName {
    /// The network namespace.
    pub netns: Netns,
    /// Name of the device.
    pub dev: Arc<str>,
}

impl DevName {
    /// A device in the host's own namespace.
    #[must_use]
    pub fn host(dev: &str) -> Self {
        Self::on_host(Arc::from(dev))
    }

    /// [`DevName::host`] of a name that is there already.
    pub(crate) const fn on_host(dev: Arc<str>) -> Self {
        Self {
            netns: Netns::Host,
            dev,
        }
    }

    /// A device in a named namespace.
    #[must_use]
    pub fn in_netns(netns: &str, dev: &str) -> Self {
        Self {
            netns: Netns::Named(Arc::from(netns)),
            dev: Arc::from(dev),
        }
    }

    /// A device in the namespace of a process.
    #[must_use]
    pub fn of_pid(pid: u32, dev: &str) -> Self {
        Self {
            netns: Netns::Pid(pid),
            dev: Arc::from(dev),
        }
    }
}

/// `eth0`, `web-1/eth0`, `pid:4242/eth0`.
impl fmt::Display for DevName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.netns != Netns::Host {
            write!(f, "{}/", self.netns)?;
        }
        printable(&self.dev).fmt(f)
    }
}
