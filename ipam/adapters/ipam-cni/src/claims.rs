//! Claims of an attachment: one serves a range set of each family, so that a dual stack is one commit.

use crate::allocator::{Allocator, not_done};
use crate::answer::Address;
use crate::config::Config;
use crate::error::{Code, Refusal};
use crate::network::RangeSet;
use crate::settings::Retain;
use ipam::claim::{ClaimError, Families, Grant, UnavailableReason};
use ipam::net::Family;
use ipam::{Request, Store, Timestamp};
use std::net::IpAddr;
use std::time::Duration;

/// The sets of each claim: the first of either family, then the second, and so on. Two sets that are in several pools each
/// are apart, since a claim goes on after one address.
pub(crate) fn groups(sets: &[RangeSet], names: &[Vec<String>]) -> Vec<Vec<usize>> {
    let several = |set: usize| names.get(set).is_some_and(|n| n.len() > 1);
    let of = |v4: bool| (0..sets.len()).filter(move |&i| sets[i].is_v4() == v4);
    let (mut fours, mut sixes) = (of(true).peekable(), of(false).peekable());
    let mut out = Vec::new();
    loop {
        match (fours.peek().copied(), sixes.peek().copied()) {
            (None, None) => return out,
            (Some(four), Some(six)) if !(several(four) && several(six)) => {
                out.push(vec![four, six]);
                fours.next();
                sixes.next();
            }
            (Some(four), _) => {
                out.push(vec![four]);
                fours.next();
            }
            (None, Some(six)) => {
                out.push(vec![six]);
                sixes.next();
            }
        }
    }
}

/// One claim to be made.
pub(crate) struct Group<'c> {
    pub(crate) owner: String,
    /// The numbers of its sets.
    pub(crate) sets: &'c [usize],
    families: Families,
    pools: Vec<&'c str>,
    addresses: Vec<IpAddr>,
    retain: Retain,
    workload: Option<&'c str>,
    interface: &'c str,
}

impl<'c> Group<'c> {
    pub(crate) fn new(
        config: &'c Config,
        number: usize,
        sets: &'c [usize],
        names: &'c [Vec<String>],
        requested: &[Option<IpAddr>],
    ) -> Self {
        let families = match sets {
            [_, _] => Families::Dual,
            [one] if !config.sets[*one].is_v4() => Families::V6,
            _ => Families::V4,
        };
        let pools = sets.iter().filter_map(|&set| names.get(set)).flatten();
        Self {
            owner: config.owner(number),
            sets,
            families,
            pools: pools.map(String::as_str).collect(),
            addresses: sets
                .iter()
                .filter_map(|&set| *requested.get(set)?)
                .collect(),
            retain: config.settings().retention,
            workload: config.workload.as_deref(),
            interface: &config.interface,
        }
    }

    /// The claim of an owner; nothing is retained for one that only tries.
    pub(crate) fn request<'r>(&'r self, owner: &'r str, last: Option<IpAddr>) -> Request<'r> {
        let mut request = Request::new(owner)
            .families(self.families)
            .pools(&self.pools)
            .addresses(&self.addresses);
        request.after = last;
        if owner != self.owner {
            return request;
        }
        request.interface = self.interface;
        request.workload = self.workload;
        match self.retain {
            Retain::Ephemeral => request,
            Retain::Sticky(time) => request.sticky(time),
            Retain::Fixed => request.fixed(&[]),
        }
    }

    fn set_of(&self, config: &Config, family: Family) -> usize {
        let of = |set: &&usize| config.sets[**set].is_v4() == (family == Family::V4);
        self.sets.iter().find(of).copied().unwrap_or_default()
    }

    /// Why there is no such claim, in host-local's words where it has some.
    pub(crate) fn refusal(&self, config: &Config, error: &ClaimError) -> Refusal {
        let at = |family, code, why: &str| {
            let set = self.set_of(config, family);
            let shown = config.sets[set].shown();
            let message = format!("failed to allocate for range {set}: {why} {shown}");
            Refusal::new(code, message).details(error.to_string())
        };
        match error {
            ClaimError::Exhausted { family, .. } => at(
                *family,
                Code::TryAgainLater,
                "no IP addresses available in range set:",
            ),
            ClaimError::Unavailable { address, reason } => {
                let never = matches!(
                    reason,
                    UnavailableReason::Excluded(_) | UnavailableReason::NoPool
                );
                let code = if never {
                    Code::InvalidConfig
                } else {
                    Code::TryAgainLater
                };
                at(
                    Family::of(*address),
                    code,
                    &format!("requested IP address {address} is not available in range set"),
                )
            }
            ClaimError::Held { .. } | ClaimError::Moving { .. } => {
                Refusal::new(Code::TryAgainLater, error.to_string())
            }
            ClaimError::NeedsWorkload | ClaimError::Name { .. } => {
                Refusal::new(Code::InvalidEnvironment, error.to_string()).details("see CNI_ARGS")
            }
            ClaimError::Different { .. } => {
                Refusal::new(Code::InvalidConfig, error.to_string()).details("DEL comes first")
            }
            _ => Refusal::new(Code::InvalidConfig, error.to_string()),
        }
    }
}

impl Config {
    /// The address asked for of each range set. Each address asked for must be one that a set may give.
    pub(crate) fn wishes(&self) -> Result<Vec<Option<IpAddr>>, Refusal> {
        let mut open = self.requested.clone();
        let mut out = Vec::with_capacity(self.sets.len());
        for (i, set) in self.sets.iter().enumerate() {
            let found = open.iter().position(|a| set.range_of(*a).is_some());
            let wish = found.map(|at| open.remove(at));
            if let Some(address) = wish
                && set.range_of(address).is_some_and(|r| r.gateway == address)
            {
                let message = format!(
                    "failed to allocate for range {i}: requested ip {address} is subnet's gateway"
                );
                return Err(
                    Refusal::new(Code::InvalidConfig, message).details("ask for another address")
                );
            }
            out.push(wish);
        }
        if open.is_empty() {
            return Ok(out);
        }
        let left: Vec<String> = open.iter().map(IpAddr::to_string).collect();
        let sets: Vec<String> = self.sets.iter().map(RangeSet::shown).collect();
        Err(Refusal::new(
            Code::InvalidConfig,
            format!("failed to allocate all requested IPs: {}", left.join(" ")),
        )
        .details(format!(
            "each range set gives one address; the sets are {}",
            sets.join(" and ")
        )))
    }

    /// What a result says of an address: the configuration's subnet and gateway; of one that an earlier configuration gave, its
    /// pool's.
    fn shown(&self, lease: &ipam::claim::Lease) -> (Address, bool) {
        let range = self.sets.iter().find_map(|set| set.range_of(lease.address));
        let address = Address {
            address: lease.address,
            prefix_length: range.map_or(lease.prefix_length, |r| r.subnet.prefix()),
            gateway: range.map_or(lease.gateway, |r| Some(r.gateway)),
        };
        (address, range.is_some())
    }
}

impl<S: Store> Allocator<S> {
    /// Makes all claims of an attachment, or none; nothing where the pools are no longer as they were found.
    pub(crate) async fn claim_all<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        config: &Config,
        names: &[Vec<String>],
        requested: &[Option<IpAddr>],
        wait: &mut impl FnMut(Duration) -> W,
    ) -> Result<Option<Vec<Address>>, Refusal> {
        let mut given: Vec<(usize, Address)> = Vec::new();
        let mut made: Vec<(String, u64)> = Vec::new();
        for (number, sets) in groups(&config.sets, names).iter().enumerate() {
            let group = Group::new(config, number, sets, names, requested);
            let several = sets.iter().copied().find(|&set| names[set].len() > 1);
            let last = several.and_then(|set| self.cursors.last(set));
            let last =
                last.filter(|&l| several.is_some_and(|set| config.sets[set].range_of(l).is_some()));
            let host = self.host.clone();
            let mut request = group.request(&group.owner, last);
            request.host = host.as_deref();
            let claimed = self.part().claim(now, &request, &mut *wait).await;
            let grant = match claimed {
                Ok(grant) => grant,
                Err(ipam::store::TransactError::Refused(ClaimError::UnknownPool(_))) => {
                    self.undo(now, &made, wait).await?;
                    return Ok(None);
                }
                Err(error) => {
                    self.undo(now, &made, wait).await?;
                    return Err(not_done(error, |e| group.refusal(config, &e)));
                }
            };
            if !grant.reused() {
                made.push((group.owner.clone(), grant.sequence));
            }
            if !self.note(config, &group, &grant, &mut given, several) {
                self.undo(now, &made, wait).await?;
                return Ok(None);
            }
        }
        given.sort_by_key(|(set, _)| *set);
        Ok(Some(
            given.into_iter().map(|(_, address)| address).collect(),
        ))
    }

    /// Takes note of what was granted; whether all of it is what the configuration gives.
    fn note(
        &self,
        config: &Config,
        group: &Group<'_>,
        grant: &Grant,
        given: &mut Vec<(usize, Address)>,
        several: Option<usize>,
    ) -> bool {
        for lease in &grant.leases {
            let (address, fits) = config.shown(lease);
            // Another configuration changed the pool in between. What the attachment has had is its own all the same.
            if !fits && !grant.reused() {
                return false;
            }
            let set = group.set_of(config, Family::of(lease.address));
            if several == Some(set) && !grant.reused() {
                self.cursors.note(set, lease.address);
            }
            given.push((set, address));
        }
        true
    }

    /// Releases what this ADD has claimed so far.
    async fn undo<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        made: &[(String, u64)],
        wait: &mut impl FnMut(Duration) -> W,
    ) -> Result<(), Refusal> {
        for (owner, sequence) in made {
            let released = self.part().release(now, owner, *sequence, &mut *wait).await;
            released.map_err(|e| not_done(e, |e| Refusal::new(Code::Io, e.to_string())))?;
        }
        Ok(())
    }
}
