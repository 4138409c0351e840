//! `berth ipam serve` on etcd.

use crate::{berth, done, run, store_of};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use test_support::etcd::Etcd;

/// A service of a host, killed at the latest when the test ends.
struct Service(Child);

impl Service {
    fn start(store: &str, host: &str) -> Self {
        let mut command = berth(store, &["serve", "--host", host, "--interval", "100ms"]);
        command.args(["--collect", "100ms", "--margin", "500ms"]);
        command.stdout(Stdio::null());
        Self(command.spawn().expect("berth"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn holds(store: &str, owner: &str) -> bool {
    let (status, json) = run(store, &["show", "--owner", owner]);
    assert!(status == 0 || json["error"]["kind"] == "not_held", "{json}");
    status == 0
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Leases end by the time that stands in etcd, which passes while somebody serves.
pub(crate) fn the_time_of_leases_is_the_store_s_and_stands_still_while_nobody_serves() {
    let etcd = Etcd::start(&[]);
    let store = &*store_of(&etcd);
    done(store, &["pool", "add", "p", "10.9.0.0/24"]);
    let first = Service::start(store, "h1");
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
    let _second = Service::start(store, "h2");
    until("another host's service collects it", || !holds(store, "a"));
}
