//! The loop that everybody who shapes a host would write: observe, plan, carry out.

use super::seam::{Applied, Kernel, Request};
use crate::object::{DevName, Netns};
use crate::observe::ObservedState;
use crate::plan::{Op, Plan, diff};
use crate::policy::Host;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

/// What came of an attempt to make a kernel as a host wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<E> {
    /// The kernel has what is wanted. The plan has no steps, but says what is refused and what was left alone.
    Settled(Plan),
    /// The plan was carried out up to some step.
    Applied {
        /// The plan.
        plan: Plan,
        /// How many of its steps were carried out.
        done: usize,
        /// Why the next one was not; the next attempt plans from what is there then.
        error: Option<E>,
    },
    /// Nothing could be observed, or a device could not be made.
    Failed(E),
    /// Devices that filters must redirect to are not there, or their numbers are not known, though they were made.
    Missing(Vec<DevName>),
}

/// Makes a kernel as a host wants it, in any runtime or none.
///
/// The [`Host`] is borrowed for [`Driver::run_once`] only, which does not wait; in [`Driver::wait`] the kernel works alone. So a
/// slow kernel holds nobody up: containers are admitted and removed meanwhile, and the plan is made of what the host wants by
/// the time that the kernel has been read. Dropping the future of `wait` breaks nothing off. A host with a driver needs no
/// [`diff_touched`](crate::plan::diff_touched): each attempt compares all of it.
///
/// ```
/// use netshape::kernel::{Driver, KernelModel, Outcome};
/// use netshape::{Capabilities, Container, DevName, Device, Direction, Host, Rate, Shape};
///
/// # fn block_on<F: Future>(future: F) -> F::Output {
/// #     let mut future = std::pin::pin!(future);
/// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop {
/// #         if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) { return value; }
/// #     }
/// # }
/// # let run = async {
/// let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
/// let shape = Shape::new(Rate::ZERO, Rate::mbit(50))?;
/// host.insert(Container::new("web-1", "veth1")?.with_shape(Direction::Ingress, shape))?;
///
/// let mut kernel = KernelModel::new(); // or whatever implements `Kernel` by sockets
/// kernel.put_device(DevName::host("veth1"), Device::new());
/// let mut driver = Driver::new(kernel);
/// driver.reconcile(); // now, when the host changed, and every now and then
/// let outcome = loop {
///     if let Some(outcome) = driver.run_once(&mut host) {
///         break outcome;
///     }
///     driver.wait(std::future::pending()).await; // or until a timer ends
/// };
/// assert!(matches!(outcome, Outcome::Applied { done: 3, error: None, .. }));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// # };
/// # block_on(run)?;
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[doc(alias = "reconciler")]
pub struct Driver<'k, K: Kernel> {
    seat: Seat<'k, K>,
    /// An attempt is wanted that has not begun.
    wanted: bool,
    /// The plan that is carried out now.
    plan: Option<Plan>,
    /// Whether this attempt has made devices already.
    created: bool,
}

/// What the kernel came back with.
enum Answer<E> {
    Observed(Result<ObservedState, E>),
    Created(Result<(), E>),
    Applied(Applied<E>),
}

type Work<'k, K> = Pin<Box<dyn Future<Output = (K, Answer<<K as Kernel>::Error>)> + Send + 'k>>;

/// Where the kernel is.
enum Seat<'k, K: Kernel> {
    Idle(K),
    Working(Work<'k, K>),
    Answered(K, Answer<K::Error>),
    /// Between two of these; never seen from outside.
    Empty,
}

impl<'k, K: Kernel + 'k> Driver<'k, K> {
    /// A driver of a kernel; does nothing before [`Driver::reconcile`].
    #[must_use]
    pub const fn new(kernel: K) -> Self {
        Self {
            seat: Seat::Idle(kernel),
            wanted: false,
            plan: None,
            created: false,
        }
    }

    /// Asks for an attempt: at once if the kernel is idle, else after what it does now. Asked for twice before it begins, it is
    /// one.
    pub const fn reconcile(&mut self) {
        self.wanted = true;
    }

    /// Advances the attempt by one step: begins to observe if that was asked for, plans once the kernel has been read, and says what came of
    /// an attempt when it ends. Does not wait. O(1) but for the step that plans, which costs as much as
    /// [`diff`](crate::plan::diff).
    pub fn run_once(&mut self, host: &mut Host) -> Option<Outcome<K::Error>> {
        match core::mem::replace(&mut self.seat, Seat::Empty) {
            Seat::Idle(kernel) if self.wanted => {
                self.wanted = false;
                self.created = false;
                self.observe(kernel, host);
                None
            }
            Seat::Answered(kernel, answer) => self.answered(kernel, answer, host),
            other => {
                self.seat = other;
                None
            }
        }
    }

    fn answered(
        &mut self,
        kernel: K,
        answer: Answer<K::Error>,
        host: &mut Host,
    ) -> Option<Outcome<K::Error>> {
        match answer {
            Answer::Observed(Ok(state)) => self.planned(kernel, &state, host),
            Answer::Created(Ok(())) => {
                self.created = true;
                self.observe(kernel, host);
                None
            }
            Answer::Observed(Err(error)) | Answer::Created(Err(error)) => {
                self.seat = Seat::Idle(kernel);
                Some(Outcome::Failed(error))
            }
            Answer::Applied(Applied { done, error }) => {
                self.seat = Seat::Idle(kernel);
                let plan = self.plan.take()?;
                Some(Outcome::Applied { plan, done, error })
            }
        }
    }

    /// The kernel has been read: compares, and has it do what differs.
    fn planned(
        &mut self,
        kernel: K,
        state: &ObservedState,
        host: &mut Host,
    ) -> Option<Outcome<K::Error>> {
        let plan = diff(state, host);
        // All of the host was compared.
        host.forget_touched();
        let required = plan.required_devices().to_vec();
        if !required.is_empty() && !self.created {
            self.work(kernel, |mut kernel| {
                Box::pin(async move {
                    let answer = kernel.create_ifbs(&required).await;
                    (kernel, Answer::Created(answer))
                })
            });
            return None;
        }
        let missing = unnumbered(&plan);
        if !missing.is_empty() {
            self.seat = Seat::Idle(kernel);
            return Some(Outcome::Missing(missing));
        }
        if plan.is_empty() {
            self.seat = Seat::Idle(kernel);
            return Some(Outcome::Settled(plan));
        }
        let requests = requests(&plan, state);
        self.plan = Some(plan);
        self.work(kernel, |mut kernel| {
            Box::pin(async move {
                let answer = kernel.apply(&requests).await;
                (kernel, Answer::Applied(answer))
            })
        });
        None
    }

    fn observe(&mut self, kernel: K, host: &Host) {
        let names = host.device_names().into_iter().map(|name| name.netns);
        // Redirects and what is left over are on the host.
        let namespaces: BTreeSet<Netns> = names.chain([Netns::Host]).collect();
        let namespaces: Vec<Netns> = namespaces.into_iter().collect();
        self.work(kernel, |mut kernel| {
            Box::pin(async move {
                let answer = kernel.observe(&namespaces).await;
                (kernel, Answer::Observed(answer))
            })
        });
    }

    fn work(&mut self, kernel: K, begin: impl FnOnce(K) -> Work<'k, K>) {
        self.seat = Seat::Working(begin(kernel));
    }

    /// Waits until [`Driver::run_once`] has something to do, or until `until` ends, whichever is first. The kernel's work is not
    /// broken off, not even when this future is dropped.
    pub async fn wait(&mut self, until: impl Future<Output = ()>) {
        let mut until = pin!(until);
        poll_fn(|context| {
            let over = until.as_mut().poll(context).is_ready();
            match self.poll(context) || over {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Lets the kernel go on; whether there is something to do.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        match &mut self.seat {
            Seat::Idle(_) => self.wanted,
            Seat::Answered(..) => true,
            Seat::Empty => false,
            Seat::Working(work) => {
                let Poll::Ready((kernel, answer)) = work.as_mut().poll(context) else {
                    return false;
                };
                self.seat = Seat::Answered(kernel, answer);
                true
            }
        }
    }
}

impl<K: Kernel> core::fmt::Debug for Driver<'_, K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let seat = match self.seat {
            Seat::Idle(_) | Seat::Empty => "idle",
            Seat::Working(_) => "working",
            Seat::Answered(..) => "answered",
        };
        f.debug_struct("Driver")
            .field("kernel", &seat)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

/// The ifbs of redirects whose numbers no message could say.
fn unnumbered(plan: &Plan) -> Vec<DevName> {
    let named = plan.ops().iter().filter_map(|op| {
        let target = plan.unnumbered_target(op)?;
        let netns = plan.device(op)?.netns.clone();
        let dev = target.into();
        Some(DevName { netns, dev })
    });
    named.collect()
}

/// What is asked of the kernel, step by step.
pub(super) fn requests(plan: &Plan, state: &ObservedState) -> Vec<Request> {
    let ops = plan.ops().iter();
    ops.filter_map(|op| request(plan, op, state)).collect()
}

pub(super) fn request(plan: &Plan, op: &Op, state: &ObservedState) -> Option<Request> {
    let name = plan.device(op)?;
    let ifindex = state.device(name).and_then(|d| d.ifindex).unwrap_or(0);
    Some(Request::new(name.clone(), plan.message(op, ifindex)))
}
