//! `berth ipam serve` on etcd.

use crate::{berth, done, run, store_of};
use std::time::{Duration, Instant};
use test_support::etcd::Etcd;
use test_support::running::{Running, until};

/// The service of a host.
fn service(store: &str, host: &str) -> Running {
    let mut command = berth(store, &["serve", "--host", host, "--interval", "100ms"]);
    Running::start(command.args(["--collect", "100ms", "--margin", "500ms"]))
}

fn holds(store: &str, owner: &str) -> bool {
    let (status, json) = run(store, &["show", "--owner", owner]);
    assert!(status == 0 || json["error"]["kind"] == "not_held", "{json}");
    status == 0
}

/// Leases and quarantines end by etcd's clock, though nobody serves.
pub(crate) fn leases_and_quarantines_end_by_etcd_s_clock_whoever_serves() {
    let etcd = Etcd::start(&[]);
    let store = &*store_of(&etcd);
    // One address, in quarantine for four seconds.
    let pool = [
        "pool",
        "add",
        "p",
        "10.9.0.0/30",
        "--quarantine",
        "4s",
        "--gateway",
        "10.9.0.1",
    ];
    done(store, &pool);
    let first = service(store, "h1");
    let claim = |owner: &'static str| {
        let start = Instant::now();
        let args = ["claim", "--owner", owner, "--host", "h1", "--lease", "3s"];
        (run(store, &args).0, start)
    };
    let (status, start) = claim("a");
    assert_eq!(status, 0);
    until("the first lease is over", || {
        start.elapsed() > Duration::from_secs(4)
    });
    assert!(holds(store, "a"), "it is renewed");
    drop(first);
    let ended = Instant::now();
    until("a command collects it, without any service", || {
        done(store, &["gc"]);
        !holds(store, "a")
    });
    // It was renewed a third of its lease before, at the longest.
    let lasted = ended.elapsed();
    assert!(lasted > Duration::from_millis(1_500), "{lasted:?}");
    let released = Instant::now();
    assert_eq!(claim("b").0, 1, "the address is in quarantine");
    until("its quarantine is over", || claim("b").0 == 0);
    let lasted = released.elapsed();
    assert!(lasted > Duration::from_secs(3), "{lasted:?}");
    let (_, second) = claim("b");
    until("the lease lasts", || {
        second.elapsed() > Duration::from_secs(1)
    });
    done(store, &["gc"]);
    assert!(holds(store, "b"), "its lease is not over");
    until("its lease is over, and a command says so", || {
        done(store, &["gc"]);
        !holds(store, "b")
    });
}
