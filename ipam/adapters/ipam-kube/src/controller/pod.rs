//! What a pod needs.

use super::{Controller, Next};
use crate::effect::{Asked, Effect};
use crate::names::{PodId, WorkloadId, WorkloadKind};
use crate::object::{Pod, Workload, merged};
use crate::policy::{Policy, Retain};
use ipam::Ipam;
use ipam::claim::{ClaimRef, Holder};
use serde_json::{Value, json};
use std::net::IpAddr;

/// How many slots above the lowest free one are looked at for one that has an address already.
const AHEAD: u32 = 64;
/// Most slots of a workload.
const SLOTS: u32 = 1 << 20;

/// Why there is no answer yet.
type Other<T> = Result<T, Next>;

impl Controller {
    pub(super) fn look_at_pod(&self, id: &PodId, ipam: &Ipam) -> Next {
        let Some(pod) = self.view.pod(id) else {
            return Next::Nothing;
        };
        if pod.over {
            return self.release(id, ipam, false);
        }
        let owner = id.owner(&self.settings.cluster);
        if let Some(claim) = ipam.claim_of(&owner) {
            let lease = lease(claim);
            return match pod.lease.as_deref() == Some(&lease) {
                true => Next::Nothing,
                false => Next::Do(Box::new(Effect::Annotate {
                    pod: id.clone(),
                    version: pod.version.clone(),
                    lease,
                })),
            };
        }
        match &pod.node {
            Some(node) if !pod.of_node && !pod.leaving => {
                self.ask(pod, owner, node, ipam).unwrap_or_else(|next| next)
            }
            _ => Next::Nothing,
        }
    }

    /// The release of what a pod has.
    pub(super) fn release(&self, pod: &PodId, ipam: &Ipam, ask: bool) -> Next {
        let owner = pod.owner(&self.settings.cluster);
        match ipam.claim_of(&owner) {
            Some(claim) => Next::Do(Box::new(Effect::Release {
                pod: pod.clone(),
                sequence: claim.sequence(),
                owner,
                ask,
            })),
            None => Next::Nothing,
        }
    }

    fn ask(&self, pod: &Pod, owner: String, node: &str, ipam: &Ipam) -> Other<Next> {
        let workload = self.workload_of(pod)?;
        let policy = policy(pod, workload)?;
        let retain = policy.retention.unwrap_or_default();
        let refuse = |why: String| Next::Refused(workload.map(|w| w.id.uid.clone()), why);
        let slot = match workload {
            Some(workload) => self.slot(pod, &workload.id, retain, &policy, ipam)?,
            None if retain == Retain::Ephemeral => None,
            None => {
                return Err(refuse(
                    "only pods of a StatefulSet, Deployment or ReplicaSet can have an address retained"
                        .to_owned(),
                ));
            }
        };
        let addresses = policy.addresses_of(slot.unwrap_or(0));
        let addresses = addresses.map_err(|e| refuse(format!("{}: {}", e.field, e.problem)))?;
        let name = |w: &Workload| Some(w.id.slot(&self.settings.cluster, slot?));
        let of = workload;
        let workload = workload
            .filter(|_| retain != Retain::Ephemeral)
            .and_then(name);
        for name in workload.iter().chain([&owner]) {
            ipam::pool::check_name(name).map_err(|e| refuse(format!("`{name}`: {e}")))?;
        }
        if let Some(next) = self.in_the_way(&addresses, ipam) {
            return Ok(next);
        }
        if let (Some(slot), Some(of)) = (&workload, of)
            && retain == Retain::Fixed
            && is_replaced(slot, &policy, &addresses, ipam)
        {
            return Ok(Next::Do(Box::new(Effect::Unreserve {
                workload: of.id.clone(),
                slot: slot.clone(),
                unwanted: true,
            })));
        }
        Ok(Next::Do(Box::new(Effect::Claim {
            pod: pod.id.clone(),
            asked: Asked {
                owner,
                workload,
                host: node.to_owned(),
                retain,
                families: policy.wanted(),
                pools: policy.pools,
                addresses,
            },
        })))
    }

    /// What keeps an address that is asked for from being had: a pod that is gone.
    fn in_the_way(&self, addresses: &[IpAddr], ipam: &Ipam) -> Option<Next> {
        addresses.iter().find_map(|address| {
            let Holder::Held(claim) = ipam.holder(*address)? else {
                return None;
            };
            let holder = PodId::of_owner(&self.settings.cluster, claim.owner())?;
            let gone = !self.view.may_be(&holder);
            gone.then(|| self.release(&holder, ipam, true))
        })
    }

    /// The workload behind a pod; none where none is that addresses are retained for.
    fn workload_of(&self, pod: &Pod) -> Other<Option<&Workload>> {
        let mut controller = match &pod.controller {
            Some(controller) if WorkloadKind::named(&controller.kind).is_some() => controller,
            _ => return Ok(None),
        };
        // A ReplicaSet, and the Deployment above it.
        for _ in 0..2 {
            let there = self.view.workload_of(&controller.uid);
            let workload = there.ok_or_else(|| Next::Wait(controller.uid.clone()))?;
            if workload.id.namespace != pod.id.namespace {
                let why = format!("its owner {} is in another namespace", workload.id);
                return Err(Next::Refused(Some(controller.uid.clone()), why));
            }
            match &workload.controller {
                Some(above) if above.kind == WorkloadKind::Deployment.name() => controller = above,
                _ => return Ok(Some(workload)),
            }
        }
        Ok(None)
    }

    /// The slot of a pod among those of its workload; none where nothing is retained and none is needed.
    fn slot(
        &self,
        pod: &Pod,
        workload: &WorkloadId,
        retain: Retain,
        policy: &Policy,
        ipam: &Ipam,
    ) -> Other<Option<u32>> {
        let refuse = |why: String| Next::Refused(Some(workload.uid.clone()), why);
        if workload.kind == WorkloadKind::StatefulSet {
            let ordinal = ordinal(&pod.id.name, &workload.name);
            let ordinal = ordinal.ok_or_else(|| {
                refuse(format!("its name is not {} and an ordinal", workload.name))
            })?;
            if retain != Retain::Ephemeral {
                self.free_slot(pod, &workload.slot(&self.settings.cluster, ordinal), ipam)?;
            }
            return Ok(Some(ordinal));
        }
        if retain == Retain::Ephemeral {
            return match policy.addresses.is_empty() {
                true => Ok(None),
                false => Err(refuse(
                    "addresses of its workload's list need the retention sticky or fixed"
                        .to_owned(),
                )),
            };
        }
        self.choose(workload, policy, ipam).map(Some)
    }

    /// The lowest slot that nobody has; rather one that has an address already.
    fn choose(&self, workload: &WorkloadId, policy: &Policy, ipam: &Ipam) -> Other<u32> {
        let mut free = None;
        let mut held = None;
        for slot in 0..SLOTS {
            if free.is_some_and(|free| slot > free + AHEAD) {
                break;
            }
            if let Err(wrong) = policy.addresses_of(slot) {
                if slot == 0 {
                    let why = format!("{}: {}", wrong.field, wrong.problem);
                    return Err(Next::Refused(Some(workload.uid.clone()), why));
                }
                break;
            }
            let name = workload.slot(&self.settings.cluster, slot);
            if let Some(claim) = ipam.claims_of_workload(&name).next() {
                let holder = PodId::of_owner(&self.settings.cluster, claim.owner());
                let gone = holder.filter(|pod| !self.view.may_be(pod));
                held = held.or(gone);
                continue;
            }
            if ipam.retained_for(&name).next().is_some() {
                return Ok(slot);
            }
            free = free.or(Some(slot));
        }
        match (free, held) {
            (Some(slot), _) => Ok(slot),
            (None, Some(gone)) => Err(self.release(&gone, ipam, true)),
            (None, None) => {
                let why = "all addresses of its workload's list are held: list more".to_owned();
                Err(Next::Refused(Some(workload.uid.clone()), why))
            }
        }
    }

    /// Whether nobody else has a slot. Two pods of one name are never there at once: the other one's is released, if it is gone.
    fn free_slot(&self, pod: &Pod, name: &str, ipam: &Ipam) -> Other<()> {
        let cluster = &self.settings.cluster;
        for claim in ipam.claims_of_workload(name) {
            let Some(holder) = PodId::of_owner(cluster, claim.owner()) else {
                let why = format!("`{}` has its address: release that claim", claim.owner());
                return Err(Next::Refused(None, why));
            };
            if holder == pod.id {
                continue;
            }
            return Err(match self.view.may_be(&holder) {
                true => Next::Wait(holder.uid),
                false => self.release(&holder, ipam, true),
            });
        }
        Ok(())
    }
}

/// Whether what is reserved for a slot is not what is asked for any more.
fn is_replaced(slot: &str, policy: &Policy, addresses: &[IpAddr], ipam: &Ipam) -> bool {
    ipam.reserved_for(slot).any(|reserved| {
        let listed = addresses.is_empty() || addresses.contains(&reserved);
        let pool = ipam.retained_at(reserved).map(|retained| retained.pool);
        let wanted = |pool: &str| policy.pools.iter().any(|wanted| wanted == pool);
        !listed || !policy.pools.is_empty() && !pool.is_none_or(wanted)
    })
}

/// What a pod asks for, and its workload where that says nothing.
fn policy(pod: &Pod, workload: Option<&Workload>) -> Other<Policy> {
    let uid = workload.map(|w| w.id.uid.clone());
    let of_pod = pod.policy.clone();
    let of_workload = workload.map_or(Ok(None), |w| w.policy.clone());
    let both = of_pod.and_then(|one| Ok(merged(one, of_workload?)));
    let both = both.map_err(|e| Next::Refused(uid, format!("{}: {}", e.field, e.problem)));
    Ok(both?.unwrap_or_default())
}

/// The ordinal of a StatefulSet's pod, which its name ends with.
fn ordinal(pod: &str, set: &str) -> Option<u32> {
    let digits = pod.strip_prefix(set)?.strip_prefix('-')?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// A claim as it is written to its pod.
fn lease(claim: ClaimRef<'_>) -> String {
    let addresses = claim.leases().into_iter().map(|lease| {
        let mut address = json!({
            "address": format!("{}/{}", lease.address, lease.prefix_length),
            "pool": &*lease.pool,
        });
        let mut add = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                address[key] = value;
            }
        };
        add("gateway", lease.gateway.map(|g| g.to_string().into()));
        add("vlan", lease.vlan.map(Into::into));
        add("bridge", lease.bridge.as_deref().map(Into::into));
        address
    });
    let addresses: Vec<Value> = addresses.collect();
    json!({"addresses": addresses, "sequence": claim.sequence()}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_written_one_way() {
        assert_eq!(ordinal("web-0", "web"), Some(0));
        assert_eq!(ordinal("web-10", "web"), Some(10));
        for odd in [
            "web",
            "web-",
            "web-01",
            "web-+1",
            "web-x",
            "wub-1",
            "web-99999999999",
        ] {
            assert_eq!(ordinal(odd, "web"), None, "{odd}");
        }
    }
}
