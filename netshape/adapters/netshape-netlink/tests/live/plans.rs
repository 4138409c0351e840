//! Plans on a kernel.

use crate::place::{Place, attempt, container, host, namespaces};
use netshape::kernel::{Kernel as _, Outcome, apply_or_undo};
use netshape::plan::{Action, diff, idle_ifbs};
use netshape::policy::EgressPoint;
use netshape::{DevName, Direction, Netns, ObservedState, Rate, Shape};
use netshape_netlink::Error;

pub(crate) fn a_plan_carried_out_leaves_nothing_to_plan() {
    let mut place = Place::new();
    let mut host = host();
    for (number, veth) in ["v1", "v2", "v3"].into_iter().enumerate() {
        let pod = place.pod(veth);
        let at = if number == 2 {
            EgressPoint::Ifb
        } else {
            EgressPoint::Netns(pod.as_str().into())
        };
        host.insert(container(
            &format!("web-{number}"),
            veth,
            at,
            Rate::mbit(50),
        ))
        .unwrap();
    }
    place.on_host(async |kernel| {
        let outcome = attempt(kernel, &mut host).await;
        let Outcome::Applied { plan, done, error } = outcome else {
            panic!("{outcome:?}")
        };
        assert!(error.is_none(), "{error:?}");
        assert!(done == plan.len() && done > 10, "{done} of {}", plan.len());
        let outcome = attempt(kernel, &mut host).await;
        assert!(
            matches!(&outcome, Outcome::Settled(plan) if plan.refused().is_empty()),
            "{outcome:?}"
        );
    });
}

pub(crate) fn messages_make_what_tc_makes() {
    let states = [false, true].map(|by_tc| {
        let mut place = Place::new();
        let mut host = host();
        let pod = place.pod("v1");
        let at = EgressPoint::Netns(pod.as_str().into());
        host.insert(container("web", "v1", at, Rate::gbit(40)))
            .unwrap();
        let mut state = place.on_host(async |mut kernel| {
            let observed = kernel.observe(&namespaces(&host)).await.unwrap();
            let needs = diff(&observed, &host).required_devices().to_vec();
            kernel.create_ifbs(&needs).await.unwrap();
            let observed = kernel.observe(&namespaces(&host)).await.unwrap();
            let plan = diff(&observed, &host);
            if by_tc {
                for netns in plan.namespaces() {
                    let name = netns.name().unwrap_or(&place.host);
                    let batch = std::env::temp_dir().join(format!("{name}.batch"));
                    std::fs::write(&batch, plan.in_netns(&netns).batch().unwrap()).unwrap();
                    crate::place::tc(name, &format!("-batch {}", batch.display()));
                    std::fs::remove_file(batch).unwrap();
                }
            } else {
                let outcome = apply_or_undo(&mut kernel, &plan, &observed).await;
                assert_eq!(outcome.done, plan.len(), "{outcome:?}");
            }
            kernel.observe(&namespaces(&host)).await.unwrap()
        });
        let pod = DevName::in_netns(&pod, "eth0");
        let shared = host.device_names();
        let ifb = shared.iter().find(|n| n.dev.starts_with("bsh")).unwrap();
        let devices = [DevName::host("v1"), DevName::host("up0"), ifb.clone(), pod];
        devices
            .iter()
            .map(|name| state.remove_device(name).unwrap())
            .collect::<Vec<_>>()
    });
    let [ours, theirs] = states;
    for (mut ours, theirs) in ours.into_iter().zip(theirs) {
        // Numbers of devices are given out in order of their making.
        ours.ifindex = theirs.ifindex;
        assert_eq!(ours, theirs);
    }
}

pub(crate) fn an_ifb_comes_and_goes() {
    let mut place = Place::new();
    let pod = place.pod("v1");
    let mut host = host();
    host.insert(container("web", "v1", EgressPoint::Ifb, Rate::mbit(50)))
        .unwrap();
    place.on_host(async |mut kernel| {
        assert!(matches!(
            attempt(kernel, &mut host).await,
            Outcome::Applied { error: None, .. }
        ));
        let ifb = host
            .device_names()
            .into_iter()
            .rfind(|n| n.dev.starts_with("bsh"))
            .unwrap();
        let line = place.ip(&format!("-d link show {}", ifb.dev));
        assert!(line.contains("ifb") && line.contains("UP"), "{line}");
        // Made again, it stays as it is.
        kernel
            .create_ifbs(std::slice::from_ref(&ifb))
            .await
            .unwrap();
        let observed = kernel.observe(&[Netns::Host]).await.unwrap();
        assert!(idle_ifbs(&observed, &host).is_empty());

        // Shaped inside the container from now on.
        let at = EgressPoint::Netns(pod.as_str().into());
        host.replace(container("web", "v1", at, Rate::mbit(50)))
            .unwrap();
        let observed = kernel.observe(&namespaces(&host)).await.unwrap();
        assert!(
            idle_ifbs(&observed, &host).is_empty(),
            "it carries a tree still"
        );
        assert!(matches!(
            attempt(kernel, &mut host).await,
            Outcome::Applied { error: None, .. }
        ));
        let observed = kernel.observe(&namespaces(&host)).await.unwrap();
        let idle = idle_ifbs(&observed, &host);
        assert_eq!(idle, std::slice::from_ref(&ifb));
        kernel.remove_ifbs(&idle).await.unwrap();
        kernel.remove_ifbs(&idle).await.unwrap();
        assert!(!place.ip("-o link").contains(&*ifb.dev));
        assert!(matches!(
            attempt(kernel, &mut host).await,
            Outcome::Settled(_)
        ));
    });
}

pub(crate) fn a_device_of_another_kind_is_not_removed() {
    let place = Place::new();
    place.ip("link add bsh01234567 type veth peer name other");
    place.on_host(async |mut kernel| {
        let observed = kernel.observe(&[Netns::Host]).await.unwrap();
        let idle = idle_ifbs(&observed, &host());
        assert_eq!(idle, [DevName::host("bsh01234567")]);
        let removed = kernel.remove_ifbs(&idle).await;
        assert!(matches!(removed, Err(Error::NotOurs(_))), "{removed:?}");
    });
    assert!(place.ip("-o link").contains("bsh01234567"));
}

pub(crate) fn a_rate_follows_in_place() {
    let mut place = Place::new();
    let pod = place.pod("v1");
    let mut host = host();
    let at = || EgressPoint::Netns(pod.as_str().into());
    host.insert(container("web", "v1", at(), Rate::mbit(50)))
        .unwrap();
    place.on_host(async |mut kernel| {
        assert!(matches!(
            attempt(kernel, &mut host).await,
            Outcome::Applied { error: None, .. }
        ));
        let slot = host.slot("web").unwrap();
        let changed = container("web", "v1", at(), Rate::mbit(80));
        let shape = Shape::new(Rate::mbit(2), Rate::mbit(80)).unwrap();
        host.replace(changed.with_shape(Direction::Ingress, shape))
            .unwrap();
        assert_eq!(host.slot("web"), Some(slot));
        let observed = kernel.observe(&namespaces(&host)).await.unwrap();
        let plan = diff(&observed, &host);
        assert!(
            plan.ops().iter().all(|op| op.action == Action::Change),
            "{}",
            plan.lines()
        );
        let outcome = apply_or_undo(&mut kernel, &plan, &observed).await;
        assert_eq!((outcome.done, outcome.gone.len()), (plan.len(), 0));
        let now: ObservedState = kernel.observe(&namespaces(&host)).await.unwrap();
        assert!(diff(&now, &host).is_empty());
    });
}
