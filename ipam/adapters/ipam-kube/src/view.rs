//! What is known of the cluster.

use crate::field::Malformed;
use crate::names::{PodId, WorkloadId, WorkloadKind};
use crate::object::{Object, Pod, Seen, Watched, Workload};
use std::collections::{BTreeMap, BTreeSet};

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A list of everything begins: nothing of it is believed to be missing before it is done.
    Began(Watched),
    /// An object of the list.
    Listed(Watched, Seen),
    /// The list is done: what was not on it is gone.
    Done(Watched),
    /// An object was made or altered.
    Applied(Watched, Seen),
    /// An object was deleted.
    Deleted(Watched, Seen),
    /// A list or watch failed, and begins again or goes on.
    Failed(Watched, String),
}

/// What an event altered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Altered {
    Pod(PodId),
    PodGone(PodId),
    Workload(WorkloadId),
    WorkloadGone,
    Malformed(Box<Malformed>),
}

/// A namespace and a name.
type Place = (String, String);

/// A list that is being read.
#[derive(Clone, Debug, Default)]
struct Reading {
    seen: BTreeSet<Place>,
    /// Something on it does not even tell its name: it may be anything.
    vague: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// The one namespace that is watched.
    scope: Option<String>,
    pods: BTreeMap<PodId, Pod>,
    workloads: BTreeMap<WorkloadId, Workload>,
    /// By `uid`, as references name them.
    by_uid: BTreeMap<String, WorkloadId>,
    /// What is there and cannot be read.
    unreadable: BTreeSet<(Watched, Place)>,
    readings: BTreeMap<Watched, Reading>,
    listed: BTreeSet<Watched>,
}

impl View {
    /// Nothing known yet of a cluster, or of one of its namespaces.
    pub(crate) fn of(scope: Option<String>) -> Self {
        Self {
            scope,
            ..Self::default()
        }
    }

    /// Whether a namespace is watched.
    pub(crate) fn covers(&self, namespace: &str) -> bool {
        self.scope.as_deref().is_none_or(|scope| scope == namespace)
    }

    /// Whether everything was listed once.
    pub(crate) fn is_whole(&self) -> bool {
        self.listed.len() == Watched::ALL.len()
    }

    pub(crate) fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values()
    }

    pub(crate) fn pod(&self, id: &PodId) -> Option<&Pod> {
        self.pods.get(id)
    }

    pub(crate) fn workload(&self, id: &WorkloadId) -> Option<&Workload> {
        self.workloads.get(id)
    }

    pub(crate) fn workload_of(&self, uid: &str) -> Option<&Workload> {
        self.workloads.get(self.by_uid.get(uid)?)
    }

    /// Takes the version and the annotation of a pod that is known, and no more.
    pub(crate) fn refresh(&mut self, pod: Pod) {
        if let Some(known) = self.pods.get_mut(&pod.id) {
            known.version = pod.version;
            known.lease = pod.lease;
        }
    }

    pub(crate) fn workload_count(&self) -> usize {
        self.workloads.len()
    }

    /// Whether a pod may be there.
    pub(crate) fn may_be(&self, pod: &PodId) -> bool {
        let place = (pod.namespace.clone(), pod.name.clone());
        !self.covers(&pod.namespace)
            || self.pods.contains_key(pod)
            || self.unreadable.contains(&(Watched::Pods, place))
    }

    pub(crate) fn handle(&mut self, event: Event) -> Vec<Altered> {
        let mut altered = Vec::new();
        match event {
            Event::Began(watched) => {
                self.readings.insert(watched, Reading::default());
            }
            Event::Listed(watched, seen) => {
                let place = place(&seen);
                let reading = self.readings.entry(watched).or_default();
                match place {
                    Some(place) => drop(reading.seen.insert(place)),
                    None => reading.vague = true,
                }
                self.apply(watched, seen, &mut altered);
            }
            Event::Done(watched) => self.done(watched, &mut altered),
            Event::Applied(watched, seen) => {
                // While a list is read, what happens comes after it.
                self.apply(watched, seen, &mut altered);
            }
            Event::Deleted(watched, seen) => self.delete(watched, &seen, &mut altered),
            Event::Failed(..) => {}
        }
        altered
    }

    fn apply(&mut self, watched: Watched, seen: Seen, altered: &mut Vec<Altered>) {
        if let Some(place) = place(&seen) {
            match &seen.0 {
                Ok(_) => self.unreadable.remove(&(watched, place)),
                Err(_) => self.unreadable.insert((watched, place)),
            };
        }
        match seen.0 {
            Ok(Object::Pod(pod)) => {
                // Of one name there is one at a time: another is gone.
                for before in self.pods_at(&pod.id.namespace, &pod.id.name) {
                    if before != pod.id {
                        self.remove_pod(before, altered);
                    }
                }
                altered.push(Altered::Pod(pod.id.clone()));
                self.pods.insert(pod.id.clone(), *pod);
            }
            Ok(Object::Workload(workload)) => {
                let id = workload.id.clone();
                for before in self.workloads_at(watched, &id.namespace, &id.name) {
                    if before != id {
                        self.remove_workload(&before, altered);
                    }
                }
                self.by_uid.insert(id.uid.clone(), id.clone());
                self.workloads.insert(id.clone(), *workload);
                altered.push(Altered::Workload(id));
            }
            Err(malformed) => altered.push(Altered::Malformed(malformed)),
        }
    }

    fn delete(&mut self, watched: Watched, seen: &Seen, altered: &mut Vec<Altered>) {
        let told = match &seen.0 {
            Ok(Object::Pod(pod)) => Some((&pod.id.namespace, &pod.id.name, Some(&pod.id.uid))),
            Ok(Object::Workload(w)) => Some((&w.id.namespace, &w.id.name, Some(&w.id.uid))),
            Err(malformed) => {
                let place = malformed.namespace.as_ref().zip(malformed.name.as_ref());
                place.map(|(namespace, name)| (namespace, name, malformed.uid.as_ref()))
            }
        };
        let Some((namespace, name, uid)) = told else {
            let malformed = seen.0.as_ref().err();
            altered.extend(malformed.map(|m| Altered::Malformed(m.clone())));
            return;
        };
        self.unreadable
            .remove(&(watched, (namespace.clone(), name.clone())));
        let fits = |other: &str| uid.is_none_or(|uid| uid == other);
        if watched == Watched::Pods {
            for pod in self.pods_at(namespace, name) {
                if fits(&pod.uid) {
                    self.remove_pod(pod, altered);
                }
            }
        }
        for workload in self.workloads_at(watched, namespace, name) {
            if fits(&workload.uid) {
                self.remove_workload(&workload, altered);
            }
        }
    }

    /// A list was read to its end: what was not on it is gone, unless something on it does not tell what it is.
    fn done(&mut self, watched: Watched, altered: &mut Vec<Altered>) {
        let Some(Reading { seen, vague }) = self.readings.remove(&watched) else {
            return;
        };
        self.listed.insert(watched);
        if vague {
            return;
        }
        self.unreadable
            .retain(|(of, place)| *of != watched || seen.contains(place));
        let missing =
            |namespace: &String, name: &String| !seen.contains(&(namespace.clone(), name.clone()));
        if watched == Watched::Pods {
            let gone = self.pods.keys().filter(|p| missing(&p.namespace, &p.name));
            for pod in gone.cloned().collect::<Vec<_>>() {
                self.remove_pod(pod, altered);
            }
        }
        let gone = self
            .workloads
            .keys()
            .filter(|w| Watched::from(w.kind) == watched && missing(&w.namespace, &w.name));
        for workload in gone.cloned().collect::<Vec<_>>() {
            self.remove_workload(&workload, altered);
        }
    }

    fn pods_at(&self, namespace: &str, name: &str) -> Vec<PodId> {
        let from = PodId {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: String::new(),
        };
        let there = self.pods.range(&from..).map(|(id, _)| id);
        let there = there.take_while(|id| id.namespace == namespace && id.name == name);
        there.cloned().collect()
    }

    fn workloads_at(&self, watched: Watched, namespace: &str, name: &str) -> Vec<WorkloadId> {
        let Some(kind) = WorkloadKind::named(watched.kind()) else {
            return Vec::new();
        };
        let from = WorkloadId {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: String::new(),
        };
        let there = self.workloads.range(&from..).map(|(id, _)| id);
        let fits =
            |id: &&WorkloadId| id.kind == kind && id.namespace == namespace && id.name == name;
        there.take_while(fits).cloned().collect()
    }

    fn remove_pod(&mut self, id: PodId, altered: &mut Vec<Altered>) {
        self.pods.remove(&id);
        altered.push(Altered::PodGone(id));
    }

    fn remove_workload(&mut self, id: &WorkloadId, altered: &mut Vec<Altered>) {
        self.workloads.remove(id);
        if self.by_uid.get(&id.uid) == Some(id) {
            self.by_uid.remove(&id.uid);
        }
        altered.push(Altered::WorkloadGone);
    }
}

/// Where an object is, if it tells.
fn place(seen: &Seen) -> Option<Place> {
    match &seen.0 {
        Ok(Object::Pod(pod)) => Some((pod.id.namespace.clone(), pod.id.name.clone())),
        Ok(Object::Workload(w)) => Some((w.id.namespace.clone(), w.id.name.clone())),
        Err(malformed) => malformed.namespace.clone().zip(malformed.name.clone()),
    }
}
