//! `berth-cni` as a process: host-local's recorded runs, host-local itself beside it, and what is better than it.

mod beside;
mod calls;
mod commands;
mod messages;
mod migrating;
mod namespaces;
mod processes;
mod recorded;

use test_support::Need;

/// Debian's `containernetworking-plugins`.
const HOST_LOCAL: Need = Need::Other("host-local", beside::installed);

/// What the note on migrating uses besides.
const JQ: Need = Need::Other("jq", migrating::has_jq);

/// Namespaces of the kernel's, and what makes and fills them.
const NAMESPACES: Need = Need::Other("network-namespaces", namespaces::possible);

test_support::tests! {
    recorded::every_recorded_run_agrees [Need::Vectors("cni_exec_golden.json"), Need::Vectors("host_local_cmd.json")],
    beside::the_same_calls_have_the_same_answers [HOST_LOCAL],
    beside::what_host_local_gave_is_taken_over [HOST_LOCAL],
    messages::what_is_wrong_is_said_in_host_locals_words [HOST_LOCAL],
    messages::random_configurations_have_the_same_answers [HOST_LOCAL],
    migrating::from_host_local_and_back_as_the_note_tells [HOST_LOCAL, JQ],
    migrating::from_whereabouts_as_the_note_tells [JQ],
    commands::usage_goes_to_standard_error_without_a_command [],
    commands::add_repeated_answers_the_same_address [],
    commands::delete_succeeds_whatever_is_gone [],
    commands::the_own_namespace_is_refused_before_anything_is_given [],
    commands::collection_frees_what_no_attachment_holds [],
    commands::status_tells_of_a_full_set_and_of_a_damaged_store [],
    commands::a_sticky_address_waits_for_its_workload [],
    commands::a_fixed_address_is_had_by_one_container_at_a_time [],
    commands::a_quarantined_address_is_given_to_nobody [],
    commands::refusals_name_what_is_wrong [],
    processes::sixteen_processes_at_once_share_no_address [],
    processes::killed_processes_double_and_lose_nothing [],
    namespaces::pods_of_two_hosts_share_a_subnet [NAMESPACES],
    namespaces::pods_with_links_of_their_own_reach_the_host [NAMESPACES],
    namespaces::two_hundred_pods_come_and_go_in_parallel [NAMESPACES],
}
