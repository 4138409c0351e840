//! Changes with their texts owned, and in words.

use super::{Change, ChangeKind};
use crate::identity::Identity;
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::string::ToString;
use core::fmt;

impl<'a> Change<'a> {
    pub(crate) fn new(at: Timestamp, kind: ChangeKind<'a>) -> Self {
        Self { at, kind }
    }

    /// The same change with texts of its own, to be kept beyond the request that it was decided for.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let owner = String::from("container-1/eth0");
    /// let decision = ipam.decide_claim(&Request::new(&owner))?;
    /// let changes: Vec<_> = decision.changes.into_iter().map(|c| c.into_owned()).collect();
    /// drop(owner); // the changes have texts of their own
    /// ipam.apply_all(&changes)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_owned(self) -> Change<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        let kind = match self.kind {
            ChangeKind::PoolAdded { pool, spec } => ChangeKind::PoolAdded { pool, spec },
            ChangeKind::PoolDrained { pool, draining } => {
                ChangeKind::PoolDrained { pool, draining }
            }
            ChangeKind::PoolGrown { pool, cidr } => ChangeKind::PoolGrown { pool, cidr },
            ChangeKind::PoolChanged { pool, spec } => ChangeKind::PoolChanged { pool, spec },
            ChangeKind::PoolRemoved { pool } => ChangeKind::PoolRemoved { pool },
            ChangeKind::HostSet { host, settings } => ChangeKind::HostSet {
                host: own(host),
                settings,
            },
            ChangeKind::BlockTaken {
                pool,
                block,
                host,
                state,
                generation,
            } => ChangeKind::BlockTaken {
                pool,
                block,
                host: own(host),
                state,
                generation,
            },
            ChangeKind::BlockReleased {
                pool,
                block,
                generation,
            } => ChangeKind::BlockReleased {
                pool,
                block,
                generation,
            },
            ChangeKind::Reserved {
                workload,
                interface,
                ranges,
            } => ChangeKind::Reserved {
                workload: own(workload),
                interface: own(interface),
                ranges,
            },
            ChangeKind::Unreserved {
                workload,
                interface,
                ranges,
            } => ChangeKind::Unreserved {
                workload: own(workload),
                interface: own(interface),
                ranges,
            },
            ChangeKind::Claimed {
                owner,
                workload,
                interface,
                host,
                sequence,
                until,
                retention,
                v4,
                v6,
            } => {
                let (owner, workload, host) = (own(owner), workload.map(own), host.map(own));
                let interface = own(interface);
                ChangeKind::Claimed {
                    owner,
                    workload,
                    interface,
                    host,
                    sequence,
                    until,
                    retention,
                    v4,
                    v6,
                }
            }
            ChangeKind::Renewed {
                owner,
                sequence,
                until,
            } => ChangeKind::Renewed {
                owner: own(owner),
                sequence,
                until,
            },
            ChangeKind::Reissued {
                owner,
                sequence,
                next,
                until,
            } => ChangeKind::Reissued {
                owner: own(owner),
                sequence,
                next,
                until,
            },
            ChangeKind::Released {
                owner,
                sequence,
                reason,
            } => ChangeKind::Released {
                owner: own(owner),
                sequence,
                reason,
            },
            ChangeKind::MoveBegun {
                workload,
                interface,
                from,
                to,
            } => ChangeKind::MoveBegun {
                workload: own(workload),
                interface: own(interface),
                from: own(from),
                to: own(to),
            },
            ChangeKind::MoveEnded {
                workload,
                interface,
                finished,
            } => ChangeKind::MoveEnded {
                workload: own(workload),
                interface: own(interface),
                finished,
            },
            ChangeKind::Suspected { owner, sequence } => ChangeKind::Suspected {
                owner: own(owner),
                sequence,
            },
            ChangeKind::Cleared { owner } => ChangeKind::Cleared { owner: own(owner) },
            ChangeKind::TimesCapped { pool, address } => ChangeKind::TimesCapped { pool, address },
        };
        Change { at: self.at, kind }
    }
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.kind)
    }
}

impl fmt::Display for ChangeKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoolAdded { pool, spec } => {
                write!(f, "{pool} added: {} {}", spec.name, spec.cidr)
            }
            Self::PoolDrained {
                pool,
                draining: true,
            } => write!(f, "{pool} drains"),
            Self::PoolDrained { pool, .. } => write!(f, "{pool} gives again"),
            Self::PoolGrown { pool, cidr } => write!(f, "{pool} grown to {cidr}"),
            Self::PoolChanged { pool, .. } => write!(f, "{pool} changed"),
            Self::PoolRemoved { pool } => write!(f, "{pool} removed"),
            Self::HostSet { host, settings } => {
                let limit = settings
                    .block_limit
                    .map_or_else(|| "none".into(), |l| l.to_string());
                write!(
                    f,
                    "{host} block limit {limit}, draining {}",
                    settings.draining
                )
            }
            Self::BlockTaken {
                pool,
                block,
                host,
                state,
                ..
            } => {
                write!(f, "{block} of {pool} {state:?} for {host}")
            }
            Self::BlockReleased { pool, block, .. } => write!(f, "{block} of {pool} given up"),
            Self::Reserved {
                workload,
                interface,
                ranges,
            } => {
                write!(
                    f,
                    "reserved to {}:",
                    Identity::from((&**workload, &**interface))
                )?;
                ranges
                    .iter()
                    .try_for_each(|(_, range)| write!(f, " {range}"))
            }
            Self::Unreserved {
                workload,
                interface,
                ranges,
            } => {
                let workload = Identity::from((&**workload, &**interface));
                write!(f, "reservation of {workload} ended")?;
                let part = if ranges.is_empty() { "" } else { " for" };
                f.write_str(part)?;
                ranges.iter().try_for_each(|range| write!(f, " {range}"))
            }
            Self::Claimed {
                owner,
                sequence,
                v4,
                v6,
                ..
            } => {
                write!(f, "{owner} #{sequence} has")?;
                [v4, v6]
                    .into_iter()
                    .flatten()
                    .try_for_each(|p| write!(f, " {}", p.address))
            }
            Self::Renewed {
                owner, sequence, ..
            } => write!(f, "{owner} #{sequence} renewed"),
            Self::Reissued {
                owner,
                sequence,
                next,
                ..
            } => {
                write!(f, "{owner} #{sequence} goes on as #{next}")
            }
            Self::Released {
                owner,
                sequence,
                reason,
            } => {
                write!(f, "{owner} #{sequence} ended: {reason:?}")
            }
            Self::MoveBegun {
                workload,
                interface,
                from,
                to,
            } => {
                let workload = Identity::from((&**workload, &**interface));
                write!(f, "{workload} leaves {from} for {to}")
            }
            Self::MoveEnded {
                workload,
                interface,
                finished,
            } => {
                let workload = Identity::from((&**workload, &**interface));
                let how = if *finished { "has moved" } else { "stays" };
                write!(f, "{workload} {how}")
            }
            Self::Suspected { owner, sequence } => write!(f, "{owner} #{sequence} is missing"),
            Self::Cleared { owner } => write!(f, "{owner} is alive"),
            Self::TimesCapped { address, .. } => write!(f, "times of {address} set to now"),
        }
    }
}
