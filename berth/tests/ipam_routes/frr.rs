//! Real FRR, with BIRD at the other end of its session.

use crate::daemons::{Bird, Frr};
use crate::host::Store;
use test_support::netns::{Lab, settles};

/// h1 beside the spine, with a pool of two blocks.
fn rack(name: &str) -> (Lab, Store) {
    let lab = Lab::new(name, &["spine", "h1"]);
    lab.link([
        ("spine", "to-h1", "10.0.1.1/30"),
        ("h1", "up0", "10.0.1.2/30"),
    ]);
    let store = Store::new(lab.folder());
    store.done("pool add p 10.50.0.0/27 --block-size 28 --quarantine 0s");
    store.done("host set h1 --address 10.0.1.2/30");
    (lab, store)
}

/// What an administrator has set up: the session, and two prefixes and a static route of their own.
const GIVEN: &str = "\
ip route 10.70.0.0/24 blackhole
ip route 10.71.0.0/24 blackhole tag 7
route-map berth permit 10
exit
router bgp 65001
 no bgp ebgp-requires-policy
 neighbor 10.0.1.1 remote-as 65000
 neighbor 10.0.1.1 timers connect 1
 address-family ipv4 unicast
  network 10.70.0.0/24
 exit-address-family
exit
";

const RENDER: &str = "routes --host h1 --format frr --as-number 65001 --observed -";

/// Carries the difference out; the lines that do something.
fn applied(frr: &Frr<'_>, store: &Store) -> Vec<String> {
    let lines = store.done_with(RENDER, &frr.running());
    assert!(frr.configured(&lines), "{lines}");
    let steps = lines.lines().filter(|line| !line.starts_with('!'));
    steps.map(str::to_owned).collect()
}

/// The lines of the running configuration that are about routes and prefixes, in order.
fn about_routes(frr: &Frr<'_>) -> Vec<String> {
    let running = frr.running();
    let lines = running.lines().map(str::trim);
    let lines = lines.filter(|l| l.starts_with("ip route") || l.starts_with("network"));
    lines.map(str::to_owned).collect()
}

pub(crate) fn prefixes_come_and_go_beside_those_of_others() {
    let (lab, store) = rack("frr");
    store.claim("--owner a --host h1");
    let spine = Bird::start(
        &lab,
        "spine",
        ("10.0.1.1", 65000),
        &[("h1", "10.0.1.2", 65001)],
    );
    let frr = Frr::start(&lab, "h1", GIVEN);
    assert!(spine.established("h1"));
    let given = about_routes(&frr);
    let session = spine.protocol("h1");

    let steps = applied(&frr, &store);
    let own = steps[0].split(' ').nth(2).expect("a prefix").to_owned();
    assert!(own.ends_with("/28"), "{steps:?}");
    assert!(spine.routes(&own, true) && spine.routes("10.70.0.0/24", true));
    assert!(settles(|| lab
        .ip("h1", &format!("route show {own}"))
        .starts_with("blackhole")));
    assert_eq!(applied(&frr, &store), [""; 0], "nothing is done twice");

    // All of both blocks is h1's but an address that h2 has: its neighbours' prefixes are borrowed.
    store.claim("--owner b --host h2");
    for i in 0..16 {
        store.claim(&format!("--owner fill-{i} --host h1"));
    }
    let steps = applied(&frr, &store);
    let single = steps.iter().find_map(|s| s.strip_prefix("  network "));
    let single = single
        .and_then(|s| s.split(' ').next())
        .expect("a prefix")
        .to_owned();
    assert!(spine.routes(&single, true), "{steps:?}");

    for owner in ["a".to_owned()]
        .into_iter()
        .chain((0..16).map(|i| format!("fill-{i}")))
    {
        store.done(&format!("release --owner {owner}"));
    }
    store.done("host set h1 --address 10.0.1.2/30 --drain");
    store.done("gc");
    applied(&frr, &store);
    assert!(spine.routes(&own, false) && spine.routes(&single, false));
    assert!(settles(|| lab
        .ip("h1", &format!("route show {own}"))
        .is_empty()));
    assert_eq!(about_routes(&frr), given, "what others configured");
    assert_eq!(spine.protocol("h1"), session, "the session");
}

/// FRR takes what it left in the kernel for an administrator's when it starts again: `ip` clears it before.
pub(crate) fn what_a_killed_daemon_left_is_cleared() {
    let (lab, store) = rack("frrkill");
    store.claim("--owner a --host h1");
    let mut frr = Frr::start(&lab, "h1", GIVEN);
    let steps = applied(&frr, &store);
    let own = steps[0].split(' ').nth(2).expect("a prefix").to_owned();
    let there = |own: &str| !lab.ip("h1", &format!("route show {own}")).is_empty();
    assert!(settles(|| there(&own)));
    lab.ip("h1", "route add blackhole 10.60.0.0/24 proto static");
    frr.kill();
    assert!(there(&own));
    store.done("release --owner a");
    store.done("host set h1 --address 10.0.1.2/30 --drain");
    store.done("gc");
    lab.ip("h1", "route flush proto 196");
    frr.run();
    applied(&frr, &store);
    assert!(settles(|| there("10.70.0.0/24")));
    assert!(!there(&own) && there("10.60.0.0/24"));
}
