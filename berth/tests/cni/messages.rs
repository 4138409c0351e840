//! What is wrong with a call, said as host-local says it: scripts and operators search for these texts.

use crate::beside::{HOST_LOCAL, comparable};
use crate::calls::{BERTH_CNI, Network};
use ipam::rng::{Xoshiro256PlusPlus, stream};
use rand::RngExt as _;
use serde_json::{Value, json};

/// Calls with one thing wrong: what is merged into the configuration's `ipam` section, what into the configuration, and a variable.
fn faults() -> Vec<(Value, Value, (&'static str, &'static str))> {
    let sections = [
        json!({ "subnet": "" }),
        json!({ "subnet": "10.9.0.0" }),
        json!({ "subnet": "10.9.0.0/33" }),
        json!({ "subnet": "10.9.0.5/24" }),
        json!({ "subnet": "10.9.0.0/32" }),
        json!({ "subnet": "::ffff:10.9.0.0/120" }),
        json!({ "subnet": null }),
        json!({ "gateway": "x" }),
        json!({ "gateway": "10.9.0.1/24" }),
        json!({ "rangeStart": "10.9.1.2" }),
        json!({ "rangeEnd": "2001:db8::1" }),
        json!({ "rangeStart": "10.9.0.9", "rangeEnd": "10.9.0.5" }),
        json!({ "ranges": [[]] }),
        json!({ "ranges": [null] }),
        json!({ "ranges": [[{ "subnet": "10.9.0.0/25" }]] }),
        json!({ "ranges": [[{ "subnet": "10.9.1.0/24" }, { "subnet": "2001:db8::/64" }]] }),
        json!({ "ranges": [[{ "subnet": "10.9.1.0/24" }, { "subnet": "10.9.1.0/25" }]] }),
        json!({ "ranges": [[{ "subnet": "10.9.1.0/24", "rangeStart": "x" }]] }),
        json!({ "routes": [{ "dst": "x" }] }),
        json!({ "routes": [{ "dst": "0.0.0.0/0", "gw": "x" }] }),
        json!({ "resolvConf": "/nonexistent/resolv.conf" }),
        json!({ "resolvConf": "/proc" }),
        // Two things wrong: what can't be read is said first.
        json!({ "rangeStart": "10.9.1.2", "routes": [{ "dst": "x" }] }),
    ];
    let configurations = [
        json!({ "name": "a b" }),
        json!({ "name": "" }),
        json!({ "cniVersion": "0.2.0", "runtimeConfig": { "ipRanges": [[{ "subnet": "10.9.7.0/24" }]] } }),
        json!({ "runtimeConfig": { "ipRanges": [[{ "subnet": "10.9.0.0/24" }]] } }),
        json!({ "runtimeConfig": { "ips": ["10.9.0.7/x"] } }),
        json!({ "runtimeConfig": { "ips": ["10.9.9.7"] } }),
        json!({ "args": { "cni": { "ips": ["x"] } } }),
        json!({ "args": { "cni": { "ips": ["10.9.0.1"] } } }),
    ];
    let variables = [
        ("CNI_CONTAINERID", "a/b"),
        ("CNI_CONTAINERID", ""),
        ("CNI_IFNAME", ".."),
        ("CNI_IFNAME", "a:b"),
        ("CNI_IFNAME", "sixteen-letters-"),
        ("CNI_COMMAND", "FROB"),
        ("CNI_ARGS", "IP=x"),
        ("CNI_ARGS", "IP=10.9.0.5/33"),
        ("CNI_ARGS", "IP=10.9.0.1"),
        ("CNI_ARGS", "IgnoreUnknown=x"),
        ("CNI_ARGS", "FOO=bar;B=c"),
        ("CNI_ARGS", "FOO"),
        ("CNI_ARGS", "IP=10.9.0.5;"),
    ];
    let nothing = || json!({});
    let of_section = sections.into_iter().map(|s| (s, nothing(), ("", "")));
    let of_config = configurations.into_iter().map(|c| (nothing(), c, ("", "")));
    let of_variable = variables.into_iter().map(|v| (nothing(), nothing(), v));
    of_section.chain(of_config).chain(of_variable).collect()
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().expect("an object") {
        into[key] = value.clone();
    }
}

/// The same call of both plugins, each with a folder of its own.
fn both(
    name: &str,
    section: &Value,
    config: &Value,
    variable: (&str, &str),
) -> [(Option<i32>, Vec<Value>); 2] {
    [("ours", BERTH_CNI), ("theirs", HOST_LOCAL)].map(|(whose, plugin)| {
        let mut network = Network::new(&format!("{name}-{whose}"), section.clone());
        network.config["cniVersion"] = "1.0.0".into();
        merge(&mut network.config, config);
        let more: Vec<_> = [variable].into_iter().filter(|v| !v.0.is_empty()).collect();
        comparable(&network.call_of(plugin, "ADD", "c1", &more))
    })
}

pub(crate) fn what_is_wrong_is_said_in_host_locals_words() {
    for (i, (section, config, variable)) in faults().iter().enumerate() {
        let mut whole = json!({ "subnet": "10.9.0.0/24" });
        merge(&mut whole, section);
        let [ours, theirs] = both(&format!("fault-{i}"), &whole, config, *variable);
        assert_eq!(
            theirs.0,
            Some(1),
            "no fault: {section} {config} {variable:?}"
        );
        assert_eq!(ours, theirs, "{section} {config} {variable:?}");
    }
}

fn one_of<'a, T: ?Sized>(rng: &mut Xoshiro256PlusPlus, all: &[&'a T]) -> &'a T {
    all[rng.random_range(0..all.len())]
}

fn random_address(rng: &mut Xoshiro256PlusPlus, six: bool) -> String {
    let host = rng.random_range(0..12);
    match six {
        true => format!(
            "{}{host:x}",
            one_of(
                rng,
                &["2001:db8:1::", "2001:DB8:1:0:0:0:0:", "2001:db8:2::"]
            )
        ),
        false => format!("{}{host}", one_of(rng, &["10.9.0.", "10.9.0.", "10.9.1."])),
    }
}

fn random_range(rng: &mut Xoshiro256PlusPlus) -> Value {
    let six = rng.random_ratio(1, 4);
    let subnets: &[&str] = match six {
        true => &["2001:db8:1::/64", "2001:db8:1::/125", "2001:db8:2::/126"],
        false => &[
            "10.9.0.0/24",
            "10.9.0.0/29",
            "10.9.0.8/29",
            "10.9.1.0/28",
            "10.9.0.0/30",
            "10.9.0.0/31",
        ],
    };
    let mut range = json!({ "subnet": one_of(rng, subnets) });
    for key in ["rangeStart", "rangeEnd", "gateway"] {
        if rng.random_ratio(1, 5) {
            range[key] = random_address(rng, six).into();
        }
    }
    range
}

/// An `ipam` section, and what the runtime adds to the configuration.
fn random_config(rng: &mut Xoshiro256PlusPlus) -> (Value, Value) {
    let (mut section, mut config) = (json!({}), json!({}));
    if rng.random_ratio(1, 2) {
        merge(&mut section, &random_range(rng));
    }
    if rng.random_ratio(2, 3) {
        let sets = (0..rng.random_range(1..3)).map(|_| {
            let ranges = (0..rng.random_range(1..3)).map(|_| random_range(rng));
            ranges.collect::<Value>()
        });
        section["ranges"] = sets.collect();
    }
    if rng.random_ratio(1, 3) {
        let gateway = random_address(rng, false);
        section["routes"] =
            json!([{ "dst": "0.0.0.0/0", "gw": gateway }, { "dst": "192.168.5.5/16" }]);
    }
    let six = rng.random_ratio(1, 4);
    match rng.random_range(0..8) {
        0 => config["runtimeConfig"] = json!({ "ips": [random_address(rng, six)] }),
        1 => config["runtimeConfig"] = json!({ "ipRanges": [[random_range(rng)]] }),
        2 => config["args"] = json!({ "cni": { "ips": [random_address(rng, six)] } }),
        3 => config["cniVersion"] = one_of(rng, &["0.2.0", "0.3.1", "0.4.0"]).into(),
        _ => {}
    }
    (section, config)
}

/// Random configurations, whole ones and broken ones, the same to both.
pub(crate) fn random_configurations_have_the_same_answers() {
    let mut rng = stream(0, "configurations beside host-local");
    let (mut done, mut refused) = (0, 0);
    for i in 0..150 {
        let (section, config) = random_config(&mut rng);
        let [ours, theirs] = both(&format!("random-{i}"), &section, &config, ("", ""));
        // A range of nothing but the broadcast address host-local takes, and has no address in it.
        let empty = ours
            .1
            .iter()
            .any(|d| d.as_str().is_some_and(|d| d.contains("must run upwards")));
        match empty {
            true => assert_eq!(ours.0, theirs.0, "{section} {config}"),
            false => assert_eq!(ours, theirs, "{section} {config}"),
        }
        match ours.0 {
            Some(0) => done += 1,
            _ => refused += 1,
        }
    }
    assert!(done > 20 && refused > 20, "{done} done, {refused} refused");
}
