//! Objects and annotations that say what cannot be.

use crate::common::objects::{pod, retention};
use crate::common::{COLLECTED, Rig, SETTLED, pass, run};
use ipam_kube::{LEASE, RETENTION};
use kube_double::Value;
use serde_json::json;
use std::time::Duration;

/// Objects that no API server should hold.
fn absurd() -> Vec<(&'static str, Value, &'static str)> {
    let meta = |name: &str| json!({"namespace": "shop", "name": name, "uid": format!("u-{name}")});
    let long = "x".repeat(20_000);
    vec![
        (
            "pods",
            json!({"metadata": {"namespace": "shop", "name": 7}}),
            "metadata.name: want a name, got 7",
        ),
        (
            "pods",
            json!({"metadata": {"namespace": "shop", "name": "no-uid"}}),
            "metadata.uid: missing",
        ),
        (
            "pods",
            json!({"metadata": {"namespace": "shop", "name": long, "uid": "u"}}),
            "20000 characters",
        ),
        (
            "pods",
            json!({"metadata": {"namespace": "shop", "name": "../../x", "uid": "u"}}),
            "letters, digits",
        ),
        (
            "pods",
            json!({"metadata": meta("node"), "spec": {"nodeName": ["h1"]}}),
            "spec.nodeName: want a name, got [\"h1\"]",
        ),
        (
            "pods",
            json!({"metadata": meta("net"), "spec": {"hostNetwork": "yes", "nodeName": "h1"}}),
            "spec.hostNetwork: want true or false",
        ),
        (
            "pods",
            json!({"metadata": meta("phase"), "status": {"phase": {}}}),
            "status.phase: want a string",
        ),
        (
            "statefulsets",
            json!({"metadata": {"name": null}}),
            "metadata.namespace: missing",
        ),
        (
            "deployments",
            json!({"metadata": {"namespace": "shop", "name": "d", "uid": "u", "ownerReferences": 3}}),
            "want a list of references",
        ),
        (
            "replicasets",
            json!({"metadata": "odd"}),
            "metadata.namespace: missing",
        ),
    ]
}

#[test]
fn malformed_objects_are_passed_over_and_stop_nothing() {
    run(async {
        let rig = Rig::new().await;
        rig.stateful_set("web", retention("fixed"), 2);
        for (n, (plural, object, _)) in absurd().into_iter().enumerate() {
            rig.double
                .put_raw(plural, "shop", &format!("absurd-{n}"), object);
        }
        let _controller = rig.start();
        pass(SETTLED).await;
        for name in ["web-0", "web-1"] {
            assert!(rig.lease(name).is_some(), "{name}");
        }
        for (_, _, why) in absurd() {
            assert!(
                !rig.told_of(why).is_empty(),
                "{why}: {:#?}",
                rig.told_of("")
            );
        }
        // As events, and things that are no objects at all.
        for (n, (plural, object, _)) in absurd().into_iter().enumerate() {
            rig.double
                .put_raw(plural, "shop", &format!("event-{n}"), object);
            rig.double.delete(plural, "shop", &format!("event-{n}"));
        }
        for (n, odd) in [json!(7), json!(null), json!([]), json!("x"), json!({})]
            .into_iter()
            .enumerate()
        {
            rig.double.put_raw("pods", "shop", &format!("odd-{n}"), odd);
            pass(Duration::from_secs(2)).await;
            rig.set_pod("web", 2 + n as u32, "h1");
        }
        pass(SETTLED).await;
        for n in 0..7 {
            assert!(rig.lease(&format!("web-{n}")).is_some(), "web-{n}");
        }
        rig.check_told().await;
    });
}

#[test]
fn pod_that_cannot_be_read_any_more_keeps_what_it_has() {
    run(async {
        let rig = Rig::new().await;
        let controller = rig.start();
        rig.pod("a");
        rig.pod("b");
        pass(SETTLED).await;
        let mut broken = rig.double.get("pods", "shop", "a").unwrap();
        broken["spec"]["hostNetwork"] = json!("yes");
        rig.double.put_raw("pods", "shop", "a", broken.clone());
        // Of this one not even the name can be read: it may be any pod.
        rig.double
            .put_raw("pods", "shop", "b", json!({"metadata": {"labels": 7}}));
        pass(COLLECTED).await;
        assert_eq!(rig.ipam().await.claim_count(), 2);
        drop(controller);
        let _controller = rig.start();
        pass(2 * COLLECTED).await;
        assert_eq!(rig.ipam().await.claim_count(), 2, "nor after a restart");
        rig.double.delete("pods", "shop", "b");
        rig.double.delete("pods", "shop", "a");
        pass(2 * COLLECTED).await;
        assert_eq!(rig.ipam().await.claim_count(), 0);
    });
}

#[test]
fn absurd_annotations_refuse_their_pod_alone() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        let absurd = [
            json!({RETENTION: "for ever"}),
            json!({RETENTION: "fixed"}),
            json!({"ipam.berth.dev/pools": "x".repeat(100_000)}),
            json!({"ipam.berth.dev/pools": "nowhere"}),
            json!({"ipam.berth.dev/addresses": "10.9.0.0/0,::"}),
            json!({"ipam.berth.dev/family": "dual"}),
        ];
        for (n, annotations) in absurd.iter().enumerate() {
            let mut object = pod(&format!("absurd-{n}"), "h1");
            object["metadata"]["annotations"] = annotations.clone();
            rig.double.apply("pods", object);
        }
        // A lease that somebody else wrote is no lease.
        let mut forged = pod("forged", "h1");
        forged["metadata"]["annotations"] = json!({LEASE: "10.9.0.1"});
        rig.double.apply("pods", forged);
        rig.pod("good");
        pass(SETTLED).await;
        let leases = rig.leases();
        assert_eq!(
            leases.keys().collect::<Vec<_>>(),
            ["forged", "good"],
            "{:#?}",
            rig.told_of("")
        );
        let told = rig.told_of("").len();
        assert!(told < 100, "not again and again: {told}");
        for why in [
            "want ephemeral, fixed",
            "only pods of a StatefulSet",
            "4096 are the most",
            "no pool `nowhere`",
        ] {
            assert!(
                !rig.told_of(why).is_empty(),
                "{why}: {:#?}",
                rig.told_of("")
            );
        }
    });
}
