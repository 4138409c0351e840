//! Real proxies, fed by the driver, under load.

use crate::load::{Load, requests};
use crate::world::World;
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use test_support::proxies::{Backend, Proxy, start_envoy, start_haproxy, start_nginx};
use test_support::running::{Running, until};

/// Backends behind a proxy.
const BACKENDS: usize = 20;

/// Waits until a backend is given requests, or is given none.
fn until_served(proxy: &Proxy, backend: &Backend, served: bool) {
    let port = backend.address.port().to_string();
    until(&format!("{port} is given requests: {served}"), || {
        let counted = requests(proxy, 3 * BACKENDS);
        counted.answers.contains_key(&port) == served
    });
}

/// All of it: drains, an unwell backend, a restart, a killed driver, a region that drains, under constant load.
pub(crate) fn follows(world: &mut World, proxy: &Proxy, start: &dyn Fn(&World) -> Running) {
    let driver = start(world);
    for i in 0..BACKENDS {
        world.until_weight(&format!("web-{i}"), 100.0);
    }
    for backend in &world.backends {
        until_served(proxy, backend, true);
    }
    let load = Load::start(proxy);
    world.done(&["drain", "--endpoint", "web-0"]);
    until_served(proxy, &world.backends[0], false);
    world.backends[1].is_well(false);
    until_served(proxy, &world.backends[1], false);
    world.backends[1].is_well(true);
    until_served(proxy, &world.backends[1], true);
    // A killed driver: what it decided stays, and its successor knows of the drain.
    driver.kill();
    assert!(requests(proxy, 100).failed.is_empty());
    let driver = start(world);
    assert_eq!(world.weight("web-0"), 0.0);
    assert_eq!(world.weight("web-2"), 100.0, "nobody warms anew");
    until_served(proxy, &world.backends[0], false);
    world.done(&["undrain", "--endpoint", "web-0"]);
    until_served(proxy, &world.backends[0], true);
    world.done(&["drain", "--region", "south"]);
    for backend in world.backends.iter().skip(1).step_by(2) {
        until_served(proxy, backend, false);
    }
    world.done(&["undrain", "--region", "south"]);
    for backend in world.backends.iter().skip(1).step_by(2) {
        until_served(proxy, backend, true);
    }
    troubled(world, proxy);
    // One endpoint is gone and comes back.
    let all = world.endpoints();
    world.source(&world.web(&all[1..], 0.5));
    until_served(proxy, &world.backends[0], false);
    world.source(&world.web(&all, 0.5));
    until_served(proxy, &world.backends[0], true);
    let counted = load.end();
    assert!(counted.failed.is_empty(), "{:?}", counted.failed);
    assert!(counted.all() > 100, "{counted:?}");
    // Killed: what is refused goes to another one, and soon nobody asks it.
    let killed = world.backends.remove(3);
    let address = killed.address;
    drop(killed);
    until("the killed one is found out", || {
        world.weight("web-3") == 0.0
    });
    std::thread::sleep(Duration::from_secs(1));
    let counted = requests(proxy, 200);
    assert!(counted.failed.is_empty(), "{:?}", counted.failed);
    assert!(!counted.answers.contains_key(&address.port().to_string()));
    let output = driver.end("TERM");
    assert!(output.status.success(), "{output:?}");
}

/// One that flaps, one that is slow, a region that is ill and fails over.
fn troubled(world: &World, proxy: &Proxy) {
    for well in [false, true, false, true, false, true] {
        world.backends[2].is_well(well);
        std::thread::sleep(Duration::from_millis(150));
    }
    world.backends[4].is_slow(true);
    until_served(proxy, &world.backends[4], false);
    world.backends[4].is_slow(false);
    for served in [false, true] {
        for backend in world.backends.iter().skip(1).step_by(2) {
            backend.is_well(served);
        }
        for backend in world.backends.iter().skip(1).step_by(2) {
            until_served(proxy, backend, served);
        }
    }
    until_served(proxy, &world.backends[2], true);
    until_served(proxy, &world.backends[4], true);
}

pub(crate) fn world() -> World {
    let world = World::new(BACKENDS);
    world.source(&world.web(&world.endpoints(), 0.5));
    world
}

pub(crate) fn envoy_follows_without_a_failed_request() {
    let mut world = world();
    let endpoints = world.folder.join("eds.json");
    std::fs::write(&endpoints, "{\"resources\":[]}").expect("written");
    let envoy = start_envoy(&world.folder, &endpoints);
    let sink = format!("envoy-file:{}", endpoints.display());
    follows(&mut world, &envoy, &|world| world.start(&sink, &[]));
}

pub(crate) fn haproxy_follows_without_a_failed_request() {
    let mut world = world();
    let socket = world.folder.join("h.sock");
    let haproxy = start_haproxy(&world.folder, &socket, "");
    let sink = format!("haproxy:{}", socket.display());
    follows(&mut world, &haproxy, &|world| world.start(&sink, &[]));
}

pub(crate) fn nginx_follows_without_a_failed_request() {
    let mut world = world();
    let upstreams = world.folder.join("upstreams.conf");
    std::fs::write(&upstreams, "upstream web { server 127.0.0.1:9 down; }").expect("written");
    let (nginx, reload) = start_nginx(&world.folder, &upstreams);
    let sink = format!("nginx-file:{}", upstreams.display());
    follows(&mut world, &nginx, &|world| {
        world.start(&sink, &["--nginx-reload", &reload])
    });
}

fn haproxy(folder: &Path, servers: &str) -> (Proxy, String) {
    let socket = folder.join("h.sock");
    let sink = format!("haproxy:{}", socket.display());
    (start_haproxy(folder, &socket, servers), sink)
}

pub(crate) fn haproxy_is_brought_in_line_after_a_restart() {
    let world = World::new(2);
    world.source(&world.web(&world.endpoints(), 0.2));
    let (first, sink) = haproxy(&world.folder, "");
    let mut driver = world.start(&sink, &[]);
    until_served(&first, &world.backends[1], true);
    first.end();
    driver.hear("haproxy");
    // It has lost its servers.
    let (second, _) = haproxy(&world.folder, "");
    until_served(&second, &world.backends[0], true);
    until_served(&second, &world.backends[1], true);
}

pub(crate) fn servers_of_others_stay_in_haproxy() {
    let world = World::new(3);
    let all = world.endpoints();
    world.source(&world.web(&all[..2], 0.2));
    // One that nobody told of, and one that bears an endpoint's name with another address.
    let theirs = format!(
        "  server theirs {}\n  server web-0 127.0.0.1:9\n",
        world.backends[2].address
    );
    let (proxy, sink) = haproxy(&world.folder, &theirs);
    let driver = world.start(&sink, &[]);
    for backend in &world.backends {
        until_served(&proxy, backend, true);
    }
    world.source(&world.web(
        &[json!({"id": "web-1", "address": world.backends[1].address.to_string()})],
        0.2,
    ));
    world.done(&["show"]);
    std::thread::sleep(Duration::from_secs(2));
    until_served(&proxy, &world.backends[2], true);
    assert!(driver.end("TERM").status.success());
}
