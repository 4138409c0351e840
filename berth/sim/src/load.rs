//! The world's physics: whose requests land where, what they cost, and what a host's cores can't serve.
//!
//! A service's demand is the sum of its containers' traces. It is divided over the serving replicas by trace
//! times effective over base weight, renormalised so that the service's sum stays. A replica that began to
//! serve less than 60 s ago costs up to three times the CPU per request. A container can use its own whole cores
//! (one in traces that are percentages of one core), and a host's cores are shared in proportion to demand; what
//! exceeds either is lost, not queued. Network demand follows the requests.

use super::host::{HOST_CORES, SAFETY};

/// Seconds until a replica that has begun to serve is warm.
pub(super) const COLD_SECONDS: u64 = 60;
/// CPU per request of a stone-cold replica, over that of a warm one.
const COLD_COST: f32 = 3.0;
/// Network demand of one core's requests, in bit/s each way: 0.5 Gbit/s. A host at its safety capacity sends 3.2
/// of its uplink's 10 Gbit/s, and one container's core more than an equal share of the uplink.
pub(super) const BITS_PER_CORE: f32 = 0.5e9;

/// One running copy of a container.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    /// Which container of the trace it runs.
    pub container: usize,
    /// Its service.
    pub service: usize,
    /// Its host.
    pub host: usize,
    /// Effective over base weight, as the callers know it since the last sync: 0 gets no traffic.
    pub factor: f32,
    /// The second in which it first had traffic; `None` while it has had none. 0 and `warm` for those that
    /// ran before the day began.
    pub serving_since: Option<u64>,
    /// Whether it was warm when the day began.
    pub warm: bool,
    /// What it asks of the host's CPU in this second, in cores.
    pub need: f32,
    /// The requests that land on it in this second, in warm cores.
    pub requests: f32,
}

impl Replica {
    /// CPU per request at `second`, over a warm replica's.
    fn cost(&self, second: u64) -> f32 {
        match self.serving_since {
            _ if self.warm => 1.0,
            Some(since) if second < since + COLD_SECONDS => {
                let age = (second - since) as f32 / COLD_SECONDS as f32;
                COLD_COST - (COLD_COST - 1.0) * age
            }
            Some(_) => 1.0,
            None => COLD_COST,
        }
    }

    /// Whether it began to serve less than 60 s before `second`.
    pub(super) fn starting(&self, second: u64) -> bool {
        !self.warm
            && self
                .serving_since
                .is_some_and(|since| second < since + COLD_SECONDS)
    }
}

/// What a second's demand came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lost {
    /// Core-seconds beyond the hosts' cores.
    pub over: f64,
    /// Core-seconds beyond a container's own cores.
    pub own: f64,
    /// The part of both that fell on starting replicas.
    pub starting: f64,
    /// Core-seconds for which no replica was there to ask.
    pub gap: f64,
    /// Core-seconds served late, on hosts above their safety capacity: [`late`].
    pub late: f64,
}

/// Core-seconds of a second that a host serves late: what lies above its safety capacity, weighed by how far
/// the host is from it to full. `asked` is in cores.
///
/// With demand D, capacity C and safety s: `max(0, min(D, C) - sC) * (min(D / C, 1) - s) / (1 - s)`.
fn late(asked: f64) -> f64 {
    let used = asked.min(HOST_CORES);
    let above = (used - SAFETY * HOST_CORES).max(0.0);
    above * (used / HOST_CORES - SAFETY).max(0.0) / (1.0 - SAFETY)
}

/// Buffers for a second's division, kept from one to the next.
#[derive(Debug)]
pub(super) struct Load {
    demand: Vec<f32>,
    weight: Vec<f32>,
    /// Each container's own cores: it can use no more.
    limits: Vec<f32>,
    /// Asked of each host, in cores.
    pub asked: Vec<f64>,
}

impl Load {
    pub(super) fn new(services: usize, hosts: usize, limits: Vec<f32>) -> Self {
        let (demand, weight) = (vec![0.0; services], vec![0.0; services]);
        Self {
            demand,
            weight,
            limits,
            asked: vec![0.0; hosts],
        }
    }

    /// Divides `trace` (cores by container; `of` is each container's service) over the replicas and adds up
    /// the hosts. `awaiting_address[c]` marks a container whose own address is being handed over: its callers hold
    /// that address and find nobody.
    pub(super) fn divide(
        &mut self,
        second: u64,
        trace: &[f32],
        of: &[usize],
        awaiting_address: &[bool],
        replicas: &mut [Option<Replica>],
    ) -> Lost {
        let mut lost = Lost::default();
        self.demand.fill(0.0);
        self.weight.fill(0.0);
        self.asked.fill(0.0);
        for ((&demand, &service), &awaiting_address) in trace.iter().zip(of).zip(awaiting_address) {
            if awaiting_address {
                lost.gap += f64::from(demand);
            } else {
                self.demand[service] += demand;
            }
        }
        for replica in replicas.iter().flatten() {
            self.weight[replica.service] += trace[replica.container] * replica.factor;
        }
        for (demand, weight) in self.demand.iter().zip(&mut self.weight) {
            if *weight > 0.0 {
                *weight = demand / *weight;
            } else {
                lost.gap += f64::from(*demand);
            }
        }
        for replica in replicas.iter_mut().flatten() {
            let scale = self.weight[replica.service];
            replica.requests = trace[replica.container] * replica.factor * scale;
            if replica.factor > 0.0 && replica.serving_since.is_none() {
                replica.serving_since = Some(second);
            }
            let (wanted, limit) = (
                replica.requests * replica.cost(second),
                self.limits[replica.container],
            );
            replica.need = wanted.min(limit);
            if wanted > limit {
                lost.own += f64::from(wanted - limit);
                if replica.starting(second) {
                    lost.starting += f64::from(wanted - limit);
                }
            }
            self.asked[replica.host] += f64::from(replica.need);
        }
        for replica in replicas.iter().flatten().filter(|r| r.starting(second)) {
            let asked = self.asked[replica.host];
            if asked > HOST_CORES {
                lost.starting += f64::from(replica.need) * (1.0 - HOST_CORES / asked);
            }
        }
        lost.late = self.asked.iter().map(|&a| late(a)).sum();
        lost.over = self.asked.iter().map(|&a| (a - HOST_CORES).max(0.0)).sum();
        lost
    }

    /// Use of a host: what it was asked for, up to its cores.
    pub(super) fn used(&self, host: usize) -> f64 {
        self.asked.get(host).copied().unwrap_or(0.0).min(HOST_CORES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(container: usize, service: usize, host: usize, factor: f32) -> Option<Replica> {
        let (serving_since, need, requests) = (None, 0.0, 0.0);
        Some(Replica {
            container,
            service,
            host,
            factor,
            serving_since,
            warm: true,
            need,
            requests,
        })
    }

    #[test]
    fn a_services_sum_stays_while_weights_differ() {
        let mut load = Load::new(2, 2, vec![4.0; 4]);
        let mut replicas = vec![
            replica(0, 0, 0, 1.0),
            replica(0, 0, 1, 0.25),
            None,
            replica(1, 0, 1, 1.0),
            replica(2, 1, 0, 0.1),
        ];
        let lost = load.divide(5, &[0.5, 0.3, 0.2], &[0, 0, 1], &[false; 3], &mut replicas);
        assert_eq!(lost, Lost::default());
        let sum: f32 = replicas
            .iter()
            .flatten()
            .filter(|r| r.service == 0)
            .map(|r| r.requests)
            .sum();
        assert!((sum - 0.8).abs() < 1e-6);
        let ratio = |a: usize, b: usize| {
            let of = |i: usize| replicas[i].as_ref().map_or(0.0, |r| r.requests);
            of(a) / of(b)
        };
        assert!((ratio(0, 1) - 4.0).abs() < 1e-5);
        assert!((ratio(0, 3) - 0.5 / 0.3).abs() < 1e-5);
        assert!((load.asked.iter().sum::<f64>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn what_exceeds_the_cores_or_finds_nobody_is_lost() {
        let mut load = Load::new(2, 1, vec![100.0; 4]);
        let mut cold = replica(0, 0, 0, 1.0);
        if let Some(r) = &mut cold {
            r.warm = false;
        }
        let mut replicas = vec![cold, replica(1, 0, 0, 1.0), replica(2, 1, 0, 0.0)];
        // 3 cores at three times the cost and 3 warm ones: 12 asked of 8.
        let lost = load.divide(
            0,
            &[3.0, 3.0, 0.5, 0.25],
            &[0, 0, 1, 0],
            &[false, false, false, true],
            &mut replicas,
        );
        assert!((lost.over - 4.0).abs() < 1e-6, "{lost:?}");
        assert!((lost.starting - 9.0 / 3.0).abs() < 1e-6, "{lost:?}");
        assert!((lost.gap - 0.75).abs() < 1e-6, "{lost:?}");
        assert_eq!(load.used(0), 8.0);
    }

    #[test]
    fn what_is_late_grows_from_the_safety_capacity_to_a_full_host() {
        assert_eq!((late(0.0), late(6.4)), (0.0, 0.0));
        // Half way: 0.8 cores above, weighed by a half. Full or more: 1.6 cores, weighed by one.
        assert!((late(7.2) - 0.4).abs() < 1e-9);
        assert!((late(8.0) - 1.6).abs() < 1e-9);
        assert_eq!(late(8.0), late(12.0));
    }

    #[test]
    fn a_replica_is_warm_after_a_minute_of_serving() {
        let mut r = replica(0, 0, 0, 1.0).expect("a replica");
        (r.warm, r.serving_since) = (false, Some(100));
        assert_eq!((r.cost(100), r.cost(130), r.cost(160)), (3.0, 2.0, 1.0));
        assert!(r.starting(159) && !r.starting(160));
    }
}
