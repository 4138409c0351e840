//! Controllers that are killed between any two steps.

use crate::common::objects::retention;
use crate::common::{COLLECTED, Rig, SETTLED, pass, run};
use std::time::Duration;

/// A few minutes in which everything happens once.
async fn script(rig: &Rig) {
    let pause = Duration::from_secs(4);
    rig.stateful_set("web", retention("fixed"), 2);
    rig.pod("alone");
    pass(pause).await;
    rig.deployment("api", retention("fixed"), &["a", "b"]);
    pass(pause).await;
    rig.check_told().await;
    // A node is lost, a pod is made again under its name, a slot goes to another.
    rig.delete_pod("web-0");
    rig.set_pod("web", 0, "h2");
    rig.delete_pod("a");
    rig.replica("api-1", "c", "h2");
    pass(pause).await;
    rig.check_told().await;
    rig.delete_pod("web-1");
    rig.delete_pod("alone");
    pass(pause).await;
    rig.double.delete("deployments", "shop", "api");
    rig.double.delete("replicasets", "shop", "api-1");
    rig.delete_pod("b");
    pass(pause).await;
    rig.check_told().await;
    rig.delete_pod("c");
    rig.pod("alone");
    pass(pause).await;
    rig.check_told().await;
}

#[test]
fn controller_killed_between_any_two_steps_leaves_nothing_wrong() {
    let mut steps = 0;
    run(async {
        let rig = Rig::new().await;
        let controller = rig.start();
        script(&rig).await;
        pass(SETTLED).await;
        rig.check().await;
        let before = controller.steps();
        assert!(before > 200, "{before}");
    });
    // Past its last step it is killed at the end.
    loop {
        let mut more = false;
        run(async {
            let rig = Rig::new().await;
            let controller = rig.start();
            controller.stop_after(steps);
            let killed = async {
                controller.stopped_within(Duration::from_secs(30)).await;
                more = controller.is_stopped();
                drop(controller);
                rig.start()
            };
            let ((), _next) = tokio::join!(script(&rig), killed);
            rig.check_told().await;
            pass(COLLECTED).await;
            rig.check().await;
        });
        if !more {
            break;
        }
        steps += 1;
    }
    assert!(steps > 200, "{steps} steps");
}
