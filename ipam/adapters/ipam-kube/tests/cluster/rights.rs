//! `rbac.yaml` allows the calls that are made, and no others.

use crate::common::objects::retention;
use crate::common::{COLLECTED, Rig, SETTLED, pass, run};
use kube_double::{Call, Fault};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// A verb on a resource, in a namespace (none: in all), of an object by name (none: of any).
type Right = (String, String, String, Option<String>, Option<String>);

fn texts(value: &Value) -> Vec<String> {
    let items = value
        .as_array()
        .unwrap_or_else(|| panic!("{value} is no list"));
    items
        .iter()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

fn rights() -> BTreeSet<Right> {
    let text = include_str!("../../rbac.yaml");
    let mut rights = BTreeSet::new();
    for document in text.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
        let kind = object["kind"].as_str().unwrap();
        assert_eq!(object["metadata"]["name"], "berth-ipam", "{kind}");
        if kind.ends_with("Binding") {
            assert_eq!(object["roleRef"]["name"], "berth-ipam");
            assert_eq!(object["subjects"][0]["namespace"], "kube-system");
            assert_eq!(
                format!("{}Binding", object["roleRef"]["kind"].as_str().unwrap()),
                kind
            );
        }
        for rule in object["rules"].as_array().into_iter().flatten() {
            let names = rule
                .get("resourceNames")
                .map_or(vec![None], |n| texts(n).into_iter().map(Some).collect());
            for name in names {
                for (group, resource, verb) in texts(&rule["apiGroups"]).into_iter().flat_map(|g| {
                    texts(&rule["resources"]).into_iter().flat_map(move |r| {
                        let group = g.clone();
                        texts(&rule["verbs"])
                            .into_iter()
                            .map(move |v| (group.clone(), r.clone(), v))
                    })
                }) {
                    rights.insert((group, resource, verb, namespace.clone(), name.clone()));
                }
            }
        }
    }
    rights
}

fn allows(right: &Right, call: &Call) -> bool {
    let (group, resource, verb, namespace, name) = right;
    group == call.group
        && resource == call.resource
        && verb == call.verb
        && (namespace.is_none() || *namespace == call.namespace)
        && (name.is_none() || *name == call.name)
}

#[test]
fn manifest_allows_exactly_the_calls_that_are_made() {
    run(async {
        let rig = Rig::new().await;
        let controller = rig.start();
        rig.stateful_set("web", retention("fixed"), 2);
        rig.deployment("api", retention("fixed"), &["a"]);
        pass(SETTLED).await;
        // A conflict, so that the pod is read.
        rig.double.fault(Fault::on("patch", "pods").status(409));
        rig.pod("alone");
        pass(SETTLED).await;
        drop(controller);
        // Each kind of workload is looked for before what it has is freed.
        rig.delete_pod("alone");
        rig.double.apply("replicasets", serde_json::json!({"metadata": {"namespace": "shop", "name": "bare", "annotations": retention("fixed")}}));
        rig.replica("bare", "b", "h1");
        let _controller = rig.start();
        pass(SETTLED).await;
        for (plural, name) in [
            ("statefulsets", "web"),
            ("deployments", "api"),
            ("replicasets", "api-1"),
            ("replicasets", "bare"),
        ] {
            rig.double.delete(plural, "shop", name);
        }
        pass(COLLECTED + Duration::from_secs(60)).await;
        let (rights, calls) = (rights(), rig.double.calls());
        for call in &calls {
            assert!(
                rights.iter().any(|right| allows(right, call)),
                "{call:?} is not allowed"
            );
        }
        for right in &rights {
            assert!(
                calls.iter().any(|call| allows(right, call)),
                "{right:?} is never used"
            );
        }
    });
}
