//! What users of IPAM plugins reported, tried here: each by its number, as the engine's calls were.

mod plugin;

use ipam::store::ready;
use ipam::{Ipam, PoolSpec};
use ipam_docker::{Call, EngineView, Refusal, RefusalKind};
use plugin::{Plugin, pause};
use serde_json::json;

/// moby/libnetwork#1386, #1465: an engine asks for another pool without end while the ones it is given are in its way.
#[test]
fn automatic_pools_end_and_come_back() {
    let mut plugin = Plugin::new();
    let given: Vec<String> = std::iter::from_fn(|| plugin.pool("", "", false, &json!({})).ok())
        .take(100)
        .collect();
    assert_eq!(given.len(), 16, "each part of the range once");
    let refusal = plugin
        .pool("", "", false, &json!({}))
        .expect_err("none is left");
    assert_eq!(refusal.kind, RefusalKind::Refused);
    // The engine gives all of them back then.
    given.iter().for_each(|pool| plugin.remove(pool));
    assert_eq!(plugin.replica.ipam().pools().count(), 0);
    assert!(plugin.pool("", "", false, &json!({})).is_ok());
}

/// moby/moby#35459, #39331: what is sent a second time comes without a body.
#[test]
fn an_empty_body_is_refused_by_every_call_that_has_one() {
    for method in [
        "RequestPool",
        "ReleasePool",
        "RequestAddress",
        "ReleaseAddress",
    ] {
        for body in ["", "  \n", "null", "[]", "{\"PoolID\": 7, \"Pool\": 7}"] {
            let read = Call::read(&format!("/IpamDriver.{method}"), body.as_bytes());
            let refusal = read.expect_err(body);
            assert_eq!(refusal.kind.status(), 400, "{method} {body:?}");
        }
    }
}

/// moby/libnetwork#1207, moby/moby#26278: addresses stay after an engine crashed, or was shut down without a word.
#[test]
fn what_no_container_uses_any_more_comes_back() {
    let mut plugin = Plugin::new();
    let pool = plugin.subnet("10.9.0.0/24");
    let gateway = plugin.gateway(&pool, "").expect("a gateway");
    let lost = plugin.address(&pool, "10.9.0.50").expect("free");
    let runs = plugin.address(&pool, "").expect("free");
    assert_eq!(
        (&*gateway, &*lost, &*runs),
        ("10.9.0.1/24", "10.9.0.50/24", "10.9.0.2/24")
    );
    let networks = json!([{"Id": "n", "IPAM": {"Driver": "berth", "Config": [{"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"}]}}]);
    let containers = json!([{"NetworkSettings": {"Networks": {"n": {"NetworkID": "n", "IPAddress": "10.9.0.2"}}}}]);
    assert!(plugin.address(&pool, "10.9.0.50").is_err());
    plugin.collect(&networks, &containers);
    assert_eq!(plugin.held(), ["10.9.0.1", "10.9.0.2"]);
    assert_eq!(
        plugin.address(&pool, "10.9.0.50").as_deref(),
        Ok("10.9.0.50/24")
    );
}

/// projectcalico/calico#746: "already assigned" when a container with an address of its own starts again.
#[test]
fn a_container_starts_again_with_the_address_that_it_asks_for() {
    let mut plugin = Plugin::new();
    let pool = plugin.subnet("10.9.0.0/24");
    for pause in [0, 3, 30, 600, 3000] {
        let given = plugin.address(&pool, "10.9.0.50");
        assert_eq!(given.as_deref(), Ok("10.9.0.50/24"), "after {pause} s");
        plugin.release(&pool, "10.9.0.50");
        plugin.wait(pause);
    }
}

/// moby/moby#28055, #34902: the flag for IPv6 is wrong where a prefix is given.
#[test]
fn a_prefix_says_its_family_by_itself() {
    let mut plugin = Plugin::new();
    let six = plugin
        .pool("fd00:9::/64", "", false, &json!({}))
        .expect("a pool");
    let four = plugin
        .pool("10.9.0.0/24", "", true, &json!({}))
        .expect("a pool");
    assert_eq!(plugin.address(&six, "").as_deref(), Ok("fd00:9::1/64"));
    assert_eq!(plugin.address(&four, "").as_deref(), Ok("10.9.0.1/24"));
    // Where none is, it is all there is to go by.
    assert!(
        plugin.pool("", "", true, &json!({})).is_err(),
        "no range of IPv6 was told"
    );
}

/// contiv/netplugin#1133: an address leaks when the rest of an endpoint cannot be made.
#[test]
fn what_is_given_back_at_once_is_nobodys() {
    let mut plugin = Plugin::new();
    let pool = plugin.subnet("10.9.0.0/29");
    for _ in 0..50 {
        let address = plugin.address(&pool, "").expect("one is free");
        plugin.release(&pool, &address);
    }
    assert_eq!(plugin.held(), Vec::<String>::new());
}

/// infobloxopen/docker-infoblox#40: networks that share a gateway ask for it twice.
#[test]
fn a_shared_gateway_is_given_to_each_network_and_goes_with_the_last() {
    let mut plugin = Plugin::new();
    let pool = plugin.subnet("10.9.0.0/24");
    assert_eq!(plugin.subnet("10.9.0.0/24"), pool);
    for asked in ["10.9.0.254", "10.9.0.254", ""] {
        assert_eq!(
            plugin.gateway(&pool, asked).as_deref(),
            Ok("10.9.0.254/24"),
            "{asked:?}"
        );
    }
    plugin.release(&pool, "10.9.0.254");
    plugin.remove(&pool);
    assert_eq!(plugin.held(), ["10.9.0.254"], "the other network has it");
    assert!(
        plugin.address(&pool, "10.9.0.254").is_err(),
        "no container gets it"
    );
    // A network that goes without giving its gateway back takes it along.
    plugin.remove(&pool);
    assert_eq!(plugin.held(), Vec::<String>::new());
}

/// moby/moby#46756: networks draw from ranges of one subnet that overlap.
#[test]
fn overlapping_ranges_give_no_address_twice() {
    let mut plugin = Plugin::new();
    let none = json!({});
    let one = plugin
        .pool("10.9.0.0/24", "10.9.0.64/26", false, &none)
        .expect("a pool");
    let two = plugin
        .pool("10.9.0.0/24", "10.9.0.64/27", false, &none)
        .expect("a pool");
    let all = plugin.subnet("10.9.0.0/24");
    let mut given = Vec::new();
    for turn in 0..45 {
        given.extend(
            [&one, &two, &all][turn % 3..=turn % 3]
                .iter()
                .map(|pool| plugin.address(pool, "").expect("free")),
        );
    }
    let count = given.len();
    given.sort();
    given.dedup();
    assert_eq!(given.len(), count);
    // One network goes, and what the others have stays.
    plugin.remove(&two);
    assert_eq!(plugin.held().len(), 30);
    assert!(
        plugin
            .pool("10.9.0.0/24", "10.9.1.0/26", false, &none)
            .is_err(),
        "it is elsewhere"
    );
}

/// moby/moby#32604, #33692, docker/swarmkit#2078: a pool is asked for once more than networks are made, and a gateway without its type.
#[test]
fn more_requests_than_networks_leave_nothing_behind() {
    let mut plugin = Plugin::new();
    let pool = plugin.subnet("10.9.0.0/24");
    plugin.subnet("10.9.0.0/24");
    assert_eq!(
        plugin.address(&pool, "10.9.0.1").as_deref(),
        Ok("10.9.0.1/24")
    );
    plugin.release(&pool, "10.9.0.1");
    plugin.remove(&pool);
    plugin.remove(&pool);
    plugin.remove(&pool);
    assert_eq!(plugin.held(), Vec::<String>::new());
}

/// moby/libnetwork#1038, #1057: stop and rm look alike; an address that was chosen by hand is another's when its container starts again.
#[test]
fn nobody_is_given_what_a_stopped_container_asks_for_by_number() {
    let mut plugin = Plugin::new();
    let pool = plugin.subnet("10.9.0.0/29");
    plugin.gateway(&pool, "").expect("a gateway");
    plugin.address(&pool, "10.9.0.3").expect("free");
    plugin.release(&pool, "10.9.0.3");
    plugin.wait(120);
    let others: Vec<String> = std::iter::from_fn(|| plugin.address(&pool, "").ok()).collect();
    assert_eq!(
        others,
        ["10.9.0.2/29", "10.9.0.4/29", "10.9.0.5/29", "10.9.0.6/29"]
    );
    assert_eq!(
        plugin.address(&pool, "10.9.0.3").as_deref(),
        Ok("10.9.0.3/29")
    );
}

/// weaveworks/weave#2222, moby/libnetwork#813: after a reboot the plugin knows nothing of the networks that the engine has.
#[test]
fn a_plugin_that_begins_anew_goes_on_from_its_store() {
    let mut plugin = Plugin::new();
    let pool = plugin.subnet("10.9.0.0/24");
    plugin.gateway(&pool, "").expect("a gateway");
    plugin.address(&pool, "").expect("free");
    let (store, driver, now) = (plugin.replica.into_store(), plugin.driver, plugin.now);
    let mut plugin = Plugin::of(store, driver);
    plugin.now = now;
    assert_eq!(plugin.address(&pool, "").as_deref(), Ok("10.9.0.3/24"));
    plugin.release(&pool, "10.9.0.2");
    assert_eq!(plugin.held(), ["10.9.0.1", "10.9.0.3"]);
}

/// moby/moby#33871: the store is gone, and a container is given the gateway's address.
#[test]
fn what_the_engine_uses_is_claimed_where_the_store_was_lost() {
    let mut plugin = Plugin::new();
    let networks = json!([{"Id": "n", "IPAM": {"Driver": "berth", "Config": [{"Subnet": "10.9.0.0/24", "IPRange": "10.9.0.0/25", "Gateway": "10.9.0.1",
        "AuxiliaryAddresses": {"router": "10.9.0.9"}}]}}]);
    let containers = json!([{"NetworkSettings": {"Networks": {"n": {"NetworkID": "n", "IPAddress": "10.9.0.2"}}}}]);
    let view = EngineView::read(
        "berth",
        networks.to_string().as_bytes(),
        containers.to_string().as_bytes(),
    )
    .expect("answers");
    let driver = plugin.driver.clone();
    let settle = |ipam: &Ipam| {
        let settled = driver.settle(ipam, &view, &std::collections::BTreeSet::new(), &|_| false)?;
        let changes = settled.changes.clone();
        Ok::<_, Refusal>((settled, changes))
    };
    let settled = ready(plugin.replica.transact(plugin.now, settle, pause))
        .expect("at once")
        .expect("settled");
    assert_eq!(settled.adopted.len(), 3);
    assert_eq!(plugin.held(), ["10.9.0.1", "10.9.0.2", "10.9.0.9"]);
    let pool = "docker/10.9.0.0/24#10.9.0.0/25";
    assert_eq!(plugin.address(pool, "").as_deref(), Ok("10.9.0.3/24"));
    // The network goes as any other does.
    plugin.release(pool, "10.9.0.2");
    plugin.release(pool, "10.9.0.3");
    plugin.remove(pool);
    assert_eq!(plugin.held(), Vec::<String>::new());
}

/// An operator's pool says what is given: its gateway, its quarantine; other owners' addresses are theirs.
#[test]
fn pools_of_the_store_are_shared_with_whoever_else_claims_from_them() {
    let mut plugin = Plugin::new();
    let spec = PoolSpec::new("front", "10.9.0.0/24".parse().expect("a prefix"))
        .gateway("10.9.0.254".parse().expect("an address"));
    ready(plugin.replica.add_pool(plugin.now, spec, pause))
        .expect("at once")
        .expect("added");
    let request = ipam::Request::new("front/c1/eth0");
    let other = ready(plugin.replica.claim(plugin.now, &request, pause))
        .expect("at once")
        .expect("a grant");
    let other = other.address().expect("an address").to_string();
    let pool = plugin
        .pool("", "", false, &json!({"pool": "front"}))
        .expect("the pool");
    assert_eq!(pool, "front");
    assert_eq!(plugin.gateway(&pool, "").as_deref(), Ok("10.9.0.254/24"));
    assert!(plugin.address(&pool, &other).is_err());
    plugin.release(&pool, &other);
    assert_eq!(plugin.held(), [other], "it is not the engine's to release");
    assert!(
        plugin.pool("10.9.0.0/25", "", false, &json!({})).is_err(),
        "it lies in another pool"
    );
    assert!(
        plugin
            .pool("", "", false, &json!({"pool": "front", "quarantine": "5s"}))
            .is_err(),
        "it has a quarantine"
    );
    assert!(
        plugin
            .pool("", "", false, &json!({"pool": "back"}))
            .is_err(),
        "there is none"
    );
    plugin.remove(&pool);
    assert!(
        plugin.replica.ipam().pool("front").is_some(),
        "it is not the engine's to remove"
    );
}

/// Engines of API 1.52 and later tell a container's name: it finds its address again.
#[test]
fn a_container_that_is_named_finds_its_address_again() {
    let mut plugin = Plugin::new();
    let pool = plugin.subnet("10.9.0.0/24");
    let named = |name: &str| json!({"PoolID": pool, "Address": "", "Options": {"com.docker.network.endpoint.name": name}});
    assert_eq!(
        plugin.addressed(&named("web")).as_deref(),
        Ok("10.9.0.1/24")
    );
    assert_eq!(plugin.addressed(&named("db")).as_deref(), Ok("10.9.0.2/24"));
    plugin.release(&pool, "10.9.0.1");
    plugin.release(&pool, "10.9.0.2");
    plugin.wait(300);
    assert_eq!(
        plugin.addressed(&named("cache")).as_deref(),
        Ok("10.9.0.3/24")
    );
    assert_eq!(plugin.addressed(&named("db")).as_deref(), Ok("10.9.0.2/24"));
    assert_eq!(
        plugin.addressed(&named("web")).as_deref(),
        Ok("10.9.0.1/24")
    );
}

/// A subnet that no network has any more makes room for another that overlaps it.
#[test]
fn a_network_is_made_again_with_another_prefix() {
    let mut plugin = Plugin::new();
    for subnet in ["10.9.0.0/24", "10.9.0.0/24", "10.9.0.0/16", "10.9.0.0/30"] {
        let pool = plugin.subnet(subnet);
        let gateway = plugin.gateway(&pool, "").expect("a gateway");
        assert!(gateway.starts_with("10.9.0.1/"), "{gateway}");
        plugin.release(&pool, &gateway);
        plugin.remove(&pool);
    }
    let pool = plugin.subnet("10.9.0.0/24");
    assert!(
        plugin.pool("10.9.0.0/16", "", false, &json!({})).is_err(),
        "{pool} is in use"
    );
}
