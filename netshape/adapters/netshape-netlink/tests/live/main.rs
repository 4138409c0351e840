//! On the kernel that runs this: in network namespaces which each test makes and removes.

mod faults;
mod place;
mod plans;
mod reading;

use test_support::Need;

/// Namespaces of the kernel's, and what makes them.
const NAMESPACES: Need = Need::Other("network-namespaces", place::possible);

test_support::tests! {
    reading::the_state_is_what_tc_made [NAMESPACES],
    reading::counters_come_with_the_dump [NAMESPACES],
    reading::namespaces_that_are_not_there_are_left_out [NAMESPACES],
    reading::a_namespace_with_two_names_is_read_once [NAMESPACES],
    reading::a_name_that_is_a_path_is_refused [NAMESPACES],
    reading::the_probe_agrees_with_tc [NAMESPACES],
    plans::a_plan_carried_out_leaves_nothing_to_plan [NAMESPACES],
    plans::messages_make_what_tc_makes [NAMESPACES],
    plans::an_ifb_comes_and_goes [NAMESPACES],
    plans::a_device_of_another_kind_is_not_removed [NAMESPACES],
    plans::a_rate_follows_in_place [NAMESPACES],
    faults::a_failure_at_any_step_leaves_what_was_there [NAMESPACES],
    faults::a_plan_cut_off_at_any_step_is_finished_by_the_next [NAMESPACES],
    faults::containers_that_vanish_fail_nothing [NAMESPACES],
    faults::a_refusal_has_the_kernels_own_words [NAMESPACES],
    faults::work_goes_on_where_nobody_waits [NAMESPACES],
}
