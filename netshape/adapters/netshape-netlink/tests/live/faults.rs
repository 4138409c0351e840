//! Steps that fail, plans that are cut off, containers that go.

use crate::place::{Place, attempt, container, host, namespaces, run};
use async_trait::async_trait;
use netshape::kernel::{Applied, Kernel, Outcome, Request, apply_or_undo};
use netshape::plan::diff;
use netshape::policy::EgressPoint;
use netshape::{Capabilities, DevName, Host, Netns, ObservedState, Rate};
use netshape_netlink::{Error, NetlinkKernel};
use std::pin::pin;
use std::task::{Context, Waker};

/// The kernel, which gets one request that it can't carry out instead of the one with a number.
struct Failing {
    kernel: NetlinkKernel,
    at: usize,
    count: usize,
}

#[async_trait]
impl Kernel for Failing {
    type Error = Error;

    async fn observe(&mut self, namespaces: &[Netns]) -> Result<ObservedState, Error> {
        self.kernel.observe(namespaces).await
    }

    async fn create_ifbs(&mut self, devices: &[DevName]) -> Result<(), Error> {
        self.kernel.create_ifbs(devices).await
    }

    async fn apply(&mut self, requests: &[Request]) -> Applied<Error> {
        let mut requests = requests.to_vec();
        for request in &mut requests {
            if self.count == self.at {
                // No qdisc and no class has this parent.
                request.message.parent = netshape::object::Handle::new(0x77, 0x77);
                request.message.handle = netshape::object::Handle::new(0x77, 0x78);
            }
            self.count += 1;
        }
        self.kernel.apply(&requests).await
    }

    fn is_absent(&self, error: &Error) -> bool {
        self.kernel.is_absent(error)
    }

    fn is_gone(&self, error: &Error) -> bool {
        self.kernel.is_gone(error)
    }
}

/// A host with a container of each method and something foreign beside; its policy.
fn furnished(place: &mut Place) -> Host {
    let mut host = host();
    let pod = place.pod("v1");
    place.pod("v2");
    let netns = EgressPoint::Netns(pod.as_str().into());
    host.insert(container("web", "v1", netns, Rate::mbit(50)))
        .unwrap();
    host.insert(container("db", "v2", EgressPoint::Ifb, Rate::mbit(20)))
        .unwrap();
    host
}

/// A state without the numbers that the kernel gives to actions by itself.
fn told(state: &ObservedState) -> String {
    let text = format!("{state:?}");
    let mut parts = text.split("Mirred { index: ");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        told.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    told
}

async fn seen(kernel: &mut NetlinkKernel, host: &Host) -> ObservedState {
    kernel.observe(&namespaces(host)).await.unwrap()
}

pub(crate) fn a_failure_at_any_step_leaves_what_was_there() {
    let mut place = Place::new();
    let host = furnished(&mut place);
    place.on_host(async |mut kernel| {
        let needs = diff(&seen(&mut kernel, &host).await, &host)
            .required_devices()
            .to_vec();
        kernel.create_ifbs(&needs).await.unwrap();
        let before = seen(&mut kernel, &host).await;
        let plan = diff(&before, &host);
        for at in 0..plan.len() {
            let mut failing = Failing {
                kernel,
                at,
                count: 0,
            };
            let outcome = apply_or_undo(&mut failing, &plan, &before).await;
            let failure = outcome.failure.expect("a step fails");
            assert_eq!((outcome.done, failure.step), (0, at));
            assert!(failure.left.is_empty(), "step {at}: {:?}", failure.left);
            assert_eq!(
                told(&seen(&mut kernel, &host).await),
                told(&before),
                "after step {at}"
            );
        }
        let outcome = apply_or_undo(&mut kernel, &plan, &before).await;
        assert_eq!(outcome.done, plan.len());

        // And what is changed and removed comes back too.
        let full = seen(&mut kernel, &host).await;
        let mut less = crate::place::host();
        less.insert(container("web", "v1", EgressPoint::Ifb, Rate::mbit(10)))
            .unwrap();
        let needs = diff(&full, &less).required_devices().to_vec();
        kernel.create_ifbs(&needs).await.unwrap();
        let full = seen(&mut kernel, &host).await;
        let plan = diff(&full, &less);
        for at in 0..plan.len() {
            let mut failing = Failing {
                kernel,
                at,
                count: 0,
            };
            let outcome = apply_or_undo(&mut failing, &plan, &full).await;
            let failure = outcome.failure.expect("a step fails");
            assert!(failure.left.is_empty(), "step {at}: {:?}", failure.left);
            assert_eq!(
                told(&seen(&mut kernel, &host).await),
                told(&full),
                "after step {at} of\n{}",
                plan.lines()
            );
        }
    });
}

pub(crate) fn a_plan_cut_off_at_any_step_is_finished_by_the_next() {
    let mut place = Place::new();
    let mut host = furnished(&mut place);
    place.on_host(async |mut kernel| {
        let needs = diff(&seen(&mut kernel, &host).await, &host)
            .required_devices()
            .to_vec();
        kernel.create_ifbs(&needs).await.unwrap();
        let before = seen(&mut kernel, &host).await;
        let plan = diff(&before, &host);
        for cut in 0..plan.len() {
            let mut failing = Failing {
                kernel,
                at: cut,
                count: 0,
            };
            let requests = plan.ops().iter().map(|op| {
                let device = plan.device(op).unwrap().clone();
                let ifindex = before.device(&device).unwrap().ifindex.unwrap();
                Request::new(device, plan.message(op, ifindex))
            });
            let applied = failing.apply(&requests.collect::<Vec<_>>()).await;
            assert_eq!(applied.done, cut, "{:?}", applied.error);
            let outcome = attempt(kernel, &mut host).await;
            assert!(
                matches!(outcome, Outcome::Applied { error: None, .. }),
                "cut at {cut}: {outcome:?}"
            );
            let after = seen(&mut kernel, &host).await;
            assert!(diff(&after, &host).is_empty(), "cut at {cut}");
            let nothing = Host::new(None, Vec::new(), Capabilities::default()).unwrap();
            let nobody = diff(&after, &nothing);
            let outcome = apply_or_undo(&mut kernel, &nobody, &after).await;
            assert_eq!(
                (outcome.done, outcome.failure.is_none()),
                (nobody.len(), true),
                "{outcome:?}"
            );
        }
    });
}

pub(crate) fn containers_that_vanish_fail_nothing() {
    let mut place = Place::new();
    let mut host = furnished(&mut place);
    let pod = place.pod("v3");
    let netns = EgressPoint::Netns(pod.as_str().into());
    host.insert(container("job", "v3", netns, Rate::mbit(50)))
        .unwrap();
    let gone = place.on_host(async |mut kernel| {
        let needs = diff(&seen(&mut kernel, &host).await, &host)
            .required_devices()
            .to_vec();
        kernel.create_ifbs(&needs).await.unwrap();
        let before = seen(&mut kernel, &host).await;
        let plan = diff(&before, &host);
        // Its namespace goes, and with it both ends of its pair.
        run("ip", &["netns", "del", &pod]);
        while place.ip("-o link").contains("v3") {
            std::thread::yield_now();
        }
        let outcome = apply_or_undo(&mut kernel, &plan, &before).await;
        assert!(outcome.failure.is_none() && outcome.done > 0, "{outcome:?}");
        let left = seen(&mut kernel, &host).await;
        assert!(left.device(&DevName::host("v3")).is_none());
        host.remove("job");
        // Its class on the uplink is what is left of it.
        assert!(matches!(
            attempt(kernel, &mut host).await,
            Outcome::Applied { error: None, .. }
        ));
        assert!(matches!(
            attempt(kernel, &mut host).await,
            Outcome::Settled(_)
        ));
        outcome.gone
    });
    assert_eq!(gone, [DevName::host("v3"), DevName::in_netns(&pod, "eth0")]);
}

pub(crate) fn a_refusal_has_the_kernels_own_words() {
    let mut place = Place::new();
    let mut host = host();
    place.pod("v1");
    host.insert(container("web", "v1", EgressPoint::Ifb, Rate::mbit(5)))
        .unwrap();
    place.on_host(async |mut kernel| {
        let before = seen(&mut kernel, &host).await;
        let plan = diff(&before, &host);
        let mut failing = Failing {
            kernel,
            at: 1,
            count: 0,
        };
        let outcome = apply_or_undo(&mut failing, &plan, &before).await;
        let said = outcome.failure.expect("a step fails").error.to_string();
        assert!(
            said.contains("up0") && said.contains("77:78") && said.contains("errno"),
            "{said}"
        );
        let Err(missing) = kernel
            .apply(&[Request::new(
                DevName::host("nowhere"),
                plan.message(&plan.ops()[0], 0),
            )])
            .await
            .error
            .map_or(Ok(()), Err)
        else {
            panic!("there is no such device");
        };
        assert!(
            matches!(missing, Error::NoDevice(_)) && missing.to_string().contains("nowhere"),
            "{missing}"
        );
    });
}

pub(crate) fn work_goes_on_where_nobody_waits() {
    let mut place = Place::new();
    let host = furnished(&mut place);
    place.on_host(async |mut kernel| {
        let needs = diff(&seen(&mut kernel, &host).await, &host)
            .required_devices()
            .to_vec();
        {
            let mut once = pin!(kernel.create_ifbs(&needs));
            let _ = once.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        for _ in 0..1000 {
            let now = seen(&mut kernel, &host).await;
            if needs.iter().all(|n| now.device(n).is_some()) {
                return;
            }
        }
        panic!("the ifb was not made");
    });
}
