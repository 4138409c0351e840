//! By which names a store knows what an engine has: owners, workloads, references of pools.

use crate::refusal::Refusal;
use ipam::Ipam;
use ipam::net::Cidr;
use std::fmt;
use std::net::IpAddr;

/// What every name of ours begins with.
const PREFIX: &str = "docker/";

/// A pool as an engine knows it: the store's, and the range of it that the network draws from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolId {
    /// The pool's name in the store.
    pub pool: String,
    /// The range (`--ip-range`), where it is not all of it.
    pub range: Option<Cidr>,
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pool)?;
        self.range
            .iter()
            .try_for_each(|range| write!(f, "#{range}"))
    }
}

impl PoolId {
    /// The pool that an id names, if the store has it.
    pub(crate) fn known(ipam: &Ipam, text: &str) -> Option<Self> {
        let whole = || Self {
            pool: text.to_owned(),
            range: None,
        };
        if ipam.pool(text).is_some() {
            return Some(whole());
        }
        let (pool, range) = text.rsplit_once('#')?;
        let range = range.parse().ok()?;
        ipam.pool(pool).map(|_| Self {
            pool: pool.to_owned(),
            range: Some(range),
        })
    }

    /// The same, for what can't go on without.
    pub(crate) fn needed(ipam: &Ipam, text: &str) -> Result<Self, Refusal> {
        Self::known(ipam, text).ok_or_else(|| {
            let shown: String = text.chars().take(253).collect();
            Refusal::refused(format!(
                "no pool {shown:?} in the store: is it the one in which the network was made?"
            ))
        })
    }

    /// The label of a pool that counts the networks of a host that draw from it.
    pub(crate) fn label(&self, host: &str) -> String {
        format!("{PREFIX}{host}{}", suffix(self.range))
    }
}

fn suffix(range: Option<Cidr>) -> String {
    range.map_or_else(String::new, |range| format!("@{range}"))
}

/// Whether a label counts networks, of whichever host.
pub(crate) fn is_count(label: &str) -> bool {
    label.starts_with(PREFIX)
}

/// The range of a label that counts networks of a host.
pub(crate) fn counted(host: &str, label: &str) -> Option<Option<Cidr>> {
    let rest = label.strip_prefix(PREFIX)?.strip_prefix(host)?;
    match rest.strip_prefix('@') {
        Some(range) => Some(Some(range.parse().ok()?)),
        None => rest.is_empty().then_some(None),
    }
}

/// Who holds an address, of what an engine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attachment {
    /// A container, or an auxiliary address: engines do not tell them apart.
    Endpoint {
        /// Its address.
        address: IpAddr,
        /// The range that its network draws from.
        range: Option<Cidr>,
    },
    /// A network's gateway; networks that share a pool share it.
    Gateway {
        /// Its address.
        address: IpAddr,
    },
}

impl Attachment {
    /// The owner of its claim on a host, such as `docker/h1/10.9.0.2`, `docker/h1/10.9.0.66@10.9.0.64/26` or
    /// `docker/h1/gateway/10.9.0.1`.
    ///
    /// ```
    /// use ipam_docker::Attachment;
    ///
    /// let gateway = Attachment::Gateway { address: "10.9.0.1".parse().unwrap() };
    /// assert_eq!(gateway.owner("h1"), "docker/h1/gateway/10.9.0.1");
    /// assert_eq!(Attachment::of_owner("h1", "docker/h1/gateway/10.9.0.1"), Some(gateway));
    /// ```
    #[must_use]
    pub fn owner(self, host: &str) -> String {
        match self {
            Self::Endpoint { address, range } => {
                format!("{PREFIX}{host}/{address}{}", suffix(range))
            }
            Self::Gateway { address } => format!("{PREFIX}{host}/gateway/{address}"),
        }
    }

    /// What an owner's name stands for, if it is of an engine on this host.
    #[must_use]
    pub fn of_owner(host: &str, owner: &str) -> Option<Self> {
        let rest = owner.strip_prefix(PREFIX)?.strip_prefix(host)?;
        let rest = rest.strip_prefix('/')?;
        if let Some(address) = rest.strip_prefix("gateway/") {
            let address = address.parse().ok()?;
            return Some(Self::Gateway { address });
        }
        let (address, range) = match rest.split_once('@') {
            Some((address, range)) => (address, Some(range.parse().ok()?)),
            None => (rest, None),
        };
        let address = address.parse().ok()?;
        Some(Self::Endpoint { address, range })
    }

    /// Its address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        match self {
            Self::Endpoint { address, .. } | Self::Gateway { address } => address,
        }
    }
}

/// For whom an address is retained after its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retainer<'a> {
    /// Whoever asks next, within a short time.
    Any(IpAddr),
    /// Whoever asks for it by address.
    Asked(IpAddr),
    /// The next gateway.
    Gateway(IpAddr),
    /// A container by its name.
    Named(&'a str),
}

impl Retainer<'_> {
    /// The workload's name.
    pub(crate) fn workload(self, host: &str) -> String {
        match self {
            Self::Any(address) => format!("{PREFIX}{host}/any/{address}"),
            Self::Asked(address) => format!("{PREFIX}{host}/ip/{address}"),
            Self::Gateway(address) => format!("{PREFIX}{host}/gateway/{address}"),
            Self::Named(name) => format!("{PREFIX}{host}/name/{name}"),
        }
    }
}

/// Whether a workload stands for something of an engine's, on whichever host.
pub(crate) fn is_retainer(workload: &str) -> bool {
    let Some(rest) = workload.strip_prefix(PREFIX) else {
        return false;
    };
    ["/any/", "/ip/", "/gateway/", "/name/"]
        .iter()
        .any(|kind| rest.contains(kind))
}

/// Whether a workload stands for whoever asks next on a host.
pub(crate) fn is_any(host: &str, workload: &str) -> bool {
    let rest = workload
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_prefix(host));
    rest.is_some_and(|rest| rest.starts_with("/any/"))
}

/// Whether a workload stands for whoever asks next, on whichever host.
pub(crate) fn is_any_host(workload: &str) -> bool {
    is_retainer(workload) && workload.contains("/any/")
}

/// Whether a workload stands for a gateway, on whichever host.
pub(crate) fn is_gateway(workload: &str) -> bool {
    is_retainer(workload) && workload.contains("/gateway/")
}
