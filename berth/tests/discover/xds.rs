//! A real Envoy, told by xDS.

use crate::proxies::{follows, world};
use std::net::SocketAddr;
use test_support::proxies::{free_port, start_envoy_xds};
use test_support::running::{metric, until};

fn envoy_follows(dialect: &str) {
    let mut world = world();
    let server: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let sink = format!("xds:{server}");
    let metrics = format!("127.0.0.1:{}", free_port());
    let first = world.start(&sink, &["--metrics", &metrics]);
    let envoy = start_envoy_xds(&world.folder, server, dialect);
    let counted = |name: &str| metric(&metrics, name).expect("told");
    let rejected = "berth_discover_xds_responses_total{kind=\"rejected\"}";
    let accepted = "berth_discover_xds_responses_total{kind=\"accepted\"}";
    until("Envoy takes clusters and endpoints", || {
        counted(accepted) >= 2.0
    });
    assert_eq!(counted("berth_discover_xds_streams"), 1.0);
    assert_eq!(counted(rejected), 0.0);
    // Envoy goes on with what it has, and finds the next one.
    first.kill();
    follows(&mut world, &envoy, &|world| world.start(&sink, &[]));
}

pub(crate) fn envoy_follows_deltas_without_a_failed_request() {
    envoy_follows("DELTA_GRPC");
}

pub(crate) fn envoy_follows_the_whole_state_without_a_failed_request() {
    envoy_follows("GRPC");
}
