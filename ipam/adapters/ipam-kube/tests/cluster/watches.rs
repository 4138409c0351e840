//! Lists and watches that fail, end and lie.

use crate::common::objects::retention;
use crate::common::{COLLECTED, Rig, SETTLED, pass, run};
use kube_double::Fault;
use serde_json::json;
use std::time::Duration;

#[test]
fn watches_that_are_cut_lose_nothing() {
    run(async {
        let rig = Rig::new().await;
        for plural in ["pods", "statefulsets", "deployments", "replicasets"] {
            rig.double
                .fault(Fault::on("watch", plural).times(20).cut(1));
        }
        let _controller = rig.start();
        for n in 0..5 {
            rig.stateful_set(&format!("web{n}"), retention("fixed"), 2);
            pass(Duration::from_secs(3)).await;
            rig.double.cut("pods");
            rig.deployment(
                &format!("api{n}"),
                retention("fixed"),
                &[&format!("a{n}"), &format!("b{n}")],
            );
        }
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(rig.leases().len(), 20);
    });
}

#[test]
fn deletions_missed_before_a_list_anew_are_made_up_for() {
    for refused_at_start in [false, true] {
        run(async move {
            let rig = Rig::new().await;
            let _controller = rig.start();
            rig.stateful_set("web", retention("fixed"), 3);
            rig.stateful_set("db", retention("fixed"), 1);
            rig.pod("alone");
            pass(SETTLED).await;
            let web_0 = rig.lease("web-0");
            for plural in ["pods", "statefulsets"] {
                rig.double
                    .fault(Fault::on("watch", plural).times(usize::MAX).status(503));
                rig.double.cut(plural);
            }
            pass(Duration::from_secs(5)).await;
            // Meanwhile: one goes, one is made again, a workload goes with its pods.
            rig.delete_pod("alone");
            rig.delete_pod("web-0");
            rig.set_pod("web", 0, "h2");
            rig.delete_pod("db-0");
            rig.double.delete("statefulsets", "shop", "db");
            pass(SETTLED).await;
            for plural in ["pods", "statefulsets"] {
                rig.double.compact(plural);
            }
            rig.double.mend();
            if refused_at_start {
                for plural in ["pods", "statefulsets"] {
                    rig.double.fault(Fault::on("watch", plural).status(410));
                }
            }
            pass(SETTLED).await;
            rig.check().await;
            assert_eq!(rig.lease("web-0"), web_0);
            assert_eq!(rig.ipam().await.claim_count(), 3);
        });
    }
}

#[test]
fn bookmarks_spare_a_list() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        rig.pod("alone");
        pass(SETTLED + Duration::from_secs(1)).await;
        // Much happens to others; only the bookmark tells of it.
        for n in 0..10 {
            rig.double
                .apply("nodes", json!({"metadata": {"name": format!("n{n}")}}));
        }
        for plural in ["pods", "statefulsets", "deployments", "replicasets"] {
            rig.double.bookmark(plural);
        }
        // Before a lease is renewed, which is a later version.
        pass(Duration::from_millis(1)).await;
        let lists = |rig: &Rig| {
            rig.double
                .calls()
                .iter()
                .filter(|c| c.verb == "list")
                .count()
        };
        let before = lists(&rig);
        rig.double.compact("pods");
        rig.double.cut("pods");
        rig.pod("later");
        pass(SETTLED).await;
        rig.check().await;
        assert_eq!(lists(&rig), before);
    });
}

/// A controller that finds claims in the store whose pods went while nobody looked.
async fn leaked() -> Rig {
    let rig = Rig::new().await;
    rig.double.limit_pages(2);
    let controller = rig.start();
    for n in 0..7 {
        rig.pod(&format!("pod-{n}"));
    }
    pass(SETTLED).await;
    drop(controller);
    rig.delete_pod("pod-3");
    rig
}

#[test]
fn leaks_are_collected_after_a_grace() {
    run(async {
        let rig = leaked().await;
        let _controller = rig.start();
        pass(SETTLED).await;
        assert_eq!(
            rig.ipam().await.claim_count(),
            7,
            "it is missing, but not for long"
        );
        pass(COLLECTED).await;
        rig.check().await;
        assert_eq!(rig.ipam().await.claim_count(), 6);
    });
}

#[test]
fn list_that_fails_or_is_partial_frees_nothing() {
    let faults = [
        Fault::on("list", "pods").status(500),
        Fault::on("list", "pods").after(2).status(410),
        Fault::on("list", "pods").after(1).status(403),
        Fault::on("list", "pods").after(3).garbage(),
        Fault::on("list", "pods")
            .after(2)
            .slow(Duration::from_secs(100)),
    ];
    for fault in faults {
        run(async move {
            let rig = leaked().await;
            let _controller = rig.start();
            // The first list is whole; those of collection are not.
            pass(Duration::from_secs(30)).await;
            for n in 0..400 {
                rig.double.mend();
                rig.double.fault(fault.clone());
                pass(Duration::from_secs(10)).await;
                if n % 40 == 0 {
                    rig.double.cut("pods");
                }
            }
            rig.check_told().await;
            rig.double.mend();
            pass(COLLECTED).await;
            rig.check().await;
            assert_eq!(rig.ipam().await.claim_count(), 6);
        });
    }
}

#[test]
fn whose_list_is_late_is_asked_for_before_anything_ends() {
    run(async {
        let rig = Rig::new().await;
        let first = rig.start();
        pass(SETTLED).await;
        let second = rig.start();
        pass(SETTLED).await;
        // The first goes blind, and stops; the second serves a workload that the first knows nothing of.
        for plural in ["pods", "statefulsets"] {
            rig.double
                .fault(Fault::on("watch", plural).times(usize::MAX).status(503));
        }
        first.stop();
        pass(Duration::from_secs(30)).await;
        rig.double.mend();
        rig.stateful_set("web", retention("fixed"), 2);
        pass(SETTLED).await;
        assert_eq!(rig.leases().len(), 2);
        rig.delete_pod("web-1");
        pass(SETTLED).await;
        for plural in ["pods", "statefulsets"] {
            rig.double
                .fault(Fault::on("watch", plural).times(usize::MAX).status(503));
            rig.double.cut(plural);
        }
        pass(Duration::from_secs(5)).await;
        drop(second);
        first.go_on();
        pass(3 * COLLECTED).await;
        rig.check_told().await;
        assert_eq!(
            rig.ipam().await.retained().len(),
            2,
            "web is there, whatever the first knows"
        );
        rig.double.mend();
        pass(SETTLED).await;
        rig.check().await;
    });
}

#[test]
fn patches_that_meet_conflicts_are_made_again() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        pass(SETTLED).await;
        rig.double.fault(
            Fault::on("patch", "pods")
                .late(Duration::from_secs(1))
                .times(4),
        );
        rig.pod("busy");
        for n in 0..8 {
            pass(Duration::from_millis(500)).await;
            let mut busy = rig.double.get("pods", "shop", "busy").unwrap();
            busy["status"]["conditions"] = json!([{"n": n}]);
            rig.double.apply("pods", busy);
        }
        pass(SETTLED).await;
        rig.check().await;
        let conflicts = rig
            .double
            .calls()
            .iter()
            .filter(|c| c.status == 409)
            .count();
        assert!(conflicts > 0);
        let busy = rig.double.get("pods", "shop", "busy").unwrap();
        assert_eq!(
            busy["status"]["conditions"],
            json!([{"n": 7}]),
            "what others wrote stays"
        );
    });
}

#[test]
fn server_that_fails_is_asked_again_and_not_without_a_pause() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        pass(SETTLED).await;
        let before = rig.double.calls().len();
        let patch = |times| Fault::on("patch", "pods").times(times);
        rig.double.fault(patch(2).status(429));
        rig.double.fault(patch(2).status(500));
        rig.double.fault(patch(1).lost(504));
        rig.double.fault(patch(1).slow(Duration::from_secs(60)));
        rig.double.fault(patch(1).garbage());
        rig.pod("a");
        rig.pod("b");
        pass(SETTLED).await;
        rig.check().await;
        let calls = rig.double.calls().split_off(before);
        let patches = calls.iter().filter(|c| c.verb == "patch").count();
        assert!((4..20).contains(&patches), "{patches}");
        // Watches, lists and leases fail for long: calls grow rare, and all goes on afterwards.
        for (verb, plural) in [
            ("watch", "pods"),
            ("list", "pods"),
            ("watch", "statefulsets"),
            ("list", "statefulsets"),
        ] {
            rig.double
                .fault(Fault::on(verb, plural).times(usize::MAX).status(500));
            rig.double.cut(plural);
        }
        let before = rig.double.calls().len();
        pass(Duration::from_secs(3600)).await;
        let calls = rig.double.calls().split_off(before);
        let watches = calls.iter().filter(|c| c.verb != "update").count();
        assert!((60..1500).contains(&watches), "{watches} calls in an hour");
        rig.double.mend();
        rig.pod("c");
        pass(SETTLED).await;
        rig.check().await;
    });
}
