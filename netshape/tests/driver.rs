//! The driver over a kernel that is slow, fails, or lies.

use async_trait::async_trait;
use netshape::kernel::{Applied, Driver, Kernel, KernelError, KernelModel, Outcome, Request};
use netshape::plan::diff;
use netshape::policy::EgressPoint;
use netshape::{Capabilities, Container, DevName, Device, Direction, Host, Netns, ObservedState};
use netshape::{Rate, Shape, Tier, Uplink};
use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// What a double has, and how it behaves.
#[derive(Default)]
struct State {
    model: KernelModel,
    calls: Vec<&'static str>,
    /// The request with this number fails, once.
    fails_at: Option<usize>,
    /// Observing fails, once.
    blind: bool,
    /// Devices are not made, though it says so.
    lies: bool,
}

/// A kernel whose every answer takes three polls.
#[derive(Clone, Default)]
struct Double(Arc<Mutex<State>>);

async fn slowly() {
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        context.waker().wake_by_ref();
        if polls > 3 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[async_trait]
impl Kernel for Double {
    type Error = KernelError;

    async fn observe(&mut self, namespaces: &[Netns]) -> Result<ObservedState, KernelError> {
        slowly().await;
        let mut model = {
            let mut state = self.0.lock().unwrap();
            state.calls.push("observe");
            if std::mem::take(&mut state.blind) {
                return Err(KernelError::NotSupported);
            }
            state.model.clone()
        };
        model.observe(namespaces).await
    }

    async fn create_ifbs(&mut self, devices: &[DevName]) -> Result<(), KernelError> {
        slowly().await;
        let mut state = self.0.lock().unwrap();
        state.calls.push("create");
        let lies = state.lies;
        for (name, number) in devices.iter().zip(100..).filter(|_| !lies) {
            let mut ifb = Device::new();
            ifb.ifindex = Some(number);
            state.model.put_device(name.clone(), ifb);
        }
        Ok(())
    }

    async fn apply(&mut self, requests: &[Request]) -> Applied<KernelError> {
        slowly().await;
        let mut state = self.0.lock().unwrap();
        state.calls.push("apply");
        let fails_at = state.fails_at.take();
        for (done, request) in requests.iter().enumerate() {
            if fails_at == Some(done) {
                return Applied::failed(done, KernelError::NotFound);
            }
            if let Err(error) = state.model.request(&request.device, &request.message) {
                return Applied::failed(done, error);
            }
        }
        Applied::all(requests.len())
    }
}

impl Double {
    fn with_devices(host: &Host) -> Self {
        let double = Self::default();
        for name in host.device_names() {
            double.put(name);
        }
        double
    }

    fn put(&self, name: DevName) {
        let mut state = self.0.lock().unwrap();
        let mut device = Device::new();
        device.ifindex = Some(1 + i32::try_from(state.model.devices().count()).unwrap());
        state.model.put_device(name, device);
    }

    fn settled(&self, host: &Host) -> bool {
        diff(self.0.lock().unwrap().model.state(), host).is_empty()
    }

    fn calls(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().calls.clone()
    }
}

fn container(id: &str, veth: &str, at: EgressPoint) -> Container {
    let shape = Shape::new(Rate::mbit(10), Rate::mbit(50)).unwrap();
    let container = Container::new(id, veth).unwrap().with_tier("gold");
    let container = container.with_egress_point(at, "eth0").unwrap();
    let container = container.with_shape(Direction::Ingress, shape);
    container.with_shape(Direction::Egress, shape)
}

fn host() -> Host {
    let uplink = Uplink::new("up0", Rate::gbit(1), Rate::mbit(10))
        .unwrap()
        .classified_by(netshape::policy::Classifier::Priority);
    let tiers = vec![Tier::new("gold", 4).unwrap()];
    let mut host = Host::new(Some(uplink), tiers, Capabilities::default()).unwrap();
    let netns = EgressPoint::Netns("web".into());
    host.insert(container("web", "v1", netns)).unwrap();
    host
}

fn poll_once(future: impl Future<Output = ()>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    pin!(future).poll(&mut context).is_ready()
}

/// Drives one attempt to its end.
fn attempt(driver: &mut Driver<'_, Double>, host: &mut Host) -> Outcome<KernelError> {
    driver.reconcile();
    for _ in 0..100 {
        if let Some(outcome) = driver.run_once(host) {
            return outcome;
        }
        // Dropped after one poll each time: nothing is broken off.
        poll_once(driver.wait(pending()));
    }
    panic!("no end: {driver:?}");
}

#[test]
fn an_attempt_carries_out_what_differs_and_the_next_one_is_settled() {
    let mut host = host();
    let double = Double::with_devices(&host);
    let mut driver = Driver::new(double.clone());
    let Outcome::Applied { plan, done, error } = attempt(&mut driver, &mut host) else {
        panic!("not applied");
    };
    assert_eq!((done, error), (plan.len(), None));
    assert!(double.settled(&host));
    assert!(matches!(attempt(&mut driver, &mut host), Outcome::Settled(p) if p.is_empty()));
    assert_eq!(double.calls(), ["observe", "apply", "observe"]);
}

#[test]
fn a_host_can_be_changed_while_the_kernel_works() {
    let mut host = host();
    let double = Double::with_devices(&host);
    let mut driver = Driver::new(double.clone());
    driver.reconcile();
    assert!(driver.run_once(&mut host).is_none());
    assert!(!poll_once(driver.wait(pending())), "the kernel is slow");
    // The kernel is being read: the host is nobody's.
    for name in [DevName::host("v2"), DevName::in_netns("two", "eth0")] {
        double.put(name);
    }
    let netns = EgressPoint::Netns("two".into());
    host.insert(container("two", "v2", netns)).unwrap();
    driver.reconcile();
    assert!(matches!(
        attempt(&mut driver, &mut host),
        Outcome::Applied { error: None, .. }
    ));
    // What was asked for meanwhile is an attempt of its own.
    let last = attempt(&mut driver, &mut host);
    assert!(matches!(
        last,
        Outcome::Settled(_) | Outcome::Applied { .. }
    ));
    assert!(double.settled(&host));
}

#[test]
fn a_request_that_fails_ends_the_attempt_and_the_next_one_goes_on_from_there() {
    let mut host = host();
    let double = Double::with_devices(&host);
    let mut driver = Driver::new(double.clone());
    double.0.lock().unwrap().fails_at = Some(4);
    let Outcome::Applied { plan, done, error } = attempt(&mut driver, &mut host) else {
        panic!("not applied");
    };
    assert_eq!((done, error), (4, Some(KernelError::NotFound)));
    let Outcome::Applied { plan: rest, .. } = attempt(&mut driver, &mut host) else {
        panic!("not applied");
    };
    assert_eq!(rest.len(), plan.len() - 4);
    assert!(double.settled(&host));
}

#[test]
fn an_ifb_is_made_and_observed_before_packets_are_sent_to_it() {
    let mut host = host();
    host.insert(container("job", "v3", EgressPoint::Ifb))
        .unwrap();
    let double = Double::with_devices(&host);
    let ifb = host.slot("job").unwrap();
    let ifb = host.device(ifb, Direction::Egress).unwrap();
    double.0.lock().unwrap().model.remove_device(&ifb);
    let mut driver = Driver::new(double.clone());
    assert!(matches!(
        attempt(&mut driver, &mut host),
        Outcome::Applied { error: None, .. }
    ));
    assert_eq!(double.calls(), ["observe", "create", "observe", "apply"]);
    assert!(double.settled(&host));
}

#[test]
fn an_ifb_that_is_not_there_after_all_is_reported_and_nothing_is_sent() {
    let mut host = host();
    host.insert(container("job", "v3", EgressPoint::Ifb))
        .unwrap();
    let double = Double::with_devices(&host);
    let ifb = host.slot("job").unwrap();
    let ifb = host.device(ifb, Direction::Egress).unwrap();
    double.0.lock().unwrap().model.remove_device(&ifb);
    double.0.lock().unwrap().lies = true;
    let mut driver = Driver::new(double.clone());
    assert_eq!(attempt(&mut driver, &mut host), Outcome::Missing(vec![ifb]));
    assert!(!double.calls().contains(&"apply"));
}

#[test]
fn a_kernel_that_cannot_be_read_is_reported_and_read_again_when_asked() {
    let mut host = host();
    let double = Double::with_devices(&host);
    double.0.lock().unwrap().blind = true;
    let mut driver = Driver::new(double.clone());
    assert_eq!(
        attempt(&mut driver, &mut host),
        Outcome::Failed(KernelError::NotSupported)
    );
    assert!(matches!(
        attempt(&mut driver, &mut host),
        Outcome::Applied { error: None, .. }
    ));
}

#[test]
fn nothing_happens_before_it_is_asked_for() {
    let mut host = host();
    let double = Double::with_devices(&host);
    let mut driver = Driver::new(double.clone());
    assert!(driver.run_once(&mut host).is_none());
    assert!(!poll_once(driver.wait(pending())));
    assert!(
        poll_once(driver.wait(ready(()))),
        "a timer ends the waiting"
    );
    assert!(double.calls().is_empty());
}
