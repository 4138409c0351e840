//! The store's time is etcd's: it passes whoever runs, and no member that comes or goes makes it run backwards.

mod common;

use common::{block_on, open};
use ipam::Timestamp;
use ipam::store::{Record, Store as _, StoreClock};
use ipam_etcd::{EtcdConfig, EtcdStore};
use std::process::Command;
use std::time::{Duration, Instant};
use test_support::etcd::{ETCD, Etcd};

const WALL: Timestamp = Timestamp::from_secs(1_800_000_000);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// By how much what is told may be behind: whole seconds, and the way.
const LAG: Duration = Duration::from_secs(2);

fn config(members: &[Etcd]) -> EtcdConfig {
    EtcdConfig::new(members.iter().map(Etcd::url))
        .timeout(Duration::from_secs(30))
        .attempt_timeout(Duration::from_millis(500))
}

/// A command of its own, whose wall clock shows that: it knows nothing of others. Asks again while members come and go, as every command.
fn command(config: &EtcdConfig, wall: Timestamp) -> Timestamp {
    block_on(async {
        let start = Instant::now();
        loop {
            let (mut store, mut clock) = (open(config.clone()), StoreClock::default());
            match clock.serve(&mut store, wall, || Timestamp::ZERO).await {
                Ok(now) => return now,
                Err(error) => assert!(start.elapsed() < Duration::from_secs(60), "{error}"),
            }
        }
    })
}

fn pass(secs: u64) {
    std::thread::sleep(Duration::from_secs(secs));
}

/// What passed by the store's time, which is no more than really did since then, nor much less.
fn expect_passed(now: Timestamp, before: Timestamp, since: Instant, most_lost: Duration) {
    let real = since.elapsed();
    let passed = now.since(before);
    assert!(now >= before, "{now} is before {before}");
    assert!(passed <= real, "{passed:?} passed in {real:?}");
    let least = real.saturating_sub(LAG + most_lost);
    assert!(
        passed >= least,
        "{passed:?} passed in {real:?}, not {least:?}"
    );
}

fn time_passes_while_nobody_runs_and_no_wall_clock_moves_it() {
    let etcd = [Etcd::start(&[])];
    let config = config(&etcd);
    let start = Instant::now();
    let first = command(&config, WALL);
    assert_eq!(first, WALL);
    for wall in [Timestamp::ZERO, WALL.after(YEAR), WALL] {
        pass(3);
        expect_passed(command(&config, wall), first, start, Duration::ZERO);
    }
}

fn a_restart_loses_what_nobody_saw_and_time_goes_on() {
    let mut etcd = [Etcd::start(&[])];
    let config = config(&etcd);
    let start = Instant::now();
    let first = command(&config, WALL);
    pass(4);
    let seen = command(&config, WALL);
    expect_passed(seen, first, start, Duration::ZERO);
    pass(2);
    etcd[0].restart();
    let (restarted, lost) = (Instant::now(), start.elapsed());
    let after = command(&config, WALL.after(YEAR));
    assert!(after >= seen && after.since(first) <= start.elapsed());
    pass(6);
    let last = command(&config, Timestamp::ZERO);
    expect_passed(last, after, restarted, lost);
    assert!(last.since(seen) >= Duration::from_secs(2), "it goes on");
    // With checkpoints or without, from now on nothing is lost any more.
    let since = Instant::now();
    pass(4);
    expect_passed(command(&config, WALL), last, since, Duration::ZERO);
}

fn signal(etcd: &Etcd, name: &str) {
    let pid = etcd.pid().expect("it runs").to_string();
    let status = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(status.expect("kill is there").success());
}

/// Whoever serves all the time loses nothing when another member leads; members that do not lead tell the same.
fn another_leader_takes_no_time_from_who_serves() {
    let members = Etcd::cluster(3, &[]);
    let config = config(&members);
    // Nobody's first member is the one that stands still.
    let leads = |m: &&Etcd| m.metric("etcd_server_is_leader") > 0.0;
    let leader = members.iter().find(leads).expect("a leader");
    let others = members.iter().filter(|m| m.url() != leader.url());
    let others: Vec<String> = others.map(Etcd::url).collect();
    let others = EtcdConfig::new(others).timeout(Duration::from_secs(30));
    block_on(async {
        let start = Instant::now();
        let monotonic = || Timestamp::from_secs(500).after(start.elapsed());
        let mut store = open(others.clone());
        let mut clock = StoreClock::default();
        let first = clock.serve(&mut store, WALL, monotonic).await;
        let (first, begun) = (first.expect("a time"), Instant::now());
        let mut latest = first;
        let mut stopped = false;
        while begun.elapsed() < Duration::from_secs(14) {
            // What a look that fails knew before is good for a step.
            if let Ok(now) = clock.serve(&mut store, Timestamp::ZERO, monotonic).await {
                assert!(now >= latest, "{now} is before {latest}");
                latest = now;
            }
            if !stopped && begun.elapsed() > Duration::from_secs(4) {
                signal(leader, "STOP");
                stopped = true;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        signal(leader, "CONT");
        let passed = latest.since(first);
        let most = start.elapsed();
        assert!(passed <= most, "{passed:?} of {most:?}");
        assert!(passed + LAG >= Duration::from_secs(14), "{passed:?}");
        let stored = stored(&mut store).await;
        assert!(latest <= stored.after(StoreClock::STEP));
    });
    // All members tell the same, the one that led included.
    let since = Instant::now();
    let told: Vec<Timestamp> = members
        .iter()
        .map(|m| {
            let member = EtcdConfig::new([m.url()]).timeout(Duration::from_secs(30));
            command(&member, WALL.after(YEAR))
        })
        .collect();
    let most = since.elapsed() + LAG;
    assert!(told[2].since(told[0]) <= most, "{told:?} in {most:?}");
    assert!(told.is_sorted(), "{told:?}");
    assert!(command(&config, WALL) >= told[2]);
}

async fn stored(store: &mut EtcdStore) -> Timestamp {
    let (mut values, _) = store.get(&["t/".to_owned()]).await.expect("a read");
    let value = values.pop().flatten().expect("a time");
    match Record::decode("t/", &value) {
        Ok(Record::Time { now, .. }) => now,
        other => panic!("{other:?}"),
    }
}

fn a_whole_cluster_that_restarts_goes_on_from_what_was_seen() {
    let mut members = Etcd::cluster(3, &[]);
    let config = config(&members);
    let first = command(&config, WALL);
    pass(3);
    let seen = command(&config, WALL);
    members.iter_mut().for_each(Etcd::kill);
    pass(1);
    // A majority is needed before any answers.
    std::thread::scope(|scope| {
        for member in &mut members {
            scope.spawn(|| member.restart());
        }
    });
    let since = Instant::now();
    let after = command(&config, WALL.after(YEAR));
    assert!(after >= seen, "{after} is before {seen}");
    pass(8);
    let last = command(&config, WALL);
    let lost = Duration::from_secs(4);
    expect_passed(last, after, since, lost);
    assert!(last.since(first) >= Duration::from_secs(5));
}

/// The numbers of the leases that there are.
fn leases(etcd: &Etcd) -> Vec<String> {
    let told = etcd.post("/v3/lease/leases", "{}");
    let ids = told.split("\"ID\":\"").skip(1);
    let digits = |id: &str| id.chars().take_while(char::is_ascii_digit).collect();
    ids.map(digits).collect()
}

fn a_stopwatch_that_somebody_removes_is_started_anew() {
    let etcd = [Etcd::start(&[])];
    let config = config(&etcd);
    command(&config, WALL);
    pass(3);
    let seen = command(&config, WALL);
    let leases = leases(&etcd[0]);
    assert_eq!(leases.len(), 1, "{leases:?}");
    let body = format!("{{\"ID\": {}}}", leases[0]);
    let _ = etcd[0].post("/v3/lease/revoke", &body);
    pass(3);
    let since = Instant::now();
    let after = command(&config, WALL.after(YEAR));
    assert!(after >= seen && after.since(seen) < LAG, "{after}");
    pass(4);
    expect_passed(command(&config, WALL), after, since, Duration::ZERO);
}

/// Many commands at once: one of them starts the stopwatch, and what the others started does not stay.
fn many_first_commands_leave_one_stopwatch() {
    let etcd = [Etcd::start(&[])];
    let config = config(&etcd);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| command(&config, WALL));
        }
    });
    assert_eq!(leases(&etcd[0]).len(), 1);
}

test_support::tests! {
    time_passes_while_nobody_runs_and_no_wall_clock_moves_it [ETCD],
    a_restart_loses_what_nobody_saw_and_time_goes_on [ETCD],
    another_leader_takes_no_time_from_who_serves [ETCD],
    a_whole_cluster_that_restarts_goes_on_from_what_was_seen [ETCD],
    a_stopwatch_that_somebody_removes_is_started_anew [ETCD],
    many_first_commands_leave_one_stopwatch [ETCD],
}
