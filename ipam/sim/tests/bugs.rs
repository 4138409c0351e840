//! Known bugs, put in one after another, are found; without them the same seeds hold.

use ipam_sim::{Bug, Options, run};

/// Seeds within which a bug must be found.
const SEEDS: u64 = 1_000;

fn broken(seed: u64, bug: Option<Bug>) -> Option<String> {
    let trace = false;
    run(Options { seed, bug, trace }).broken
}

fn is_found(bug: Bug) {
    let found = (0..SEEDS).find_map(|seed| Some((seed, broken(seed, Some(bug))?)));
    let (at, line) = found.unwrap_or_else(|| panic!("{bug} is not found in {SEEDS} seeds"));
    println!("{bug} is found at seed {at}: {line}");
    for seed in 0..=at {
        assert_eq!(broken(seed, None), None, "seed {seed} without the bug");
    }
}

#[test]
fn a_late_release_that_frees_the_new_owner_is_found() {
    is_found(Bug::LateDel);
}

#[test]
fn collection_by_name_is_found() {
    is_found(Bug::CollectByName);
}

#[test]
fn two_hosts_that_confirm_one_block_are_found() {
    is_found(Bug::TwoConfirm);
}

#[test]
fn a_repeated_claim_that_stays_suspected_is_found() {
    is_found(Bug::KeepsSuspicion);
}

#[test]
fn a_damaged_record_whose_addresses_are_given_is_found() {
    is_found(Bug::DamageGiven);
}

#[test]
fn a_wall_clock_taken_for_the_store_s_is_found() {
    is_found(Bug::WallClock);
}

#[test]
fn a_bug_is_known_by_its_name() {
    for bug in Bug::ALL {
        assert_eq!(bug.name().parse(), Ok(bug));
    }
    assert!("none".parse::<Bug>().is_err());
}
