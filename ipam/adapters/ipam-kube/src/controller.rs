//! Decisions: events come in, effects go out.

mod pod;
mod settings;
mod sweep;

pub use settings::Settings;

use crate::effect::{Effect, Note, Outcome};
use crate::names::PodId;
use crate::object::{Object, Seen};
use crate::queue::Queue;
use crate::view::{Altered, Event, View};
use ipam::{Ipam, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use sweep::Sweep;

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    /// A pod that is known to have gone.
    Gone(PodId),
    Pod(PodId),
    Sweep,
    Collect,
}

/// What looking at an item comes to.
enum Next {
    Nothing,
    Do(Box<Effect>),
    /// Nothing before the object of this `uid` is told of, or altered.
    Wait(String),
    /// Nothing before the object of this `uid` is altered, if any: what is asked for cannot be.
    Refused(Option<String>, String),
}

/// What an IP controller knows and decides. It does no I/O and reads no clock: [`Controller::handle`] takes what the watches tell,
/// [`Controller::next`] gives one thing to do, [`Controller::done`] is told what came of it. All is decided from the present state
/// of cluster and store, so that a process that ends between any two steps leaves nothing that the next one does not see.
///
/// ```
/// use ipam::{Ipam, PoolSpec, Timestamp};
/// use ipam_kube::{Controller, Effect, Event, Seen, Settings, Watched};
/// use serde_json::json;
///
/// let now = Timestamp::from_secs(1);
/// let mut ipam = Ipam::new(7);
/// ipam.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// let mut controller = Controller::new(Settings::default());
/// controller.lead(now);
/// let pod = json!({
///     "metadata": {"namespace": "shop", "name": "web-0", "uid": "6f1c", "resourceVersion": "5"},
///     "spec": {"nodeName": "h1"},
/// });
/// for watched in Watched::ALL {
///     controller.handle(now, Event::Began(watched));
///     if watched == Watched::Pods {
///         controller.handle(now, Event::Listed(watched, Seen::read(watched, &pod)));
///     }
///     controller.handle(now, Event::Done(watched));
/// }
/// let Some(Effect::Claim { asked, .. }) = controller.next(now, &ipam) else { unreachable!() };
/// assert_eq!(asked.owner(), "kube/shop/web-0/6f1c");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Controller {
    settings: Settings,
    view: View,
    leads: bool,
    queue: Queue<Item>,
    /// Pods that wait for an object, by its `uid`.
    waiting: BTreeMap<String, BTreeSet<PodId>>,
    /// What was told of pods that are refused: not again and again.
    refused: BTreeMap<PodId, String>,
    sweep: Sweep,
    current: Option<(Item, Effect)>,
    notes: Vec<Note>,
}

impl Controller {
    /// A controller that knows nothing yet, and does not lead.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            queue: Queue::new(settings.seed),
            view: View::of(settings.namespace.clone()),
            settings,
            leads: false,
            waiting: BTreeMap::new(),
            refused: BTreeMap::new(),
            sweep: Sweep::default(),
            current: None,
            notes: Vec::new(),
        }
    }

    /// How it works.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes what a watch tells.
    pub fn handle(&mut self, now: Timestamp, event: Event) {
        if let Event::Failed(watched, why) = &event {
            self.notes
                .push(Note::Watch(format!("{}: {why}", watched.plural())));
        }
        for altered in self.view.handle(event) {
            match altered {
                Altered::Pod(id) => self.add(Item::Pod(id), now),
                Altered::PodGone(id) => {
                    self.refused.remove(&id);
                    self.add(Item::Gone(id), now);
                }
                Altered::Workload(id) => {
                    self.wake(&id.uid, now);
                    if self.view.workload(&id).is_some_and(sweep::is_unwanted) {
                        self.want_sweep(now);
                    }
                }
                Altered::WorkloadGone => self.want_sweep(now),
                Altered::Malformed(malformed) => self.notes.push(Note::Malformed(*malformed)),
            }
        }
    }

    /// From now on this controller alone decides: looks at everything.
    pub fn lead(&mut self, now: Timestamp) {
        self.leads = true;
        self.current = None;
        self.queue.clear();
        self.add_all(now);
        self.add(Item::Collect, now);
    }

    /// All pods and reservations are to be looked at.
    fn add_all(&mut self, now: Timestamp) {
        for pod in self.view.pods() {
            self.queue.add(Item::Pod(pod.id.clone()), now);
        }
        self.want_sweep(now);
    }

    /// From now on another may decide.
    pub fn follow(&mut self) {
        self.leads = false;
        self.current = None;
        self.queue.clear();
        self.waiting.clear();
        self.sweep = Sweep::default();
    }

    /// Whether everything was listed once: before that nothing is decided.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.view.is_whole()
    }

    /// How many pods and workloads are known, and how many of them wait to be looked at.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            pods: self.view.pods().count(),
            workloads: self.view.workload_count(),
            queued: self.queue.len(),
        }
    }

    /// When there is something to do that time alone brings about.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        (self.leads && self.is_ready())
            .then(|| self.queue.next_due())
            .flatten()
    }

    /// The next thing to do, if this controller leads and knows everything. What came of it is to be told ([`Controller::done`])
    /// before the next one is asked for; who ends in between loses nothing.
    pub fn next(&mut self, now: Timestamp, ipam: &Ipam) -> Option<Effect> {
        if !self.leads || !self.is_ready() {
            return None;
        }
        while let Some(item) = self.queue.pop(now) {
            match self.look(&item, ipam) {
                Next::Nothing => self.queue.settled(&item),
                Next::Do(effect) => {
                    self.current = Some((item, (*effect).clone()));
                    return Some(*effect);
                }
                Next::Wait(uid) => {
                    self.wait(&item, uid);
                    self.queue.settled(&item);
                }
                Next::Refused(uid, why) => {
                    if let Some(uid) = uid {
                        self.wait(&item, uid);
                    }
                    self.refuse(&item, why);
                    self.queue.settled(&item);
                }
            }
        }
        None
    }

    /// What came of the effect that was given last.
    pub fn done(&mut self, now: Timestamp, outcome: Outcome) {
        let Some((item, effect)) = self.current.take() else {
            return;
        };
        if !self.leads {
            return;
        }
        match outcome {
            Outcome::Done => {
                if let Effect::Release { pod, .. } = &effect {
                    self.wake(&pod.uid.clone(), now);
                }
                self.again(item, now);
                self.notes.push(Note::Done(effect));
            }
            Outcome::Written(seen) => {
                self.refresh(*seen);
                self.again(item, now);
                self.notes.push(Note::Done(effect));
            }
            Outcome::Fresh(seen) => {
                self.refresh(*seen);
                // Who is overtaken again and again gives way.
                self.queue.failed(item, now);
            }
            Outcome::Wrong => match item {
                Item::Sweep => self.again(item, now),
                item => self.queue.failed(item, now),
            },
            Outcome::Failed(why) => {
                if let (Item::Sweep, Effect::Unreserve { .. }) = (&item, &effect) {
                    self.sweep.put_back(&effect);
                }
                self.queue.failed(item, now);
                self.notes.push(Note::Failed(effect, why));
            }
        }
    }

    /// What somebody may want to know since the last call.
    pub fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Whether an owner lives: one of another kind or cluster, a pod that is known or stands on a list, one that cannot be read.
    #[must_use]
    pub fn lives(&self, owner: &str, listed: &BTreeSet<PodId>) -> bool {
        match PodId::of_owner(&self.settings.cluster, owner) {
            Some(pod) => self.view.may_be(&pod) || listed.contains(&pod),
            None => true,
        }
    }

    /// Whether an owner in the store is a pod that is not known.
    #[must_use]
    pub fn misses_any(&self, ipam: &Ipam) -> bool {
        let nobody = BTreeSet::new();
        ipam.claims()
            .any(|claim| !self.lives(claim.owner(), &nobody))
    }

    fn look(&mut self, item: &Item, ipam: &Ipam) -> Next {
        match item {
            Item::Gone(id) => self.release(id, ipam, false),
            Item::Pod(id) => self.look_at_pod(id, ipam),
            Item::Sweep => match self.sweep.next(&self.settings.cluster, &self.view, ipam) {
                Some(effect) => Next::Do(Box::new(effect)),
                None => Next::Nothing,
            },
            Item::Collect => Next::Do(Box::new(Effect::Collect)),
        }
    }

    fn add(&mut self, item: Item, at: Timestamp) {
        if self.leads {
            self.queue.add(item, at);
        }
    }

    /// What was done may not have been all.
    fn again(&mut self, item: Item, now: Timestamp) {
        self.queue.settled(&item);
        let at = match item {
            Item::Collect => {
                // What waits for something that never comes is looked at again too.
                self.waiting.clear();
                self.add_all(now);
                now.after(self.settings.collect)
            }
            _ => now,
        };
        self.queue.add(item, at);
    }

    fn want_sweep(&mut self, now: Timestamp) {
        if self.leads {
            self.sweep.want();
            self.queue.add(Item::Sweep, now);
        }
    }

    fn wait(&mut self, item: &Item, uid: String) {
        if let Item::Pod(pod) = item {
            self.waiting.entry(uid).or_default().insert(pod.clone());
        }
    }

    fn wake(&mut self, uid: &str, now: Timestamp) {
        for pod in self.waiting.remove(uid).unwrap_or_default() {
            self.add(Item::Pod(pod), now);
        }
    }

    fn refuse(&mut self, item: &Item, why: String) {
        if let Item::Pod(pod) = item
            && self.refused.get(pod) != Some(&why)
        {
            self.refused.insert(pod.clone(), why.clone());
            self.notes.push(Note::Refused(pod.clone(), why));
        }
    }

    /// Takes what was read of a pod beside the watch. Whether it is there, and how it is, only the watch tells: what was read may be
    /// newer than what comes next.
    fn refresh(&mut self, seen: Seen) {
        if let Ok(Object::Pod(pod)) = seen.0 {
            self.view.refresh(*pod);
        }
    }
}

#[cfg(test)]
mod tests;

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Pods that are known.
    pub pods: usize,
    /// Workloads that are known.
    pub workloads: usize,
    /// What waits to be looked at.
    pub queued: usize,
}
