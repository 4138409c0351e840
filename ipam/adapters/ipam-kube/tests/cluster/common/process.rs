//! A controller as a process that can be stopped, go on, and be killed between any two of its steps.

use super::Rig;
use super::store::Shared;
use async_trait::async_trait;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use ipam::store::{Sent, StoreError};
use ipam::{Replica, Timestamp};
use ipam_kube::{Clock, Driver, KubeCluster, Settings, Timing};
use kube::Client;
use kube::client::Body;
use kube_double::Double;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Clocks that go by tokio's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    start: Instant,
}

#[async_trait]
impl Clock<Shared> for Clocks {
    fn monotonic(&self) -> Timestamp {
        Timestamp::from_secs(5).after(self.start.elapsed())
    }

    async fn tick(&mut self, _: &mut Shared) -> Result<Sent, StoreError> {
        let store = Timestamp::from_secs(1_000_000).after(self.start.elapsed());
        Ok(Sent {
            store,
            monotonic: self.monotonic(),
        })
    }
}

/// How long a pod must be missing: each second costs a test.
const GRACE: Duration = Duration::from_secs(250);

/// A client whose connections are in memory, one a request.
pub(crate) fn client(double: &Double) -> Client {
    let double = double.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let io = TokioIo::new(double.connect());
        async move {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(async move { drop(connection.await) });
            let (mut parts, body) = request.into_parts();
            parts
                .headers
                .insert("host", http::HeaderValue::from_static("double"));
            let answer: Result<Response<Incoming>, hyper::Error> =
                sender.send_request(Request::from_parts(parts, body)).await;
            answer
        }
    });
    Client::new(service, "default")
}

#[derive(Default)]
struct Control {
    stopped: Cell<bool>,
    /// How many steps are left before it stops.
    left: Cell<Option<u64>>,
    steps: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// A future that is polled only while its process is not stopped.
struct Steps<F> {
    inner: Pin<Box<F>>,
    control: Rc<Control>,
}

impl<F: Future<Output = ()>> Future for Steps<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let control = Rc::clone(&self.control);
        control.waker.replace(Some(context.waker().clone()));
        if control.left.get() == Some(0) {
            control.stopped.set(true);
        }
        if control.stopped.get() {
            return Poll::Pending;
        }
        control.steps.set(control.steps.get() + 1);
        control.left.set(control.left.get().map(|left| left - 1));
        self.inner.as_mut().poll(context)
    }
}

/// A controller. It is killed when it is dropped.
pub(crate) struct Process {
    control: Rc<Control>,
    task: JoinHandle<()>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Process {
    pub(crate) fn start(rig: &Rig, name: String) -> Self {
        let (told, store, clocks) = (
            Rc::clone(&rig.told),
            rig.store.clone(),
            Clocks { start: rig.start },
        );
        let cluster = KubeCluster::new(
            client(&rig.double),
            None,
            ("kube-system".into(), "berth-ipam".into()),
        );
        let (candidate, seed) = (name, rig.start.elapsed().as_nanos() as u64);
        let run = async move {
            let mut source = cluster.watches();
            let now = Timestamp::from_secs(1_000_000).after(clocks.start.elapsed());
            let replica = Replica::open(store, now, 7).await.unwrap();
            let mut settings = Settings::default();
            settings.seed = seed;
            settings.grace = GRACE;
            let mut driver = Driver::new(
                cluster,
                replica,
                clocks,
                settings,
                (candidate.clone(), Timing::default()),
            );
            let note = |_: &Driver<_, _, _>, notes: Vec<_>| {
                let notes = notes.into_iter().map(|note| (candidate.clone(), note));
                told.borrow_mut().extend(notes);
            };
            driver.run(&mut source, note).await;
        };
        let control = Rc::new(Control::default());
        let steps = Steps {
            inner: Box::pin(run),
            control: Rc::clone(&control),
        };
        Self {
            control,
            task: tokio::task::spawn_local(steps),
        }
    }

    /// How many steps it has made.
    pub(crate) fn steps(&self) -> u64 {
        self.control.steps.get()
    }

    /// Stops it after so many more steps.
    pub(crate) fn stop_after(&self, steps: u64) {
        self.control.left.set(Some(steps));
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.control.stopped.get()
    }

    /// Stops it where it is, as a machine that is overloaded does.
    pub(crate) fn stop(&self) {
        self.control.stopped.set(true);
    }

    /// It goes on.
    pub(crate) fn go_on(&self) {
        self.control.stopped.set(false);
        self.control.left.set(None);
        if let Some(waker) = self.control.waker.take() {
            waker.wake();
        }
    }

    /// Waits until it is stopped; whether it was in time.
    pub(crate) async fn stopped_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.is_stopped() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.is_stopped()
    }
}
