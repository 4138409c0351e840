//! The cluster's model and its first placement, for both runs the same.

use crate::error::Error;
use crate::host::{HOST_CORES, SAFETY};
use crate::trace::Trace;
use scheduler_core::live::ProtectorConfig;
use scheduler_core::model::{Node, Resource, Service, Task};
use scheduler_core::search::{ByCount, Placer};
use scheduler_core::{Cluster, ModelBuilder, Protector};

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

/// Hosts of 8 cores in two regions; at most ceil(replicas / hosts) of a service on a host, and a service of two
/// or more in both regions; placed by count.
pub(super) fn place(trace: &Trace, hosts: usize) -> Result<Protector, Error> {
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
    for container in &trace.containers {
        let service = services[container.service];
        // What a container takes of the CPU is measured, not declared; a slot is all it asks for.
        let task = Task {
            service,
            need: &[0, 1],
            move_cost: 1,
        };
        builder.task(task).map_err(|e| internal(&e))?;
    }
    let model = builder.build().map_err(|e| internal(&e))?;
    let assignment = ByCount.place(&model).map_err(|e| {
        let what = format!(
            "{} containers on {hosts} hosts: {e}",
            trace.containers.len()
        );
        Error::infeasible(what, "--hosts")
    })?;
    let cluster = Cluster::new(model, &assignment).map_err(|e| internal(&e))?;
    Protector::new(cluster, CPU, ProtectorConfig::default()).map_err(|e| internal(&e))
}
