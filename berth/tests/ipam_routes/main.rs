//! `berth ipam routes --format`: what it prints, and real BIRD, FRR, `ip -batch` and `bridge -batch` that carry it out in network
//! namespaces.

mod batch;
mod bird;
mod daemons;
mod frr;
mod guide;
mod host;
mod text;
mod tunnel;

use test_support::Need;
use test_support::netns::NAMESPACES;

/// Debian's `bird2`.
const BIRD: Need = Need::Other("bird", daemons::bird_installed);

/// Debian's `frr`.
const FRR: Need = Need::Other("frr", daemons::frr_installed);

/// Not in every kernel.
const IPIP: Need = Need::Other("kernel-ipip", tunnel::ipip_possible);

test_support::tests! {
    text::names_never_reach_what_is_rendered_unescaped [],
    text::a_bridge_that_is_no_device_name_is_refused [],
    text::own_prefixes_lead_to_the_bridge_if_told_so [],
    text::the_other_family_needs_no_address_of_its_own_in_vxlan [],
    text::a_file_is_written_whole_and_only_if_it_changes [],
    text::observed_text_of_another_form_is_refused [],
    text::routes_of_a_damaged_store_are_not_rendered [],
    text::who_is_in_another_subnet_needs_a_gateway [],
    bird::racks_exchange_prefixes_and_pods_reach_each_other [NAMESPACES, BIRD],
    bird::borrowed_and_moved_addresses_converge_without_a_session_lost [NAMESPACES, BIRD],
    bird::a_blackhole_goes_when_its_block_goes [NAMESPACES, BIRD],
    bird::a_route_of_others_stays_where_a_blackhole_would_be [NAMESPACES, BIRD],
    bird::a_killed_daemon_leaves_nothing_unwanted [NAMESPACES, BIRD],
    frr::prefixes_come_and_go_beside_those_of_others [NAMESPACES, BIRD, FRR],
    frr::what_a_killed_daemon_left_is_cleared [NAMESPACES, FRR],
    batch::differences_are_carried_out_and_nothing_is_done_twice [NAMESPACES],
    batch::routes_of_others_are_never_taken_over [NAMESPACES],
    guide::what_the_guide_says_works [NAMESPACES, BIRD, FRR],
    tunnel::vxlan_carries_what_a_gateway_cannot_deliver [NAMESPACES],
    tunnel::ipip_carries_what_a_gateway_cannot_deliver [NAMESPACES, IPIP],
    tunnel::vxlan_carries_ipv6_over_hosts_of_ipv4 [NAMESPACES],
}
