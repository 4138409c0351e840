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

/// Leases end by the time that stands in etcd, which passes while somebody serves.
pub(crate) fn the_time_of_leases_is_the_store_s_and_stands_still_while_nobody_serves() {
    let etcd = Etcd::start(&[]);
    let store = &*store_of(&etcd);
    done(store, &["pool", "add", "p", "10.9.0.0/24"]);
    let first = service(store, "h1");
    done(
        store,
        &["claim", "--owner", "a", "--host", "h1", "--lease", "2s"],
    );
    let start = Instant::now();
    until("the first lease is over", || {
        start.elapsed() > Duration::from_secs(3)
    });
    assert!(holds(store, "a"), "it is renewed");
    drop(first);
    let start = Instant::now();
    until("the last lease is over", || {
        start.elapsed() > Duration::from_secs(3)
    });
    done(store, &["gc"]);
    assert!(holds(store, "a"), "no time has passed");
    let _second = service(store, "h2");
    until("another host's service collects it", || !holds(store, "a"));
}
