//! One leader at a time.

use crate::common::objects::retention;
use crate::common::{COLLECTED, Rig, SETTLED, pass, run};
use ipam_kube::Note;
use kube_double::Fault;
use serde_json::json;
use std::time::Duration;

/// Whoever did something, led when he did: nobody else had begun to lead since.
fn check_told(rig: &Rig) {
    let mut leader = None;
    for (name, note) in rig.told.borrow().iter() {
        match note {
            Note::Leads => leader = Some(name.clone()),
            Note::Done(effect) => assert_eq!(leader.as_ref(), Some(name), "{effect}"),
            _ => {}
        }
    }
}

/// Who began to lead, in order.
fn leaders(rig: &Rig) -> Vec<String> {
    let told = rig.told.borrow();
    let leads = told.iter().filter(|(_, note)| *note == Note::Leads);
    leads.map(|(name, _)| name.clone()).collect()
}

#[test]
fn another_takes_over_when_the_leader_is_killed() {
    run(async {
        let rig = Rig::new().await;
        let first = rig.start();
        pass(Duration::from_secs(5)).await;
        let _second = rig.start();
        let _third = rig.start();
        rig.stateful_set("web", retention("fixed"), 2);
        pass(SETTLED).await;
        assert_eq!(leaders(&rig), ["c0"]);
        drop(first);
        pass(Duration::from_secs(20)).await;
        assert_eq!(leaders(&rig).len(), 2);
        rig.set_pod("web", 2, "h1");
        pass(SETTLED).await;
        rig.check().await;
        check_told(&rig);
        let lease = rig
            .double
            .get("leases", "kube-system", "berth-ipam")
            .unwrap();
        assert_eq!(lease["spec"]["leaseTransitions"], 1);
    });
}

#[test]
fn leader_that_was_stopped_at_any_step_writes_nothing_when_it_goes_on() {
    for steps in (0..400).step_by(7) {
        run(async move {
            let rig = Rig::new().await;
            let first = rig.start();
            rig.stateful_set("web", retention("fixed"), 2);
            rig.deployment("api", retention("fixed"), &["a", "b"]);
            first.stop_after(steps);
            first.stopped_within(Duration::from_secs(60)).await;
            first.stop();
            let _second = rig.start();
            // Everything turns round meanwhile.
            pass(Duration::from_secs(3)).await;
            for name in ["web-1", "a"] {
                rig.delete_pod(name);
            }
            pass(Duration::from_secs(40)).await;
            rig.set_pod("web", 1, "h2");
            rig.replica("api-1", "c", "h2");
            rig.double.delete("statefulsets", "shop", "web");
            first.go_on();
            pass(Duration::from_secs(20)).await;
            check_told(&rig);
            for name in ["web-0", "web-1"] {
                rig.delete_pod(name);
            }
            pass(COLLECTED).await;
            rig.check().await;
            check_told(&rig);
        });
    }
}

#[test]
fn leader_that_cannot_renew_stops_in_time() {
    run(async {
        let rig = Rig::new().await;
        let _controller = rig.start();
        pass(SETTLED).await;
        rig.double
            .fault(Fault::on("update", "leases").times(usize::MAX).status(500));
        pass(Duration::from_secs(11)).await;
        assert!(rig.notes().contains(&Note::Follows));
        rig.pod("a");
        pass(Duration::from_secs(60)).await;
        assert_eq!(rig.ipam().await.claim_count(), 0, "nobody leads");
        rig.double.mend();
        pass(SETTLED).await;
        rig.check().await;
        check_told(&rig);
    });
}

#[test]
fn lease_whose_answers_are_lost_or_slow_has_one_leader() {
    run(async {
        let rig = Rig::new().await;
        let _first = rig.start();
        let _second = rig.start();
        for n in 0..40 {
            rig.double.mend();
            rig.double
                .fault(Fault::on("update", "leases").times(n % 4).lost(504));
            rig.double.fault(
                Fault::on("update", "leases")
                    .times(n % 3)
                    .slow(Duration::from_secs(7)),
            );
            rig.double.fault(
                Fault::on("get", "leases")
                    .times(n % 5)
                    .slow(Duration::from_secs(20)),
            );
            rig.double.fault(
                Fault::on("update", "leases")
                    .times(n % 2)
                    .late(Duration::from_secs(12)),
            );
            rig.pod(&format!("p{n}"));
            pass(Duration::from_secs(17)).await;
        }
        rig.double.mend();
        pass(SETTLED).await;
        rig.check().await;
        check_told(&rig);
    });
}

#[test]
fn absurd_lease_is_taken_over() {
    run(async {
        let rig = Rig::new().await;
        let spec =
            json!({"holderIdentity": 7, "leaseDurationSeconds": "long", "leaseTransitions": -1});
        rig.double.apply(
            "leases",
            json!({"metadata": {"namespace": "kube-system", "name": "berth-ipam"}, "spec": spec}),
        );
        let _controller = rig.start();
        rig.pod("a");
        pass(SETTLED).await;
        rig.check().await;
    });
}
