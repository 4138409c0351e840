//! A cluster as the source: a double of its API server.

use crate::world::World;
use kube_double::Double;
use serde_json::{Value, json};
use test_support::running::{Running, until};

fn slice(world: &World, backends: usize) -> Value {
    let backends = world.backends.iter().take(backends).enumerate();
    // Each listens on a port of its own: one slice each would be as good.
    let slices = backends.map(|(i, backend)| {
        json!({
            "metadata": {"namespace": "shop", "name": format!("web-{i}"), "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": backend.address.port()}],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true},
                "nodeName": "n1", "targetRef": {"kind": "Pod", "name": format!("web-{i}")}}],
        })
    });
    slices.collect()
}

fn apply(double: &Double, slices: &Value) {
    for slice in slices.as_array().into_iter().flatten() {
        double.apply("endpointslices", slice.clone());
    }
}

fn start(world: &World) -> Running {
    let state = world.path("state");
    let args = [
        "run",
        "--source",
        "kube",
        "--sink",
        "envoy-file:eds.json",
        "--state",
        &state,
    ];
    let mut command = world.berth(&args);
    command.env("KUBECONFIG", world.folder.join("kubeconfig"));
    let mut running = Running::start(&mut command);
    running.hear("follows kube");
    running
}

pub(crate) fn endpoint_slices_are_followed_across_restarts() {
    let world = World::new(3);
    let double = Double::new();
    let labels = json!({"topology.kubernetes.io/region": "north"});
    double.apply(
        "nodes",
        json!({"metadata": {"name": "n1", "labels": labels}}),
    );
    let config = double.on_loopback().to_string();
    std::fs::write(world.folder.join("kubeconfig"), config).expect("written");
    apply(&double, &slice(&world, 2));
    let driver = start(&world);
    world.until_weight("shop/web/web-0", 100.0);
    assert_eq!(world.endpoint("shop/web/web-1")["region"], "north");
    world.done(&["drain", "--endpoint", "shop/web/web-0"]);
    driver.kill();
    // What happens while no driver runs is not lost, and what was drained stays so.
    apply(&double, &slice(&world, 3));
    double.delete("endpointslices", "shop", "web-1");
    let driver = start(&world);
    world.until_weight("shop/web/web-2", 100.0);
    assert_eq!(world.weight("shop/web/web-0"), 0.0);
    until("web-1 is gone, or held", || {
        let known = world.endpoint("shop/web/web-1");
        known.is_null() || known["held"] == true
    });
    assert!(driver.end("TERM").status.success());
}
