//! What becomes of addresses as pods and workloads come and go.

use crate::common::objects::{fixed_to, pod, retention};
use crate::common::{COLLECTED, Rig, SETTLED, pass, run};
use ipam::PoolSpec;
use ipam_kube::{ADDRESSES, FAMILY, POOLS, RETENTION};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn stateful_set_keeps_its_addresses_scaled_down_and_up() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        rig.stateful_set("web", retention("fixed"), 3);
        pass(SETTLED).await;
        rig.check().await;
        let before = rig.leases();
        assert_eq!(before.len(), 3);
        for name in ["web-2", "web-1"] {
            rig.delete_pod(name);
        }
        pass(SETTLED).await;
        rig.check().await;
        // Others come meanwhile, and are given none of them.
        for n in 0..20 {
            rig.pod(&format!("other-{n}"));
        }
        pass(SETTLED).await;
        rig.set_pod("web", 1, "h2");
        rig.set_pod("web", 2, "h3");
        pass(SETTLED).await;
        rig.check().await;
        for name in ["web-0", "web-1", "web-2"] {
            assert_eq!(rig.lease(name), before.get(name).cloned(), "{name}");
        }
    });
}

#[test]
fn pod_of_a_lost_node_finds_its_address_on_another() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        rig.stateful_set("web", retention("fixed"), 1);
        pass(SETTLED).await;
        let before = rig.lease("web-0");
        // The node does not answer: the pod stays, on its way out, until somebody forces it.
        let mut lost = rig.double.get("pods", "shop", "web-0").unwrap();
        lost["metadata"]["deletionTimestamp"] = "2026-11-30T00:00:00Z".into();
        rig.double.apply("pods", lost);
        pass(COLLECTED).await;
        rig.check().await;
        rig.delete_pod("web-0");
        rig.set_pod("web", 0, "h2");
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.lease("web-0"), before);
        let ipam = rig.ipam().await;
        assert_eq!(ipam.claims().next().unwrap().host(), Some("h2"));
    });
}

#[test]
fn deleted_stateful_set_frees_its_addresses() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        rig.stateful_set("web", retention("fixed"), 2);
        rig.stateful_set("db", retention("fixed"), 1);
        pass(SETTLED).await;
        rig.delete_pod("web-1");
        pass(SETTLED).await;
        assert_eq!(rig.ipam().await.retained().len(), 3);
        // Its pod goes after it, as the garbage collector has it.
        rig.double.delete("statefulsets", "shop", "web");
        pass(SETTLED).await;
        rig.check().await;
        rig.delete_pod("web-0");
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.ipam().await.retained().len(), 1, "the other's stays");
    });
}

#[test]
fn stateful_set_of_the_same_name_is_another() {
    run(async {
        let rig = Rig::new().await;
        let controller = rig.start();
        rig.stateful_set("web", retention("fixed"), 3);
        pass(SETTLED).await;
        drop(controller);
        // It is deleted and made again, smaller, while nobody looks.
        for name in ["web-0", "web-1", "web-2"] {
            rig.delete_pod(name);
        }
        rig.double.delete("statefulsets", "shop", "web");
        rig.stateful_set("web", retention("fixed"), 1);
        let _controller = rig.start();
        pass(COLLECTED).await;
        rig.check().await;
        assert_eq!(rig.ipam().await.retained().len(), 1);
    });
}

#[test]
fn pods_of_a_deployment_share_its_addresses() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        rig.deployment("api", retention("fixed"), &["api-1-a", "api-1-b"]);
        pass(SETTLED).await;
        rig.check().await;
        let before: BTreeSet<String> = rig.leases().into_values().collect();
        assert_eq!(before.len(), 2);
        // A rolling update: one more for a while, of another ReplicaSet, then the old ones go.
        let deployment = rig.double.get("deployments", "shop", "api").unwrap();
        rig.double.apply(
            "replicasets",
            json!({"metadata": {
                "namespace": "shop", "name": "api-2",
                "ownerReferences": crate::common::objects::controlled_by("Deployment", &deployment),
            }}),
        );
        rig.replica("api-2", "api-2-a", "h2");
        pass(SETTLED).await;
        rig.delete_pod("api-1-a");
        pass(SETTLED).await;
        rig.replica("api-2", "api-2-b", "h2");
        pass(SETTLED).await;
        rig.delete_pod("api-1-b");
        pass(SETTLED).await;
        rig.check().await;
        let reserved = rig.ipam().await.retained().len();
        assert_eq!(reserved, 3, "as many as there ever were at a time");
        // Scaled to nothing and back.
        let after: BTreeSet<String> = rig.leases().into_values().collect();
        rig.delete_pod("api-2-a");
        rig.delete_pod("api-2-b");
        pass(COLLECTED).await;
        rig.replica("api-2", "api-2-c", "h3");
        pass(SETTLED).await;
        rig.check().await;
        assert!(
            before
                .union(&after)
                .any(|a| Some(a) == rig.lease("api-2-c").as_ref())
        );
        rig.double.delete("deployments", "shop", "api");
        rig.double.delete("replicasets", "shop", "api-1");
        rig.double.delete("replicasets", "shop", "api-2");
        rig.delete_pod("api-2-c");
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.ipam().await.retained().len(), 0);
    });
}

#[test]
fn addresses_of_nobody_are_not_retained() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        rig.deployment("api", retention(""), &["a", "b"]);
        rig.stateful_set("web", retention("ephemeral"), 1);
        rig.pod("alone");
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.leases().len(), 4);
        for name in ["a", "b", "web-0", "alone"] {
            rig.delete_pod(name);
        }
        pass(SETTLED).await;
        rig.check().await;
        let ipam = rig.ipam().await;
        assert_eq!((ipam.claim_count(), ipam.retained().len()), (0, 0));
    });
}

#[test]
fn sticky_address_waits_for_its_slot_and_no_longer() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        rig.stateful_set("web", retention("sticky=1h"), 1);
        rig.deployment("api", retention("sticky=1h"), &["a"]);
        pass(SETTLED).await;
        let (web, api) = (rig.lease("web-0"), rig.lease("a"));
        rig.delete_pod("web-0");
        rig.delete_pod("a");
        pass(COLLECTED).await;
        rig.set_pod("web", 0, "h2");
        rig.replica("api-1", "b", "h2");
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!((rig.lease("web-0"), rig.lease("b")), (web, api));
        rig.delete_pod("web-0");
        pass(std::time::Duration::from_secs(3700)).await;
        assert_eq!(rig.ipam().await.retained().len(), 0);
    });
}

#[test]
fn pods_that_have_ended_give_their_addresses_back() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        rig.pod("job");
        let mut node = pod("on-node", "h1");
        node["spec"]["hostNetwork"] = true.into();
        rig.double.apply("pods", node);
        let mut waits = pod("waits", "h1");
        waits["spec"] = json!({});
        rig.double.apply("pods", waits);
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.leases().keys().collect::<Vec<_>>(), ["job"]);
        let mut job = rig.double.get("pods", "shop", "job").unwrap();
        job["status"]["phase"] = "Succeeded".into();
        rig.double.apply("pods", job);
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.ipam().await.claim_count(), 0);
    });
}

#[test]
fn annotations_choose_pools_families_and_addresses() {
    run(async {
        let rig = Rig::new().await;
        rig.add_pool(PoolSpec::new("six", "2001:db8::/64".parse().unwrap()))
            .await;
        rig.add_pool(PoolSpec::new("q", "10.8.0.0/24".parse().unwrap()))
            .await;
        let _controller = rig.start();
        rig.stateful_set("web", fixed_to("10.9.0.40-10.9.0.41"), 3);
        rig.deployment("api", fixed_to("10.9.0.50"), &["a", "b"]);
        rig.stateful_set(
            "dual",
            json!({RETENTION: "fixed", FAMILY: "dual", POOLS: "q,six"}),
            1,
        );
        let mut alone = pod("alone", "h1");
        alone["metadata"]["annotations"] = json!({ADDRESSES: "10.9.0.60"});
        rig.double.apply("pods", alone);
        pass(SETTLED).await;
        let leases = rig.leases();
        let of = |name: &str| leases.get(name).map(String::as_str);
        assert_eq!(
            (of("web-0"), of("web-1"), of("web-2")),
            (Some("10.9.0.40"), Some("10.9.0.41"), None)
        );
        assert_eq!((of("a"), of("b")), (Some("10.9.0.50"), None));
        assert_eq!(of("alone"), Some("10.9.0.60"));
        assert!(of("dual-0").unwrap().starts_with("10.8.0."));
        let ipam = rig.ipam().await;
        assert!(ipam.claims().any(|c| c.addresses().count() == 2));
        assert_eq!(rig.told_of("2 addresses are too few for slot 2").len(), 1);
        assert_eq!(
            rig.told_of("all addresses of its workload's list are held")
                .len(),
            1
        );
        // The one that waited has the address as soon as it is free.
        rig.delete_pod("a");
        pass(SETTLED).await;
        assert_eq!(rig.lease("b").as_deref(), Some("10.9.0.50"));
    });
}

#[test]
fn workload_that_wants_its_addresses_no_longer_gives_them_up() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        rig.stateful_set("web", retention("fixed"), 2);
        pass(SETTLED).await;
        rig.delete_pod("web-1");
        pass(SETTLED).await;
        let mut set = rig.double.get("statefulsets", "shop", "web").unwrap();
        // One that says nothing any more keeps what it has; one that can't be read too.
        set["metadata"]["annotations"] = json!({RETENTION: "fxied"});
        rig.double.apply("statefulsets", set.clone());
        pass(SETTLED).await;
        assert_eq!(rig.ipam().await.retained().len(), 2);
        set["metadata"]["annotations"] = retention("ephemeral");
        rig.double.apply("statefulsets", set);
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.ipam().await.retained().len(), 0);
    });
}

#[test]
fn what_others_hold_in_the_store_is_left_alone() {
    run(async {
        let rig = Rig::new().await;
        let mut replica = ipam::Replica::open(rig.store.clone(), rig.now(), 7)
            .await
            .unwrap();
        let (now, sleep) = (rig.now(), tokio::time::sleep);
        let range = ["10.9.0.77".parse().unwrap()];
        replica
            .claim(now, &ipam::Request::new("front/c1/eth0"), sleep)
            .await
            .unwrap();
        replica
            .claim(
                now,
                &ipam::Request::new("other/shop/web-0/u1")
                    .workload("other/shop/StatefulSet/web/u/0")
                    .fixed(&[]),
                sleep,
            )
            .await
            .unwrap();
        replica
            .reserve(now, "shop/db-0".into(), &range, sleep)
            .await
            .unwrap();
        let _controller = rig.start();
        rig.stateful_set("web", retention("fixed"), 1);
        pass(COLLECTED).await;
        let ipam = rig.ipam().await;
        assert_eq!((ipam.claim_count(), ipam.retained().len()), (3, 3));
    });
}
