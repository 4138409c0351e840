//! `berth discover` as a process, end to end: files, an operator's commands, and real proxies under load.

mod commands;
mod kube;
mod load;
mod proxies;
mod samples;
mod world;
mod xds;

use test_support::Need;
use test_support::proxies::{ENVOY, HAPROXY, NGINX};

/// Features of this binary.
const XDS: Need = Need::Other("xds", || match cfg!(feature = "xds") {
    true => Ok(()),
    false => Err("built without the feature `xds`".to_owned()),
});
const KUBE: Need = Need::Other("kube", || match cfg!(feature = "kube") {
    true => Ok(()),
    false => Err("built without the feature `kube`".to_owned()),
});

test_support::tests! {
    commands::what_is_refused_at_the_start_is_told [],
    commands::a_source_is_followed_and_bad_records_stop_no_other [],
    commands::drains_outlive_the_driver_and_the_endpoint [],
    commands::mistakes_are_told_with_their_status [],
    commands::a_killed_driver_goes_on_where_it_was [],
    commands::held_endpoints_go_when_that_is_confirmed [],
    commands::programs_and_ports_are_checked [],
    commands::metrics_are_told_over_http [],
    kube::endpoint_slices_are_followed_across_restarts [KUBE],
    samples::answers_have_the_keys_of_their_samples [],
    proxies::envoy_follows_without_a_failed_request [ENVOY],
    xds::envoy_follows_deltas_without_a_failed_request [XDS, ENVOY],
    xds::envoy_follows_the_whole_state_without_a_failed_request [XDS, ENVOY],
    proxies::haproxy_follows_without_a_failed_request [HAPROXY],
    proxies::nginx_follows_without_a_failed_request [NGINX],
    proxies::haproxy_is_brought_in_line_after_a_restart [HAPROXY],
    proxies::servers_of_others_stay_in_haproxy [HAPROXY],
}
