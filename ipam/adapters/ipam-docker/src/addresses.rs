//! RequestAddress and ReleaseAddress: gateways and containers come and go.

use crate::driver::{Decided, Driver};
use crate::message::{AddressRelease, AddressRequest, Reply};
use crate::names::{Attachment, PoolId, Retainer, is_any, is_gateway, is_retainer};
use crate::options::{restart, sticky};
use crate::pools::networks;
use crate::refusal::Refusal;
use ipam::claim::{Families, Holder};
use ipam::net::{AddressRange, Cidr, Family, number};
use ipam::{Change, Ipam, PoolSpec, Request};
use std::net::IpAddr;
use std::time::Duration;

/// Most addresses of a range that are looked at for a free one.
const MOST_LOOKS: u128 = 1 << 16;

/// An address that is about to be claimed.
pub(crate) struct Wanted<'a> {
    pub(crate) spec: &'a PoolSpec,
    pub(crate) attachment: Attachment,
    /// For whom it is retained after its release, and how long.
    pub(crate) retainer: String,
    pub(crate) retention: Duration,
}

impl Driver {
    pub(crate) fn request_address(&self, ipam: &Ipam, request: &AddressRequest) -> Decided {
        let id = PoolId::needed(ipam, &request.pool_id)?;
        let spec = spec(ipam, &id)?;
        let asked = address(&request.address)?;
        if let Some(asked) = asked.filter(|asked| !spec.cidr.contains(*asked)) {
            return Err(Refusal::refused(format!("{asked} is not in {}", spec.cidr)));
        }
        let (address, changes) = match (request.is_gateway(), asked) {
            (true, asked) => self.gateway(ipam, &id, spec, asked)?,
            (false, Some(asked)) => self.asked(ipam, &id, spec, asked)?,
            (false, None) => self.next(ipam, &id, spec, request.endpoint())?,
        };
        let length = spec.cidr.prefix();
        Ok((Reply::Address(format!("{address}/{length}")), changes))
    }

    /// A network's gateway. Networks that share a pool share it, and who asks again is answered the same.
    fn gateway(
        &self,
        ipam: &Ipam,
        id: &PoolId,
        spec: &PoolSpec,
        asked: Option<IpAddr>,
    ) -> Result<(IpAddr, Vec<Change<'static>>), Refusal> {
        let claim = |address| {
            let attachment = Attachment::Gateway { address };
            let retainer = Retainer::Gateway(address).workload(&self.host);
            let retention = sticky(spec);
            let wanted = Wanted {
                spec,
                attachment,
                retainer,
                retention,
            };
            self.claim(ipam, &wanted).map(|changes| (address, changes))
        };
        if let Some(asked) = asked {
            let has = ipam
                .claim_of(&Attachment::Gateway { address: asked }.owner(&self.host))
                .is_some();
            return match has || spec.gateway == Some(asked) {
                true => Ok((asked, Vec::new())),
                false => claim(asked),
            };
        }
        if let Some(gateway) = spec.gateway {
            return Ok((gateway, Vec::new()));
        }
        if let Some(has) = self.known_gateway(ipam, id, spec) {
            return Ok((has, Vec::new()));
        }
        let usual = usual_gateway(id, spec);
        let usual = usual.filter(|first| match ipam.holder(*first) {
            Some(Holder::Free) => true,
            Some(Holder::Retained(workload)) => is_gateway(workload),
            _ => false,
        });
        claim(match usual {
            Some(first) => first,
            None => self.free(ipam, id, spec)?,
        })
    }

    /// The gateway that networks of this host already have of a pool, or of a range of it.
    pub(crate) fn known_gateway(
        &self,
        ipam: &Ipam,
        id: &PoolId,
        spec: &PoolSpec,
    ) -> Option<IpAddr> {
        let within = |address| id.range.is_none_or(|range: Cidr| range.contains(address));
        let claims = ipam.claims_of_host(&self.host);
        let gateways =
            claims.filter_map(
                |claim| match Attachment::of_owner(&self.host, claim.owner()) {
                    Some(Attachment::Gateway { address }) => Some(address),
                    _ => None,
                },
            );
        gateways
            .filter(|a| spec.cidr.contains(*a) && within(*a))
            .min()
    }

    /// A container's or an auxiliary address that is asked for by number: nobody's, or one that an engine gave back. In quarantine it
    /// is nobody's yet.
    fn asked(
        &self,
        ipam: &Ipam,
        id: &PoolId,
        spec: &PoolSpec,
        asked: IpAddr,
    ) -> Result<(IpAddr, Vec<Change<'static>>), Refusal> {
        let (address, range) = (asked, id.range);
        if let Some(Holder::Held(claim)) = ipam.holder(address) {
            let owner = claim.owner();
            return Err(Refusal::refused(format!("{address} is in use by {owner}")));
        }
        let wanted = Wanted {
            spec,
            attachment: Attachment::Endpoint { address, range },
            retainer: Retainer::Asked(address).workload(&self.host),
            retention: sticky(spec),
        };
        self.claim(ipam, &wanted).map(|changes| (address, changes))
    }

    /// Any address for a container: its own of before where the engine tells its name; one that was released just now, which is what
    /// a restart looks like; else a free one.
    fn next(
        &self,
        ipam: &Ipam,
        id: &PoolId,
        spec: &PoolSpec,
        name: Option<&str>,
    ) -> Result<(IpAddr, Vec<Change<'static>>), Refusal> {
        let own = name.map(|name| Retainer::Named(name).workload(&self.host));
        let left = match &own {
            Some(workload) => self.left_for(ipam, id, spec, |w| w == workload),
            None => self.left_for(ipam, id, spec, |w| is_any(&self.host, w)),
        };
        let address = match left {
            Some(address) => address,
            None => self.free(ipam, id, spec)?,
        };
        let retention = if own.is_some() {
            sticky(spec)
        } else {
            restart(spec)
        };
        let range = id.range;
        let wanted = Wanted {
            spec,
            attachment: Attachment::Endpoint { address, range },
            retainer: own.unwrap_or_else(|| Retainer::Any(address).workload(&self.host)),
            retention,
        };
        self.claim(ipam, &wanted).map(|changes| (address, changes))
    }

    /// The address of a pool that waits longest for somebody. Linear in what is retained.
    fn left_for(
        &self,
        ipam: &Ipam,
        id: &PoolId,
        spec: &PoolSpec,
        whom: impl Fn(&str) -> bool,
    ) -> Option<IpAddr> {
        let all = ipam.retained();
        let left = all.iter().filter(|left| {
            let within = id.range.is_none_or(|range| range.contains(left.address));
            !left.reserved && left.pool == spec.name && within && whom(left.identity.workload)
        });
        left.min_by_key(|left| left.until).map(|left| left.address)
    }

    /// A free address: of the network's range, if it draws from one, else whichever the pool gives next.
    fn free(&self, ipam: &Ipam, id: &PoolId, spec: &PoolSpec) -> Result<IpAddr, Refusal> {
        if let Some(range) = id.range {
            let (first, last) = (number(range.first()), number(range.last()));
            let last = last.min(first.saturating_add(MOST_LOOKS - 1));
            let mut looks = (first..=last).map(|n| range.family().address(n));
            let free = looks.find(|address| matches!(ipam.holder(*address), Some(Holder::Free)));
            return free.ok_or_else(|| {
                Refusal::refused(format!(
                    "no address is free in {range} of pool {:?}",
                    spec.name
                ))
            });
        }
        let (owner, pools) = (format!("docker/{}/next", self.host), [&*spec.name]);
        let request = Request::new(&owner)
            .host(&self.host)
            .pools(&pools)
            .families(families(spec));
        let decision = ipam
            .decide_claim(&request)
            .map_err(|e| Refusal::refused(e.to_string()))?;
        decision
            .grant
            .address()
            .ok_or_else(|| Refusal::failed("a grant without an address"))
    }

    /// The changes that claim an address. One that is retained for something of an engine's is had by whoever asks for it.
    pub(crate) fn claim(
        &self,
        ipam: &Ipam,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Change<'static>>, Refusal> {
        let address = wanted.attachment.address();
        let owner = wanted.attachment.owner(&self.host);
        if ipam.claim_of(&owner).is_some() {
            return Err(Refusal::refused(format!("{address} is in use by {owner}")));
        }
        let retained = match ipam.holder(address) {
            Some(Holder::Retained(workload)) if is_retainer(workload) => Some(workload),
            _ => None,
        };
        let (pools, addresses) = ([&*wanted.spec.name], [address]);
        let mut request = Request::new(&owner)
            .host(&self.host)
            .pools(&pools)
            .addresses(&addresses)
            .families(families(wanted.spec));
        if retained.is_some() || !wanted.retention.is_zero() {
            request = request
                .workload(retained.unwrap_or(&wanted.retainer))
                .sticky(wanted.retention);
        }
        let decision = ipam
            .decide_claim(&request)
            .map_err(|e| Refusal::refused(e.to_string()))?;
        Ok(decision
            .changes
            .into_iter()
            .map(Change::into_owned)
            .collect())
    }

    /// What is not held by this host's engine is not released: it may be another's by now.
    pub(crate) fn release_address(&self, ipam: &Ipam, release: &AddressRelease) -> Decided {
        let address =
            address(&release.address)?.ok_or_else(|| Refusal::bad("Address: none is given"))?;
        let Some(id) = PoolId::known(ipam, &release.pool_id) else {
            return Ok((Reply::Done, Vec::new()));
        };
        let spec = spec(ipam, &id)?;
        let range = id.range;
        let endpoint = Attachment::Endpoint { address, range }.owner(&self.host);
        let gateway = Attachment::Gateway { address }.owner(&self.host);
        let claim = match ipam.claim_of(&endpoint) {
            Some(claim) => claim,
            None => match ipam.claim_of(&gateway) {
                // Another network's too, until the last one gives the pool back.
                Some(claim) if networks(spec, &self.host) <= 1 => claim,
                _ => return Ok((Reply::Done, Vec::new())),
            },
        };
        let change = ipam.decide_release(claim.owner(), claim.sequence());
        let change = change.map_err(|e| Refusal::failed(e.to_string()))?;
        Ok((Reply::Done, vec![change.into_owned()]))
    }
}

fn spec<'a>(ipam: &'a Ipam, id: &PoolId) -> Result<&'a PoolSpec, Refusal> {
    let pool = ipam.pool(&id.pool);
    let gone = || Refusal::refused(format!("no pool {:?} in the store", id.pool));
    pool.map(ipam::pool::PoolRef::spec).ok_or_else(gone)
}

fn families(spec: &PoolSpec) -> Families {
    match spec.cidr.family() {
        Family::V4 => Families::V4,
        Family::V6 => Families::V6,
    }
}

/// The gateway that a network has, unless it is taken: the first address.
pub(crate) fn usual_gateway(id: &PoolId, spec: &PoolSpec) -> Option<IpAddr> {
    let whole = id.range.unwrap_or(spec.cidr).range();
    whole
        .intersection(spec.cidr.usable())
        .map(AddressRange::first)
}

/// An address, or none.
fn address(text: &str) -> Result<Option<IpAddr>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let shown: String = text.chars().take(80).collect();
    let address = text
        .parse()
        .map_err(|_| Refusal::bad(format!("Address: {shown:?} is none")))?;
    Ok(Some(address))
}
