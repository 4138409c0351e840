//! Networks and containers come and go.

use crate::engine::Engine;
use crate::plugin::{Plugin, until};
use std::collections::BTreeSet;

/// An engine, and the plugin that it knows by a specification.
pub(crate) fn served(name: &str, args: &[&str]) -> (Engine, Plugin) {
    let engine = Engine::start(name);
    let plugin = plugin(&engine, args);
    (engine, plugin)
}

pub(crate) fn plugin(engine: &Engine, args: &[&str]) -> Plugin {
    let spec = engine.spec();
    let args = [&["--docker-spec", &spec], args].concat();
    Plugin::start(&engine.folder, &engine.folder.path("plugin.sock"), &args)
}

pub(crate) fn set(owners: &[&str]) -> BTreeSet<String> {
    owners.iter().map(|owner| (*owner).to_owned()).collect()
}

pub(crate) fn addresses_are_given_kept_over_a_restart_and_freed() {
    let (engine, plugin) = served("keep", &[]);
    engine.network(
        "n",
        &["--subnet", "10.9.0.0/24", "--ipam-opt", "restart=60s"],
    );
    assert_eq!(engine.runs("auto", "n", &[]), "10.9.0.2");
    assert_eq!(
        engine.runs("fixed", "n", &["--ip", "10.9.0.100"]),
        "10.9.0.100"
    );
    engine.done(&["exec", "auto", "ping", "-c", "1", "-w", "10", "10.9.0.100"]);
    engine.done(&["exec", "auto", "ping", "-c", "1", "-w", "10", "10.9.0.1"]);
    for _ in 0..2 {
        engine.done(&["restart", "auto", "fixed"]);
        assert_eq!(
            (&*engine.address("auto"), &*engine.address("fixed")),
            ("10.9.0.2", "10.9.0.100")
        );
    }
    assert_eq!(
        engine.folder.held(),
        set(&["10.9.0.2", "10.9.0.100", "gateway/10.9.0.1"])
    );
    // Stopped by hand and started again, it has the address that it asks for.
    engine.done(&["stop", "fixed"]);
    assert_eq!(engine.folder.held(), set(&["10.9.0.2", "gateway/10.9.0.1"]));
    engine.done(&["start", "fixed"]);
    assert_eq!(engine.address("fixed"), "10.9.0.100");
    let taken = engine.refused(&Engine::container("thief", "n", &["--ip", "10.9.0.100"]));
    assert!(taken.contains("10.9.0.100 is in use"), "{taken}");
    engine.done(&["rm", "-f", "thief", "auto", "fixed"]);
    assert_eq!(engine.folder.held(), set(&["gateway/10.9.0.1"]));
    engine.done(&["network", "rm", "n"]);
    assert_eq!(engine.folder.held(), set(&[]));
    // Made again at once, everything is as it was.
    engine.network("n", &["--subnet", "10.9.0.0/24", "--gateway", "10.9.0.1"]);
    assert_eq!(
        engine.runs("fixed", "n", &["--ip", "10.9.0.100"]),
        "10.9.0.100"
    );
    engine.done(&["rm", "-f", "fixed"]);
    engine.done(&["network", "rm", "n"]);
    assert_eq!(
        plugin.count("request_address", "bad") + plugin.count("request_address", "failed"),
        0
    );
    plugin.end();
    engine.folder.check();
}

pub(crate) fn ranges_gateways_and_auxiliary_addresses_are_kept_apart() {
    let (engine, plugin) = served("range", &[]);
    let range = [
        "--subnet",
        "10.9.0.0/24",
        "--ip-range",
        "10.9.0.64/29",
        "--gateway",
        "10.9.0.254",
    ];
    engine.network(
        "n",
        &[
            &range[..],
            &[
                "--aux-address",
                "router=10.9.0.9",
                "--aux-address",
                "other=10.9.0.64",
            ],
        ]
        .concat(),
    );
    let at = |owner: &str| format!("{owner}@10.9.0.64/29");
    let held = BTreeSet::from([
        "gateway/10.9.0.254".to_owned(),
        at("10.9.0.9"),
        at("10.9.0.64"),
    ]);
    assert_eq!(engine.folder.held(), held);
    assert_eq!(engine.runs("ca", "n", &[]), "10.9.0.65");
    assert_eq!(
        engine.runs("cb", "n", &["--ip", "10.9.0.200"]),
        "10.9.0.200"
    );
    for i in 66..72 {
        assert_eq!(
            engine.runs(&format!("c{i}"), "n", &[]),
            format!("10.9.0.{i}")
        );
    }
    let full = engine.refused(&Engine::container("cd", "n", &[]));
    assert!(
        full.contains("no address is free in 10.9.0.64/29"),
        "{full}"
    );
    let taken = engine.refused(&Engine::container("ce", "n", &["--ip", "10.9.0.9"]));
    assert!(taken.contains("in use"), "{taken}");
    // What has an address goes; a network that is removed takes the rest along.
    let all = engine.done(&["ps", "-aq"]);
    engine.done(
        &[
            &["rm", "-f"],
            &all.split_whitespace().collect::<Vec<_>>()[..],
        ]
        .concat(),
    );
    assert_eq!(engine.folder.held(), held);
    engine.done(&["network", "rm", "n"]);
    assert_eq!(engine.folder.held(), set(&[]));
    plugin.end();
    engine.folder.check();
}

pub(crate) fn two_networks_share_a_pool() {
    let (engine, plugin) = served("share", &[]);
    for parent in ["p1", "p2"] {
        engine.ip(&format!("link add {parent} type veth peer name {parent}x"));
        engine.ip(&format!("link set {parent} up"));
    }
    let subnet = ["--subnet", "10.9.0.0/24", "--gateway", "10.9.0.254"];
    engine.network(
        "one",
        &[&subnet[..], &["-d", "macvlan", "-o", "parent=p1"]].concat(),
    );
    engine.network(
        "two",
        &[&subnet[..], &["-d", "macvlan", "-o", "parent=p2"]].concat(),
    );
    let (a, b) = (engine.runs("ca", "one", &[]), engine.runs("cb", "two", &[]));
    assert_ne!(a, b);
    let taken = engine.refused(&Engine::container("cc", "two", &["--ip", &a]));
    assert!(taken.contains("in use"), "{taken}");
    assert_eq!(engine.folder.held(), set(&[&a, &b, "gateway/10.9.0.254"]));
    // A third is refused by its network driver, and gives back what it was given: the gateway is still the others'.
    let refused = engine.refused(
        &[
            &[
                "network",
                "create",
                "--ipam-driver",
                &engine.driver,
                "-d",
                "macvlan",
                "-o",
                "parent=p1",
            ],
            &subnet[..],
            &["three"],
        ]
        .concat(),
    );
    assert!(!refused.is_empty());
    engine.done(&["rm", "-f", "cc", "ca"]);
    engine.done(&["network", "rm", "one"]);
    assert_eq!(engine.folder.held(), set(&[&b, "gateway/10.9.0.254"]));
    assert_eq!(engine.folder.pools(), ["docker/10.9.0.0/24"]);
    engine.done(&["rm", "-f", "cb"]);
    engine.done(&["network", "rm", "two"]);
    assert_eq!(engine.folder.held(), set(&[]));
    plugin.end();
    engine.folder.check();
}

pub(crate) fn both_families_are_served() {
    let (engine, plugin) = served("dual", &[]);
    engine.network(
        "n",
        &[
            "--ipv6",
            "--subnet",
            "10.9.0.0/24",
            "--subnet",
            "fd00:9::/64",
        ],
    );
    engine.done(&Engine::container("ca", "n", &["--ip6", "fd00:9::99"]));
    engine.done(&Engine::container("cb", "n", &[]));
    let owners = [
        "10.9.0.2",
        "10.9.0.3",
        "fd00:9::2",
        "fd00:9::99",
        "gateway/10.9.0.1",
        "gateway/fd00:9::1",
    ];
    assert_eq!(engine.folder.held(), set(&owners));
    engine.done(&["restart", "ca"]);
    let format = "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}";
    assert_eq!(engine.done(&["inspect", "-f", format, "ca"]), "fd00:9::99");
    engine.done(&["rm", "-f", "ca", "cb"]);
    engine.done(&["network", "rm", "n"]);
    assert_eq!(engine.folder.held(), set(&[]));
    plugin.end();
    engine.folder.check();
}

pub(crate) fn a_pool_of_the_operators_is_named_by_an_option() {
    let engine = Engine::start("option");
    let add = [
        "pool",
        "add",
        "front",
        "10.9.0.0/24",
        "--gateway",
        "10.9.0.254",
        "--order",
        "lowest",
        "--quarantine",
        "1h",
    ];
    engine
        .folder
        .done(&[&add[..], &["--label", "docker.restart=0s"]].concat());
    engine.folder.done(&[
        "claim",
        "--owner",
        "elsewhere",
        "--pool",
        "front",
        "--host",
        "h2",
    ]);
    let plugin = plugin(&engine, &[]);
    engine.network("n", &["--ipam-opt", "pool=front"]);
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}";
    assert_eq!(
        engine.done(&["network", "inspect", "-f", format, "n"]),
        "10.9.0.0/24 10.9.0.254"
    );
    let first = engine.runs("ca", "n", &[]);
    engine.done(&["rm", "-f", "ca"]);
    // It is in quarantine, for whoever asks.
    assert_ne!(engine.runs("cb", "n", &[]), first);
    // By number too, on a network that says its subnet.
    let parent = [
        "-d",
        "macvlan",
        "-o",
        "parent=p1",
        "--subnet",
        "10.9.0.0/24",
    ];
    engine.ip("link add p1 type veth peer name p1x");
    engine.network("m", &[&parent[..], &["--ipam-opt", "pool=front"]].concat());
    let taken = engine.refused(&Engine::container("cc", "m", &["--ip", &first]));
    assert!(taken.contains("quarantine"), "{taken}");
    let unknown = engine.refused(&[
        "network",
        "create",
        "--ipam-driver",
        &engine.driver,
        "--ipam-opt",
        "pool=back",
        "x",
    ]);
    assert!(unknown.contains("back"), "{unknown}");
    engine.done(&["rm", "-f", "cb", "cc"]);
    engine.done(&["network", "rm", "n", "m"]);
    assert_eq!(engine.folder.held(), set(&["elsewhere"]));
    assert_eq!(engine.folder.pools(), ["front"]);
    plugin.end();
    engine.folder.check();
}

pub(crate) fn containers_that_start_at_once_have_addresses_of_their_own() {
    let (engine, plugin) = served("once", &[]);
    engine.network("n", &["--subnet", "10.9.0.0/24"]);
    let names: Vec<String> = (0..8).map(|i| format!("c{i}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| engine.done(&Engine::container(name, "n", &[])));
        }
    });
    let given: BTreeSet<String> = names.iter().map(|name| engine.address(name)).collect();
    assert_eq!(given.len(), names.len());
    let restart: Vec<&str> = [
        &["restart"],
        &names.iter().map(String::as_str).collect::<Vec<_>>()[..],
    ]
    .concat();
    engine.done(&restart);
    let again: BTreeSet<String> = names.iter().map(|name| engine.address(name)).collect();
    let mut owners = again.clone();
    owners.insert("gateway/10.9.0.1".into());
    assert_eq!((again.len(), engine.folder.held()), (names.len(), owners));
    let remove: Vec<&str> = [
        &["rm", "-f"],
        &names.iter().map(String::as_str).collect::<Vec<_>>()[..],
    ]
    .concat();
    engine.done(&remove);
    engine.done(&["network", "prune", "-f"]);
    until("the network is gone", || engine.folder.held().is_empty());
    plugin.end();
    engine.folder.check();
}
