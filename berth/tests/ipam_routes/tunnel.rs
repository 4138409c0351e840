//! Hosts in two subnets, with a gateway between them that knows nothing of containers: a plain route ends there, VXLAN carries.

use crate::host::Store;
use test_support::netns::Lab;

/// h1 and h3 in one subnet, h2 in another; a pod on each.
fn subnets(name: &str, pool: &str) -> (Lab, Store, [String; 3]) {
    let lab = Lab::new(name, &["gw", "h1", "h2", "h3"]);
    lab.ip("gw", "link add name br0 type bridge");
    lab.ip("gw", "addr add 192.168.1.1/24 dev br0");
    lab.ip("gw", "link set dev br0 up");
    let hosts = [
        ("h1", "192.168.1.11", "192.168.1.1"),
        ("h2", "192.168.7.4", "192.168.7.1"),
        ("h3", "192.168.1.12", "192.168.1.1"),
    ];
    let store = Store::new(lab.folder());
    store.done(pool);
    let pods = hosts.map(|(host, address, gateway)| {
        let port = format!("to-{host}");
        let own = if host == "h2" { "192.168.7.1/24" } else { "" };
        lab.link([("gw", &port, own), (host, "up0", &format!("{address}/24"))]);
        if host != "h2" {
            lab.ip("gw", &format!("link set dev {port} master br0"));
        }
        lab.ip(host, &format!("route add default via {gateway}"));
        store.done(&format!("host set {host} --address {address}/24"));
        store.claim(&format!("--owner {host} --host {host}"))
    });
    (lab, store, pods)
}

/// The policy, with one of the two tunnels.
fn policy(tunnel: &str) -> String {
    format!("--wrap cross-subnet --tunnel {tunnel}")
}

/// Whether this kernel makes IPIP devices.
pub(crate) fn ipip_possible() -> Result<(), String> {
    test_support::netns::possible()?;
    let lab = Lab::new("ipip-probe", &["h"]);
    let made = lab.fed(
        "h",
        "ip",
        &["link", "add", "name", "i0", "type", "ipip"],
        "",
    );
    match made.status.success() {
        true => Ok(()),
        false => Err("this kernel has no IPIP".into()),
    }
}

/// What is there on a host, as each format wants to see it.
fn observed(lab: &Lab, host: &str, format: &str) -> String {
    match format {
        "fdb" => {
            let seen = lab.fed(host, "bridge", &["-j", "fdb", "show"], "");
            String::from_utf8(seen.stdout).expect("UTF-8")
        }
        _ => {
            let routes = lab.ip(host, "-N -j route show table all");
            routes + &lab.ip(host, "-N -j neigh show nud all")
        }
    }
}

/// Carries one format's difference out; the lines that do something.
fn applied(lab: &Lab, store: &Store, tunnel: &str, host: &str, format: &str) -> Vec<String> {
    let policy = policy(tunnel);
    let render = format!("routes --host {host} --format {format} --observed - {policy}");
    let batch = store.done_with(&render, &observed(lab, host, format));
    let program = if format == "fdb" { "bridge" } else { "ip" };
    let output = lab.fed(host, program, &["-batch", "-"], &batch);
    assert!(output.status.success(), "{host} {batch}: {output:?}");
    let steps = batch.lines().filter(|line| !line.starts_with('#'));
    steps.map(str::to_owned).collect()
}

pub(crate) fn vxlan_carries_what_a_gateway_cannot_deliver() {
    carries_what_a_gateway_cannot_deliver("vxlan");
}

pub(crate) fn ipip_carries_what_a_gateway_cannot_deliver() {
    carries_what_a_gateway_cannot_deliver("ipip");
}

fn carries_what_a_gateway_cannot_deliver(tunnel: &str) {
    let policy = policy(tunnel);
    let applied = |lab: &Lab, store: &Store, host: &str, format: &str| {
        applied(lab, store, tunnel, host, format)
    };
    let pool = "pool add p 10.50.0.0/26 --block-size 28 --quarantine 0s";
    let (lab, store, [a, b, c]) = subnets(tunnel, pool);
    for (host, pod, address) in [("h1", "a", &a), ("h2", "b", &b), ("h3", "c", &c)] {
        lab.pod(host, pod, address);
    }
    // A policy that cannot deliver is refused, with both hosts and the reason.
    let told = store.refused("routes --host h1 --format ip --wrap never", 1);
    assert!(
        told.contains("`h1`") && told.contains("`h2`") && told.contains("gateway"),
        "{told}"
    );
    // Told that the gateway knows, which it does not, every packet ends there.
    let lie = "routes --host h1 --format ip --wrap never --gateways-know --gateway 192.168.1.1";
    let batch = store.done(lie);
    let output = lab.fed("h1", "ip", &["-batch", "-"], &batch);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(lab.answered("a", &b, 20), 0, "the gateway delivered");

    for host in ["h1", "h2", "h3"] {
        let link = store.done(&format!("routes --host {host} --format link {policy}"));
        let output = lab.fed(host, "ip", &["-batch", "-"], &link);
        assert!(output.status.success(), "{link}: {output:?}");
        applied(&lab, &store, host, "fdb");
        applied(&lab, &store, host, "ip");
        assert_eq!(applied(&lab, &store, host, "fdb"), [""; 0]);
        assert_eq!(applied(&lab, &store, host, "ip"), [""; 0]);
    }
    assert!(
        lab.reaches("a", &b) && lab.reaches("b", &a),
        "across subnets"
    );
    assert!(
        lab.reaches("a", &c) && lab.reaches("c", &b),
        "within one, and from it"
    );
    assert!(
        lab.ip("h1", &format!("route get {b}"))
            .contains("dev berth0")
    );
    assert!(
        lab.ip("h1", &format!("route get {c}"))
            .contains("via 192.168.1.12 dev up0")
    );

    // h2 has nothing any more: nothing of it is left on h1.
    store.done("release --owner h2");
    store.done("host set h2 --address 192.168.7.4/24 --drain");
    store.done("gc");
    applied(&lab, &store, "h1", "ip");
    applied(&lab, &store, "h1", "fdb");
    let left = [
        lab.ip("h1", "route show dev berth0 proto 198"),
        lab.ip("h1", "neigh show dev berth0 nud permanent"),
    ];
    assert_eq!(left, ["", ""]);
    assert!(!observed(&lab, "h1", "fdb").contains("192.168.7.4"));
}

pub(crate) fn vxlan_carries_ipv6_over_hosts_of_ipv4() {
    let pool = "pool add p fd00:50::/122 --block-size 124 --quarantine 0s";
    let (lab, store, [a, b, _]) = subnets("vxlan6", pool);
    for (host, address) in [("h1", &a), ("h2", &b)] {
        let always = "--wrap always --tunnel vxlan";
        let render =
            |format: &str| store.done(&format!("routes --host {host} --format {format} {always}"));
        for (program, format) in [("ip", "link"), ("bridge", "fdb"), ("ip", "ip")] {
            let batch = render(format);
            let output = lab.fed(host, program, &["-batch", "-"], &batch);
            assert!(output.status.success(), "{batch}: {output:?}");
        }
        lab.ip(host, &format!("addr add {address}/128 dev lo"));
    }
    let from = format!("-I{a}");
    let reaches = || lab.fed("h1", "ping", &["-n", "-c", "1", "-W", "1", &from, &b], "");
    assert!(test_support::netns::settles(|| reaches().status.success()));
}
