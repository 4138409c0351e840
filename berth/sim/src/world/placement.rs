//! The cluster's model, and the first placement that a policy asks for.

use super::Setup;
use crate::error::Error;
use crate::host::{HOST_CORES, SAFETY};
use crate::policy::Policy;
use crate::trace::Trace;
use crate::upsample::Upsampler;
use scheduler_core::live::{ProtectorConfig, Worth};
use scheduler_core::model::{Node, Resource, Service, Task};
use scheduler_core::search::{ByCount, ByLoad, Placer};
use scheduler_core::{Cluster, Model, ModelBuilder, Protector};
use std::time::Duration;

/// Most replicas on a host, counted on both hosts while one moves: the kubelet's default `maxPods`.
const SLOTS: u64 = 110;
/// Resource 0: CPU in millicores, whose safety capacity is the overload threshold.
const CPU: usize = 0;
/// Regions; hosts take turns.
const REGIONS: usize = 2;

/// The region of a host.
pub(super) fn region(host: usize) -> usize {
    host % REGIONS
}

/// Places and protects.
pub(super) fn place(setup: &Setup<'_>) -> Result<Protector, Error> {
    let (trace, hosts) = (setup.trace, setup.hosts);
    let internal = |e: &dyn std::fmt::Display| Error::infeasible(e.to_string(), "placement");
    let model = model(trace, hosts)?;
    let assignment = match setup.policy {
        Policy::ByCount => ByCount.place(&model),
        Policy::ByLoad | Policy::Greedy | Policy::Protected => {
            let (loads, resource) = (&first_loads(setup), CPU);
            ByLoad { loads, resource }.place(&model)
        }
    };
    let assignment = assignment.map_err(|e| {
        let what = format!(
            "{} containers on {hosts} hosts: {e}",
            trace.containers.len()
        );
        Error::infeasible(what, "--hosts")
    })?;
    let cluster = Cluster::new(model, &assignment).map_err(|e| internal(&e))?;
    Protector::new(cluster, CPU, protection()).map_err(|e| internal(&e))
}

/// How the platform protects itself: as by default, with a short average of five seconds, since hosts step from one sample
/// to the next, and moves that must pay.
fn protection() -> ProtectorConfig {
    // What a moving container loses is said per container, by its move cost.
    let worth = Worth::default()
        .with_gap(Duration::ZERO)
        .with_transfer(Duration::from_secs(1));
    ProtectorConfig::default()
        .with_fast_samples(5)
        .with_moves_per_task(4)
        .with_moves_per_node(4)
        .with_retry(Duration::from_secs(1))
        .with_worth(Some(worth))
}

/// Each container's mean demand before the first judged second, in microcores.
fn first_loads(setup: &Setup<'_>) -> Vec<u64> {
    let count = setup.trace.containers.len();
    let (mut now, mut sums) = (vec![0.0; count], vec![0.0; count]);
    let mut upsampler = Upsampler::new(setup.trace, setup.between, setup.seed);
    let seconds = setup.judged_from().max(1);
    for second in 0..seconds {
        upsampler.step(second, &mut now);
        for (sum, now) in sums.iter_mut().zip(&now) {
            *sum += f64::from(*now);
        }
    }
    let mean = |sum: &f64| (sum / seconds as f64 * 1e6).round() as u64;
    sums.iter().map(mean).collect()
}

/// Hosts of 8 cores in two regions; at most ceil(replicas / hosts) of a service on a host, and a service of two
/// or more in both regions.
fn model(trace: &Trace, hosts: usize) -> Result<Model, Error> {
    let internal = |e: &dyn std::fmt::Display| Error::infeasible(e.to_string(), "placement");
    let resources = [
        Resource {
            transient: false,
            load_weight: 1,
        },
        Resource {
            transient: true,
            load_weight: 0,
        },
    ];
    let mut builder = ModelBuilder::new(&resources).map_err(|e| internal(&e))?;
    let millicores = (HOST_CORES * 1_000.0) as u64;
    let safety = (HOST_CORES * SAFETY * 1_000.0) as u64;
    for host in 0..hosts {
        let (location, neighbourhood) = (region(host) as u64, 0);
        let (capacity, safety) = (&[millicores, SLOTS], &[safety, SLOTS]);
        builder
            .node(Node {
                location,
                neighbourhood,
                capacity,
                safety,
            })
            .map_err(|e| internal(&e))?;
    }
    let mut replicas = vec![0u32; trace.services.len()];
    for container in &trace.containers {
        replicas[container.service] += 1;
    }
    let mut services = Vec::with_capacity(replicas.len());
    for &replicas in &replicas {
        let per_node = replicas
            .div_ceil(u32::try_from(hosts).unwrap_or(u32::MAX))
            .max(1);
        let spread = replicas.min(REGIONS as u32);
        services.push(
            builder
                .service(Service { spread, per_node })
                .map_err(|e| internal(&e))?,
        );
    }
    for (index, container) in trace.containers.iter().enumerate() {
        let service = services[container.service];
        // What a container takes of the CPU is measured, not declared; a slot is all it asks for.
        let task = Task {
            service,
            need: &[0, 1],
            // A tenth of it for so many seconds is the second for which nobody answers at a fixed address that moves.
            move_cost: if super::addresses::is_fixed(index) {
                10
            } else {
                0
            },
        };
        builder.task(task).map_err(|e| internal(&e))?;
    }
    builder.build().map_err(|e| internal(&e))
}
