//! `berth ipam serve --docker` as a process: its socket by hand, and a real engine that the tests start; `berth discover run` follows it,
//! and `berth shape watch` runs beside it.

mod discover;
mod engine;
mod networks;
mod plugin;
mod restarts;
mod shaped;
mod socket;
mod traps;

use test_support::Need;

/// An engine that starts here: root, namespaces, `dockerd`, `docker`, a static busybox.
const ENGINE: Need = Need::Other("docker", engine::possible);

test_support::tests! {
    socket::calls_are_answered_by_hand [],
    socket::what_cannot_be_a_call_is_refused [],
    socket::the_socket_is_the_users_own_and_goes_with_the_service [],
    socket::a_specification_leads_to_the_socket [],
    socket::the_gateway_is_asked_for_again_and_again [],
    socket::calls_at_once_are_each_given_their_own [],
    networks::addresses_are_given_kept_over_a_restart_and_freed [ENGINE],
    networks::ranges_gateways_and_auxiliary_addresses_are_kept_apart [ENGINE],
    networks::two_networks_share_a_pool [ENGINE],
    networks::both_families_are_served [ENGINE],
    networks::a_pool_of_the_operators_is_named_by_an_option [ENGINE],
    networks::containers_that_start_at_once_have_addresses_of_their_own [ENGINE],
    restarts::an_engine_that_restarts_finds_its_addresses [ENGINE],
    restarts::an_engine_that_is_killed_leaks_nothing [ENGINE],
    restarts::a_plugin_that_is_killed_goes_on [ENGINE],
    restarts::a_release_that_no_plugin_heard_comes_back [ENGINE],
    shaped::limits_are_kept_over_a_restart [ENGINE],
    traps::pools_without_a_name_are_never_given_twice [ENGINE],
    traps::an_answer_that_is_lost_leaks_nothing [ENGINE],
    traps::a_store_that_is_lost_learns_from_the_engine [ENGINE],
    discover::containers_with_a_service_are_followed [ENGINE],
}
