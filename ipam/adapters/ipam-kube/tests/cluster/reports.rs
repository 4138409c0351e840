//! What users of other controllers met, by the number of the report.

use crate::common::objects::{fixed_to, pod, retention};
use crate::common::{COLLECTED, Rig, SETTLED, pass, run};
use ipam::PoolSpec;
use ipam_kube::{ADDRESSES, POOLS, RETENTION};
use kube_double::Fault;
use serde_json::json;
use std::time::Duration;

/// A cluster whose one pool has this many addresses, without quarantine.
async fn small(addresses: u32) -> Rig {
    let rig = Rig::new().await;
    let mut replica = ipam::Replica::open(rig.store.clone(), rig.now(), 7)
        .await
        .unwrap();
    let sleep = tokio::time::sleep;
    replica.remove_pool(rig.now(), "p", sleep).await.unwrap();
    let rest = format!("10.9.0.{}-10.9.0.254", addresses + 2);
    let rest: ipam::net::AddressRange = rest.parse().unwrap();
    let spec = PoolSpec::new("p", "10.9.0.0/24".parse().unwrap())
        .gateway("10.9.0.1".parse().unwrap())
        .quarantine(Duration::ZERO)
        .exclude(rest);
    replica.add_pool(rig.now(), spec, sleep).await.unwrap();
    rig
}

/// whereabouts#176: a node is lost, the pod is made again elsewhere, and the reconciler, which goes by names, frees the address of the
/// new one. Also spiderpool#2526: "pod UID is different".
#[test]
fn pod_made_again_under_its_name_keeps_its_address_through_collection() {
    run(async {
        let rig = Rig::new().await;
        let controller = rig.start();
        rig.stateful_set("pcrf-sm", retention(""), 1);
        pass(SETTLED).await;
        let before = rig.lease("pcrf-sm-0");
        drop(controller);
        rig.delete_pod("pcrf-sm-0");
        rig.set_pod("pcrf-sm", 0, "h2");
        let _controller = rig.start();
        pass(COLLECTED).await;
        rig.check().await;
        assert_ne!(rig.lease("pcrf-sm-0"), before, "nothing is retained for it");
        pass(COLLECTED).await;
        rig.check().await;
    });
}

/// whereabouts#162: what a pod that is still pending was given is freed.
#[test]
fn pod_that_pends_for_long_keeps_its_address() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        let mut pending = pod("slow", "h1");
        pending["status"]["phase"] = "Pending".into();
        rig.double.apply("pods", pending);
        pass(3 * COLLECTED).await;
        rig.check().await;
        assert!(rig.lease("slow").is_some());
    });
}

/// whereabouts#207: pods are listed, one claims meanwhile, and is freed since it is not on the list.
#[test]
fn pod_that_comes_while_a_list_is_read_is_not_collected() {
    run(async {
        let rig = Rig::new().await;
        rig.double.limit_pages(1);
        let controller = rig.start();
        for n in 0..5 {
            rig.pod(&format!("p{n}"));
        }
        pass(SETTLED).await;
        drop(controller);
        rig.delete_pod("p0");
        let _controller = rig.start();
        pass(Duration::from_secs(20)).await;
        for n in 0..40 {
            rig.double.fault(
                Fault::on("list", "pods")
                    .after(1)
                    .slow(Duration::from_secs(4)),
            );
            pass(Duration::from_secs(8)).await;
            rig.pod(&format!("late-{n}"));
            pass(Duration::from_secs(4)).await;
            rig.check_told().await;
        }
        pass(COLLECTED).await;
        rig.check().await;
    });
}

/// whereabouts#182: the range is full, a StatefulSet's pod is made again after its node went down, and never gets up: its own old
/// address is in its way.
#[test]
fn pod_made_again_comes_up_though_the_pool_is_full() {
    for retain in ["", "fixed"] {
        run(async move {
            let rig = small(3).await;
            let controller = rig.start();
            rig.stateful_set("web", retention(retain), 3);
            pass(SETTLED).await;
            assert_eq!(rig.leases().len(), 3);
            drop(controller);
            rig.delete_pod("web-1");
            rig.set_pod("web", 1, "h2");
            let _controller = rig.start();
            pass(COLLECTED + SETTLED).await;
            rig.check().await;
            assert_eq!(rig.leases().len(), 3);
        });
    }
}

/// whereabouts#621: a StatefulSet is scaled to none, another one up, and has the first one's address.
#[test]
fn address_of_a_stateful_set_of_no_pods_is_given_to_no_other() {
    run(async {
        let rig = small(2).await;
        let _controller = rig.start();
        rig.stateful_set("a", retention("fixed"), 1);
        pass(SETTLED).await;
        let before = rig.lease("a-0");
        rig.delete_pod("a-0");
        pass(SETTLED).await;
        rig.stateful_set("b", retention("fixed"), 2);
        pass(SETTLED).await;
        assert_eq!(rig.leases().len(), 1, "one of two is left");
        rig.set_pod("a", 0, "h1");
        pass(SETTLED).await;
        assert_eq!(rig.lease("a-0"), before);
    });
}

/// spiderpool#3751 (root cause in #3778): a StatefulSet is scaled down and up in a hurry, a release that comes late frees what the new
/// pods have.
#[test]
fn stateful_set_scaled_down_and_up_in_a_hurry_has_no_conflict() {
    run(async {
        let rig = small(6).await;
        let _controller = rig.start();
        rig.stateful_set("web", retention(""), 5);
        for round in 0..30 {
            for ordinal in (0..5).rev() {
                rig.delete_pod(&format!("web-{ordinal}"));
            }
            pass(Duration::from_millis(round * 37 % 400)).await;
            for ordinal in 0..5 {
                rig.set_pod("web", ordinal, "h2");
            }
            pass(Duration::from_millis(round * 53 % 700)).await;
            rig.check_told().await;
        }
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.leases().len(), 5);
    });
}

/// spiderpool#1129: an application is deleted by force while no controller runs, and what it had is never freed.
#[test]
fn application_deleted_while_no_controller_runs_is_freed() {
    run(async {
        let rig = Rig::new().await;
        let controller = rig.start();
        rig.deployment("api", retention("fixed"), &["a", "b"]);
        pass(SETTLED).await;
        drop(controller);
        for name in ["a", "b"] {
            rig.delete_pod(name);
        }
        rig.double.delete("deployments", "shop", "api");
        rig.double.delete("replicasets", "shop", "api-1");
        let _controller = rig.start();
        pass(COLLECTED).await;
        rig.check().await;
        let ipam = rig.ipam().await;
        assert_eq!((ipam.claim_count(), ipam.retained().len()), (0, 0));
    });
}

/// spiderpool#1527: a Deployment is gone, its pods still run, and what they have counts as free.
#[test]
fn address_of_a_pod_whose_deployment_is_gone_stays_its_own() {
    run(async {
        let rig = small(2).await;
        let _controller = rig.start();
        rig.deployment("api", retention("fixed"), &["a", "b"]);
        pass(SETTLED).await;
        rig.double.delete("deployments", "shop", "api");
        rig.double.delete("replicasets", "shop", "api-1");
        pass(COLLECTED).await;
        rig.check().await;
        rig.pod("other");
        pass(SETTLED).await;
        assert_eq!(rig.lease("other"), None, "both are held");
        rig.delete_pod("a");
        pass(SETTLED).await;
        rig.check().await;
        assert!(rig.lease("other").is_some());
    });
}

/// spiderpool#1647: a workload is led to another pool, and the controller fails for ever.
#[test]
fn workload_that_changes_its_pool_has_new_addresses_from_its_next_pods_on() {
    run(async {
        let rig = Rig::new().await;
        rig.add_pool(PoolSpec::new("q", "10.8.0.0/24".parse().unwrap()))
            .await;
        let _controller = rig.start();
        let asks = |pool: &str| json!({RETENTION: "fixed", POOLS: pool});
        rig.stateful_set("web", asks("p"), 2);
        pass(SETTLED).await;
        let mut set = rig.double.get("statefulsets", "shop", "web").unwrap();
        set["metadata"]["annotations"] = asks("q");
        rig.double.apply("statefulsets", set);
        pass(SETTLED).await;
        rig.check().await;
        assert!(
            rig.leases().values().all(|a| a.starts_with("10.9.0.")),
            "pods that run keep theirs"
        );
        for ordinal in [1, 0] {
            rig.delete_pod(&format!("web-{ordinal}"));
            rig.set_pod("web", ordinal, "h2");
            pass(SETTLED).await;
        }
        rig.check().await;
        assert!(
            rig.leases().values().all(|a| a.starts_with("10.8.0.")),
            "{:?}",
            rig.leases()
        );
        assert_eq!(rig.ipam().await.retained().len(), 2);
    });
}

/// kube-ovn#4304: no controller runs while a pod with an address of its own is deleted; the next pod that asks for it meets a conflict.
#[test]
fn address_asked_for_is_had_once_its_pod_is_gone() {
    run(async {
        let rig = Rig::new().await;
        let controller = rig.start();
        let asks = |name: &str| {
            let mut asks = pod(name, "h1");
            asks["metadata"]["annotations"] = json!({ADDRESSES: "10.9.0.10"});
            asks
        };
        rig.double.apply("pods", asks("nginx"));
        pass(SETTLED).await;
        assert_eq!(rig.lease("nginx").as_deref(), Some("10.9.0.10"));
        drop(controller);
        rig.delete_pod("nginx");
        let _controller = rig.start();
        rig.double.apply("pods", asks("nginx5"));
        // As long as its quarantine, and not as long as the grace.
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.lease("nginx5").as_deref(), Some("10.9.0.10"));
    });
}

/// kube-ovn#1436: a Deployment with a list of addresses; a pod and the controller are deleted at once, and no address is to be had.
#[test]
fn deployment_with_a_list_of_addresses_survives_pods_and_controller_deleted_at_once() {
    run(async {
        let rig = Rig::new().await;
        let mut controller = rig.start();
        rig.deployment("api", fixed_to("10.9.0.253,10.9.0.254"), &["a0", "b0"]);
        pass(SETTLED).await;
        for round in 1..6 {
            rig.delete_pod(&format!("a{}", round - 1));
            rig.delete_pod(&format!("b{}", round - 1));
            drop(controller);
            rig.replica("api-1", &format!("a{round}"), "h2");
            rig.replica("api-1", &format!("b{round}"), "h2");
            controller = rig.start();
            pass(SETTLED).await;
            rig.check().await;
            let mut addresses: Vec<String> = rig.leases().into_values().collect();
            addresses.sort();
            assert_eq!(addresses, ["10.9.0.253", "10.9.0.254"]);
        }
    });
}

/// kube-ovn#5259: a StatefulSet is given another fixed address, and the one that it had can be had by no other.
#[test]
fn fixed_address_that_was_replaced_is_free_for_another() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        rig.stateful_set("one", fixed_to("10.9.0.21"), 1);
        pass(SETTLED).await;
        let mut set = rig.double.get("statefulsets", "shop", "one").unwrap();
        set["metadata"]["annotations"] = fixed_to("10.9.0.22");
        rig.double.apply("statefulsets", set);
        rig.delete_pod("one-0");
        rig.set_pod("one", 0, "h1");
        pass(SETTLED).await;
        rig.stateful_set("two", fixed_to("10.9.0.21"), 1);
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.lease("one-0").as_deref(), Some("10.9.0.22"));
        assert_eq!(rig.lease("two-0").as_deref(), Some("10.9.0.21"));
    });
}

/// kube-ovn#4479: a pod is evicted again and again, from node to node, and in the end has another address.
#[test]
fn pod_evicted_from_node_to_node_keeps_its_fixed_address() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        rig.stateful_set("apisix", retention("fixed"), 1);
        pass(SETTLED).await;
        let before = rig.lease("apisix-0");
        for round in 0..12 {
            let mut evicted = rig.double.get("pods", "shop", "apisix-0").unwrap();
            evicted["status"] = json!({"phase": "Failed", "reason": "Evicted"});
            rig.double.apply("pods", evicted);
            pass(Duration::from_millis(round * 211 % 900)).await;
            rig.delete_pod("apisix-0");
            rig.set_pod("apisix", 0, ["h1", "h2"][round as usize % 2]);
            pass(Duration::from_millis(round * 307 % 1100)).await;
        }
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.lease("apisix-0"), before);
    });
}

/// kube-ovn#3222: a pod is on its way out for long, until its node is started anew; then it has another address.
#[test]
fn pod_that_took_long_to_go_comes_back_with_its_address() {
    run(async {
        let rig = Rig::new().await;
        let controller = rig.start();
        rig.stateful_set("ceph", retention("fixed"), 1);
        pass(SETTLED).await;
        let before = rig.lease("ceph-0");
        let mut leaving = rig.double.get("pods", "shop", "ceph-0").unwrap();
        leaving["metadata"]["deletionTimestamp"] = "2026-11-30T00:00:00Z".into();
        rig.double.apply("pods", leaving);
        pass(3 * COLLECTED).await;
        drop(controller);
        rig.delete_pod("ceph-0");
        rig.set_pod("ceph", 0, "h1");
        let _controller = rig.start();
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.lease("ceph-0"), before);
    });
}
