use super::*;
use crate::object::Watched;
use ipam::{PoolSpec, Request};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_secs(100);

/// A state with a pool, and a claim that is fixed for slot 0 of a StatefulSet in each of two namespaces.
fn stored() -> Ipam {
    let mut ipam = Ipam::new(7);
    let spec = PoolSpec::new("p", "10.9.0.0/24".parse().unwrap());
    ipam.add_pool(NOW, spec).unwrap();
    for namespace in ["shop", "other"] {
        let owner = format!("kube/{namespace}/web-0/u0");
        let slot = format!("kube/{namespace}/StatefulSet/web/s0/0");
        let request = Request::new(&owner).workload(&slot).fixed(&[]).host("h1");
        ipam.claim(NOW, &request).unwrap();
    }
    ipam
}

/// A controller that leads and has listed these pods, and no workloads.
fn leader(settings: Settings, pods: &[Value]) -> Controller {
    let mut controller = Controller::new(settings);
    controller.lead(NOW);
    for watched in Watched::ALL {
        controller.handle(NOW, Event::Began(watched));
        for pod in pods.iter().filter(|_| watched == Watched::Pods) {
            controller.handle(NOW, Event::Listed(watched, Seen::read(watched, pod)));
        }
        controller.handle(NOW, Event::Done(watched));
    }
    controller
}

/// All that it wants to do, if everything is found to be all the same.
fn wants(controller: &mut Controller, ipam: &Ipam) -> Vec<String> {
    let mut wants = Vec::new();
    while let Some(effect) = controller.next(NOW, ipam) {
        wants.push(effect.to_string());
        controller.done(NOW, Outcome::Wrong);
    }
    wants
}

#[test]
fn of_namespaces_that_are_not_watched_nothing_is_concluded() {
    let ipam = stored();
    let nobody = BTreeSet::new();
    let mut all = leader(Settings::default(), &[]);
    assert!(!all.lives("kube/other/web-0/u0", &nobody));
    assert_eq!(
        wants(&mut all, &ipam).len(),
        3,
        "two reservations and a pass of collection"
    );
    let settings = Settings {
        namespace: Some("shop".to_owned()),
        ..Settings::default()
    };
    let mut one = leader(settings, &[]);
    assert!(one.lives("kube/other/web-0/u0", &nobody));
    assert!(!one.lives("kube/shop/web-0/u0", &nobody));
    let wants = wants(&mut one, &ipam);
    assert_eq!(wants.len(), 2, "{wants:?}");
    assert!(
        wants
            .iter()
            .any(|w| w.contains("kube/shop/StatefulSet/web/s0/0")),
        "{wants:?}"
    );
}

#[test]
fn nothing_is_decided_before_everything_was_listed_nor_by_who_does_not_lead() {
    let ipam = stored();
    let mut controller = Controller::new(Settings::default());
    controller.lead(NOW);
    for watched in Watched::ALL {
        assert_eq!(controller.next(NOW, &ipam), None);
        controller.handle(NOW, Event::Began(watched));
        controller.handle(NOW, Event::Done(watched));
    }
    assert!(controller.next(NOW, &ipam).is_some());
    controller.follow();
    assert_eq!(controller.next(NOW, &ipam), None);
    assert_eq!(controller.next_deadline(), None);
}

#[test]
fn what_is_told_decides_the_same_whatever_comes_in_between() {
    let ipam = stored();
    let pod = |uid: &str| {
        json!({
            "metadata": {"namespace": "shop", "name": "web-0", "uid": uid, "resourceVersion": "5"},
            "spec": {"nodeName": "h1"},
        })
    };
    let run = || {
        let mut controller = leader(Settings::default(), &[pod("u0")]);
        let again = Event::Applied(Watched::Pods, Seen::read(Watched::Pods, &pod("u1")));
        controller.handle(NOW, again);
        wants(&mut controller, &ipam)
    };
    let first = run();
    assert_eq!(first, run());
    assert!(
        first.contains(&"release of pod shop/web-0 (u0)".to_owned()),
        "{first:?}"
    );
    assert!(
        first.contains(&"claim for pod shop/web-0 (u1)".to_owned()),
        "{first:?}"
    );
}
