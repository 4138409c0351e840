//! Objects, their versions, and what happened to them.

use crate::answer::Refused;
use crate::fault::{Fault, Kind};
use crate::resource::{Resource, Target};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`.
    pub verb: &'static str,
    /// The API group; empty for the core's.
    pub group: &'static str,
    /// The plural name of the resource.
    pub resource: &'static str,
    /// The namespace; none across all of them.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: Option<String>,
    /// What was answered.
    pub status: u16,
}

/// An object's plural, namespace and name.
pub(crate) type Key = (&'static str, String, String);

/// Something that happened to an object.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) revision: u64,
    /// `ADDED`, `MODIFIED`, `DELETED`.
    pub(crate) kind: &'static str,
    pub(crate) object: Value,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<Key, Value>,
    pub(crate) revision: u64,
    pub(crate) history: BTreeMap<&'static str, Vec<Happened>>,
    /// Below which revision a watch cannot begin any more.
    pub(crate) floors: BTreeMap<&'static str, u64>,
    /// How often the watches of a resource were cut.
    pub(crate) cuts: BTreeMap<&'static str, u64>,
    /// How often a bookmark was sent to the watches of a resource.
    pub(crate) bookmarks: BTreeMap<&'static str, u64>,
    /// The rest of lists that are read in pages: by token.
    pub(crate) pages: BTreeMap<String, (u64, Vec<Value>)>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) calls: Vec<Call>,
    /// Most objects a page, whatever is asked for.
    pub(crate) page_limit: Option<usize>,
    made: u64,
}

/// A double of an API server. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Double {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
}

impl Default for Double {
    fn default() -> Self {
        Self::new()
    }
}

impl Double {
    /// A server without objects.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Arc::default(),
            changed: watch::Sender::new(0),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when anything changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Carries out an alteration, and wakes who watches.
    pub(crate) fn alter<T>(&self, alteration: impl FnOnce(&mut State) -> T) -> T {
        let answer = alteration(&mut self.lock());
        self.changed.send_modify(|n| *n += 1);
        answer
    }

    /// Makes an object, or replaces it; a `uid` and a version are given to it. What is there keeps its `uid`, unless the object
    /// names another.
    ///
    /// # Panics
    /// On a resource that is not served.
    pub fn apply(&self, plural: &str, object: Value) -> Value {
        let resource = known(plural);
        self.alter(|state| state.put(resource, object))
    }

    /// Puts an object as it is, whatever stands in it, under a name; only a version is added, if it has metadata.
    ///
    /// # Panics
    /// On a resource that is not served.
    pub fn put_raw(&self, plural: &str, namespace: &str, name: &str, object: Value) {
        let key = (known(plural).plural, namespace.to_owned(), name.to_owned());
        self.alter(|state| state.record(key, object));
    }

    /// Deletes an object; whether there was one.
    ///
    /// # Panics
    /// On a resource that is not served.
    pub fn delete(&self, plural: &str, namespace: &str, name: &str) -> bool {
        let key = (known(plural).plural, namespace.to_owned(), name.to_owned());
        self.alter(|state| state.remove(&key))
    }

    /// An object as it is.
    #[must_use]
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = (known(plural).plural, namespace.to_owned(), name.to_owned());
        self.lock().objects.get(&key).cloned()
    }

    /// All objects of a resource, in order of namespace and name.
    ///
    /// # Panics
    /// On a resource that is not served.
    #[must_use]
    pub fn all(&self, plural: &str) -> Vec<Value> {
        let plural = known(plural).plural;
        let state = self.lock();
        let objects = state.objects.iter().filter(|(key, _)| key.0 == plural);
        objects.map(|(_, object)| object.clone()).collect()
    }

    /// Ends all watches of a resource.
    pub fn cut(&self, plural: &str) {
        let plural = known(plural).plural;
        self.alter(|state| *state.cuts.entry(plural).or_default() += 1);
    }

    /// Sends a bookmark to all watches of a resource.
    pub fn bookmark(&self, plural: &str) {
        let plural = known(plural).plural;
        self.alter(|state| *state.bookmarks.entry(plural).or_default() += 1);
    }

    /// Forgets what happened to a resource until now: who watches from before must list anew. Lists that are half read end too.
    pub fn compact(&self, plural: &str) {
        let plural = known(plural).plural;
        self.alter(|state| {
            state.floors.insert(plural, state.revision);
            state.history.remove(plural);
            state.pages.clear();
        });
    }

    /// Answers lists in pages of so many objects at the most, also to who asks for more.
    pub fn limit_pages(&self, objects: usize) {
        self.lock().page_limit = Some(objects.max(1));
    }

    /// Asks for a fault.
    pub fn fault(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// Ends all faults that were asked for.
    pub fn mend(&self) {
        self.lock().faults.clear();
    }

    /// The calls so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }
}

/// # Panics
/// On a resource that is not served: the test means another.
fn known(plural: &str) -> Resource {
    Resource::named(plural).unwrap_or_else(|| panic!("the double serves no {plural}"))
}

impl State {
    /// The fault that strikes a call, if any.
    pub(crate) fn strike(&mut self, verb: &str, plural: &str) -> Option<Kind> {
        let mut kind = None;
        for fault in &mut self.faults {
            if kind.is_none() && fault.strikes(verb, plural) {
                kind = Some(fault.kind);
            }
        }
        self.faults.retain(|fault| !fault.is_over());
        kind
    }

    pub(crate) fn note(&mut self, verb: &'static str, target: &Target, status: u16) {
        self.calls.push(Call {
            verb,
            group: target.resource.group,
            resource: target.resource.plural,
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            status,
        });
    }

    /// Makes or replaces an object.
    pub(crate) fn put(&mut self, resource: Resource, mut object: Value) -> Value {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or("").to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        let key = (resource.plural, namespace, name);
        if text("uid").is_empty() {
            let there = self.objects.get(&key);
            let there = there.map_or(Value::Null, |there| there["metadata"]["uid"].clone());
            object["metadata"]["uid"] = match there {
                Value::String(uid) => uid.into(),
                _ => self.uid().into(),
            };
        }
        object["apiVersion"] = resource.api_version().into();
        object["kind"] = resource.kind.into();
        self.record(key, object)
    }

    fn uid(&mut self) -> String {
        self.made += 1;
        format!("00000000-0000-4000-8000-{:012}", self.made)
    }

    /// Takes an object as it is, with a new version.
    fn record(&mut self, key: Key, mut object: Value) -> Value {
        self.revision += 1;
        if object["metadata"].is_object() {
            object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        }
        let plural = key.0;
        let kind = match self.objects.insert(key, object.clone()) {
            Some(_) => "MODIFIED",
            None => "ADDED",
        };
        self.happened(plural, kind, object.clone());
        object
    }

    fn happened(&mut self, plural: &'static str, kind: &'static str, object: Value) {
        let revision = self.revision;
        self.history.entry(plural).or_default().push(Happened {
            revision,
            kind,
            object,
        });
    }

    fn remove(&mut self, key: &Key) -> bool {
        let Some(mut object) = self.objects.remove(key) else {
            return false;
        };
        self.revision += 1;
        if object["metadata"].is_object() {
            object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        }
        self.happened(key.0, "DELETED", object);
        true
    }

    /// The objects that a target names, in order of namespace and name.
    pub(crate) fn listed(&self, target: &Target) -> Vec<Value> {
        let plural = target.resource.plural;
        let fits = |key: &Key| {
            key.0 == plural
                && target
                    .namespace
                    .as_ref()
                    .is_none_or(|wanted| *wanted == key.1)
        };
        let objects = self.objects.iter().filter(|(key, _)| fits(key));
        objects.map(|(_, object)| object.clone()).collect()
    }

    /// What happened to a target's objects after a revision.
    pub(crate) fn since(&self, target: &Target, after: u64) -> Vec<Happened> {
        let events = self
            .history
            .get(target.resource.plural)
            .into_iter()
            .flatten();
        let fits = |event: &&Happened| {
            event.revision > after
                && target
                    .namespace
                    .as_ref()
                    .is_none_or(|wanted| event.object["metadata"]["namespace"] == **wanted)
        };
        events.filter(fits).cloned().collect()
    }

    /// Whether a watch may begin after a revision.
    pub(crate) fn floor(&self, plural: &str) -> u64 {
        self.floors.get(plural).copied().unwrap_or(0)
    }

    /// Keeps the rest of a list for the next page; its token.
    pub(crate) fn keep_page(&mut self, revision: u64, rest: Vec<Value>) -> String {
        self.made += 1;
        let token = format!("page-{}", self.made);
        self.pages.insert(token.clone(), (revision, rest));
        token
    }

    /// The rest of a list.
    pub(crate) fn page(&mut self, token: &str) -> Result<(u64, Vec<Value>), Refused> {
        let page = self.pages.remove(token);
        page.ok_or_else(|| {
            Refused::new(410, "Expired", "The provided continue parameter is too old")
        })
    }
}

/// An object's metadata alone.
pub(crate) fn metadata_of(object: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"],
    })
}
