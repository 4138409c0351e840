//! `berth shape show` and `apply` on the kernel that runs this, in network namespaces which each test makes and removes.

mod commands;
mod place;
mod traced;
mod uplink;
mod watch;

use test_support::Need;

/// Namespaces of the kernel's, and what makes them.
const NAMESPACES: Need = Need::Other("network-namespaces", place::possible);

/// Debian's `iperf3`.
const IPERF: Need = Need::Other("iperf3", watch::iperf);
/// Debian's `strace`.
const STRACE: Need = Need::Other("strace", traced::strace);

test_support::tests! {
    commands::what_is_applied_is_shown_and_needs_no_second_plan [NAMESPACES],
    commands::a_dry_run_touches_nothing [NAMESPACES],
    commands::a_container_moves_between_namespace_and_ifb [NAMESPACES],
    commands::what_left_the_policy_goes_and_what_is_foreign_stays [NAMESPACES],
    commands::one_namespace_has_one_name [NAMESPACES],
    commands::a_namespace_that_is_not_there_is_told [NAMESPACES],
    uplink::packets_come_into_the_class_of_their_address_both_ways [NAMESPACES],
    uplink::an_address_that_moves_changes_one_filter_each_way [NAMESPACES],
    uplink::what_the_uplink_cannot_give_is_refused [NAMESPACES],
    watch::an_interval_is_a_line_and_a_new_policy_is_taken_up [NAMESPACES],
    watch::what_was_found_comes_back_when_asked_for [NAMESPACES],
    watch::three_senders_have_their_guarantees_and_divide_the_rest [NAMESPACES, IPERF],
    commands::killed_at_any_step_the_next_apply_finishes [NAMESPACES, STRACE],
    commands::a_container_that_vanishes_under_way_fails_nothing [NAMESPACES, STRACE],
    commands::a_thousand_containers_come_change_and_go [NAMESPACES],
}
