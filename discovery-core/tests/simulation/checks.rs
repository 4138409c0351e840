//! What must hold.

use std::collections::{BTreeMap, BTreeSet};

use discovery_core::endpoint::{RegionId, ServiceId};
use discovery_core::registry::diff;
use discovery_core::{EndpointId, Engine, Registry};

use super::world::{OWNER, World};

/// Entries of the registry that traffic may use.
pub(crate) fn serving(registry: &Registry) -> usize {
    registry.service("web").filter(|(_, e)| e.open()).count()
}

/// Who is ejected, and ejected ones and hosts by region as the cap counts them.
#[derive(Default)]
pub(crate) struct Ejections {
    who: BTreeSet<EndpointId>,
    regions: BTreeMap<RegionId, (u32, u32)>,
}

pub(crate) fn ejected(engine: &Engine, service: ServiceId) -> Ejections {
    let mut found = Ejections::default();
    for endpoint in engine
        .endpoints(service)
        .filter_map(|(id, _)| engine.endpoint(id))
    {
        if endpoint.ejected {
            found.who.insert(endpoint.id);
        }
        let c = endpoint.conditions;
        if c.ready && !c.terminating && !endpoint.draining {
            let entry = found.regions.entry(endpoint.region).or_default();
            entry.0 += u32::from(endpoint.ejected);
            entry.1 += 1;
        }
    }
    found
}

/// Whoever was ejected just now was within the cap of its region. (Whoever was ejected before may leave a drain, or
/// move to another region.)
pub(crate) fn cap(engine: &Engine, service: ServiceId, before: &Ejections) -> Result<(), String> {
    let after = ejected(engine, service);
    for id in after.who.difference(&before.who) {
        let Some(region) = engine.endpoint(*id).map(|e| e.region) else {
            continue;
        };
        let (now, hosts) = after.regions.get(&region).copied().unwrap_or_default();
        let (was, hosts_then) = before.regions.get(&region).copied().unwrap_or_default();
        if hosts == hosts_then && now * 100 > 40 * hosts {
            return Err(format!(
                "{now} of {hosts} ejected in one region, {was} before"
            ));
        }
    }
    Ok(())
}

impl World {
    /// No traffic later than one sync after the engine knew.
    pub(crate) fn stale(&self, proxy: usize, name: &str) -> Result<(), String> {
        let seen = self.proxies[proxy].seen_sync;
        match (self.zero_since.get(name), seen) {
            (Some(since), Some(sync)) if *since < sync => Err(format!(
                "{}: proxy {proxy} sends to {name}, without weight since {since}, synced at {sync}",
                self.now
            )),
            _ => Ok(()),
        }
    }

    /// After quiet.
    pub(crate) fn settled(&mut self) -> Result<(), String> {
        let engine = self
            .engine
            .as_ref()
            .ok_or("the engine is down at the end")?;
        let open = diff(
            "web",
            engine.registrations(self.service),
            &self.registry,
            OWNER,
        );
        if !open.is_empty() {
            return Err(format!("not converged: {open:?}"));
        }
        if engine.len() != self.pods.len() {
            return Err(format!(
                "{} endpoints, {} pods",
                engine.len(),
                self.pods.len()
            ));
        }
        if self.registry.get("web", "p1") != Some(&self.foreign()) {
            return Err("another's entry was touched".into());
        }
        let any = self.pods.values().any(|p| p.well && !p.drained);
        let (mut well, mut all) = (0u32, 0u32);
        for pod in self.pods.values().filter(|p| !p.drained) {
            (well, all) = (well + u32::from(pod.well), all + 1);
        }
        let panic = well * 2 < all;
        for (name, pod) in &self.pods {
            let id = engine.find(name).ok_or(format!("{name} is not known"))?;
            let endpoint = engine.endpoint(id).ok_or("no such endpoint")?;
            let used = !pod.drained && (pod.well || panic);
            if any
                && used
                && pod.well
                && endpoint.weight != pod.spec.base_weight * 1000
                && !endpoint.ejected
            {
                return Err(format!(
                    "{name} is well but {endpoint:?}, log:\n{}",
                    self.log.join("\n")
                ));
            }
            if !used && endpoint.weight != 0 {
                return Err(format!("{name} weighs {} and should not", endpoint.weight));
            }
        }
        self.shares()
    }

    /// Proxies hold what the registry says, and divide by it.
    fn shares(&mut self) -> Result<(), String> {
        let open = self.registry.service("web").filter(|(_, e)| e.open());
        let open: Vec<(String, u32)> = open.map(|(n, e)| (n.to_owned(), e.weight)).collect();
        for i in 0..self.proxies.len() {
            let proxy = &self.proxies[i];
            let held: Vec<(String, u32)> = proxy
                .names
                .iter()
                .cloned()
                .zip(proxy.weights.iter().copied())
                .collect();
            if held != open {
                return Err(format!("proxy {i} holds {held:?}, the registry {open:?}"));
            }
            let total: f64 = open.iter().map(|(_, w)| f64::from(*w)).sum();
            let mut counts = vec![0u32; open.len()];
            self.picks(i, 1_000)
                .into_iter()
                .for_each(|slot| counts[slot] += 1);
            for ((name, weight), count) in open.iter().zip(counts) {
                let fair = 1_000.0 * f64::from(*weight) / total;
                if (f64::from(count) - fair).abs() > 3.0 {
                    return Err(format!("{name} had {count} of 1000, fair is {fair:.1}"));
                }
            }
        }
        Ok(())
    }
}
