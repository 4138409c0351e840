//! `berth-bandwidth` as a process, on the kernel that runs this, beside the CNI project's bandwidth plugin: in network namespaces which each test
//! makes and removes.

mod chain;
mod place;

use test_support::Need;

/// Namespaces of the kernel's, and what makes them.
const NAMESPACES: Need = Need::Other("network-namespaces", place::possible);
/// Debian's `containernetworking-plugins`.
const PLUGIN: Need = Need::Other("bandwidth-plugin", place::plugin);
/// Debian's `iperf3`.
const IPERF: Need = Need::Other("iperf3", place::iperf);

test_support::tests! {
    chain::an_add_is_repeated_checked_and_leaves_nothing [NAMESPACES],
    chain::rates_change_and_go_in_place [NAMESPACES],
    chain::what_lost_its_veth_goes_by_its_mark [NAMESPACES],
    chain::subnets_are_shaped_or_not [NAMESPACES],
    chain::refusals_name_what_is_wrong [],
    chain::the_same_call_is_answered_as_the_other_plugin_does [NAMESPACES, PLUGIN],
    chain::names_of_any_length_are_marked [NAMESPACES],
    chain::a_policy_and_the_plugin_leave_each_other_alone [NAMESPACES],
    chain::both_plugins_keep_the_rate [NAMESPACES, PLUGIN, IPERF],
}
