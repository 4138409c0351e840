//! Changes with their texts owned, and in words.

use super::{Change, ChangeKind};
use crate::identity::Identity;
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::string::ToString;
use core::fmt;

/// A text that may be borrowed.
trait Text {
    type Own;
    fn own(self) -> Self::Own;
}

impl Text for Cow<'_, str> {
    type Own = Cow<'static, str>;

    fn own(self) -> Self::Own {
        Cow::Owned(self.into_owned())
    }
}

impl<T: Text> Text for Option<T> {
    type Own = Option<T::Own>;

    fn own(self) -> Self::Own {
        self.map(Text::own)
    }
}

/// A change kind with texts of its own: of each variant the fields that stay as they are, then its texts. It takes every
/// variant and every field, or it does not compile.
macro_rules! with_own_texts {
    ($kind:expr, {
        $($variant:ident { $($field:ident),* $(; $($text:ident),+)? })+
    }) => {
        match $kind {
            $(ChangeKind::$variant { $($field,)* $($($text),+)? } => ChangeKind::$variant {
                $($field,)*
                $($($text: $text.own()),+)?
            },)+
        }
    };
}

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
        let kind = with_own_texts!(self.kind, {
            PoolAdded { pool, spec }
            PoolDrained { pool, draining }
            PoolGrown { pool, cidr }
            PoolChanged { pool, spec }
            PoolRemoved { pool }
            HostSet { settings; host }
            BlockTaken { pool, block, state, generation; host }
            BlockReleased { pool, block, generation }
            Reserved { ranges; workload, interface }
            Unreserved { ranges; workload, interface }
            Claimed { sequence, until, retention, v4, v6; owner, workload, interface, host }
            Renewed { sequence, until; owner }
            Reissued { sequence, next, until; owner }
            Released { sequence, reason; owner }
            MoveBegun { ; workload, interface, from, to }
            MoveEnded { finished; workload, interface }
            Suspected { sequence; owner }
            Cleared { ; owner }
            TimesCapped { pool, address }
        });
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
            Self::Reserved { .. }
            | Self::Unreserved { .. }
            | Self::MoveBegun { .. }
            | Self::MoveEnded { .. } => self.fmt_retained(f),
            Self::Claimed { .. }
            | Self::Renewed { .. }
            | Self::Reissued { .. }
            | Self::Released { .. }
            | Self::Suspected { .. }
            | Self::Cleared { .. } => self.fmt_claim(f),
            Self::TimesCapped { address, .. } => write!(f, "times of {address} set to now"),
        }
    }
}

impl ChangeKind<'_> {
    /// Reservations and moves.
    fn fmt_retained(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
            _ => Ok(()),
        }
    }

    /// What happens to one claim.
    fn fmt_claim(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
            Self::Suspected { owner, sequence } => write!(f, "{owner} #{sequence} is missing"),
            Self::Cleared { owner } => write!(f, "{owner} is alive"),
            _ => Ok(()),
        }
    }
}
