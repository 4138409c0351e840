//! Lists and watches, by the crate `kube`.

use crate::slice::{self, Slice};
use crate::view::{Place, View};
use async_trait::async_trait;
use discovery_core::driver::Source;
use discovery_core::{Effect, Engine, InputError, ServiceConfig, Timestamp};
use futures_util::FutureExt as _;
use futures_util::stream::{BoxStream, StreamExt as _, select, unfold};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Config, Error};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

const ZONE: &str = "topology.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";
/// The most problems that wait until somebody asks for them.
const PROBLEMS: usize = 1_000;

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeConnectError(String);

impl std::fmt::Display for KubeConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KubeConnectError {}

/// What came of lists and watches, since it was taken last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KubeReport {
    /// Lists that were whole.
    pub lists: u64,
    /// Lists and watches that failed; they are begun anew.
    pub failures: u64,
    /// What failed, and what could not be read, for people.
    pub problems: Vec<String>,
}

/// EndpointSlices and Nodes of a cluster, or the slices of one namespace.
pub struct KubeSource {
    events: BoxStream<'static, (Watched, Told)>,
    config: ServiceConfig,
    view: View,
    /// Lists that are being read.
    slices: BTreeMap<String, Slice>,
    nodes: BTreeMap<String, Place>,
    /// Whether each was listed once.
    listed: [bool; 2],
    report: Arc<Mutex<KubeReport>>,
}

type Told = Result<watcher::Event<DynamicObject>, watcher::Error>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Slices,
    Nodes,
}

impl std::fmt::Debug for KubeSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeSource")
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

impl KubeSource {
    /// Follows the services of all namespaces, or of one. `config` is how the engine treats each; the window of slow start may be told by a
    /// Service's label.
    #[must_use]
    pub fn new(client: &Client, namespace: Option<&str>, config: ServiceConfig) -> Self {
        let slices = resource("discovery.k8s.io", "EndpointSlice", "endpointslices");
        let slices = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &slices),
            None => Api::all_with(client.clone(), &slices),
        };
        let nodes = Api::all_with(client.clone(), &resource("", "Node", "nodes"));
        let slices = watch(slices).map(|told| (Watched::Slices, told));
        let nodes = watch(nodes).map(|told| (Watched::Nodes, told));
        Self {
            events: select(slices, nodes).boxed(),
            config,
            view: View::default(),
            slices: BTreeMap::new(),
            nodes: BTreeMap::new(),
            listed: [false; 2],
            report: Arc::default(),
        }
    }

    /// The same, with a client as the configuration in a file says; without one, as `$KUBECONFIG`, `~/.kube/config` or, in a pod, its
    /// service account say. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// There is no configuration, or it cannot be used.
    pub async fn connect(
        kubeconfig: Option<&Path>,
        namespace: Option<&str>,
        config: ServiceConfig,
    ) -> Result<Self, KubeConnectError> {
        let unusable = |error: &dyn std::error::Error| KubeConnectError(with_causes(error));
        let found = match kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|e| unusable(&e))?;
                let options = KubeConfigOptions::default();
                let found = Config::from_custom_kubeconfig(file, &options).await;
                found.map_err(|e| unusable(&e))?
            }
            None => Config::infer().await.map_err(|e| unusable(&e))?,
        };
        let client = Client::try_from(found).map_err(|e| unusable(&e))?;
        Ok(Self::new(&client, namespace, config))
    }

    /// Where it tells how it fares.
    #[must_use]
    pub fn report(&self) -> Arc<Mutex<KubeReport>> {
        Arc::clone(&self.report)
    }

    fn note(&self, note: impl FnOnce(&mut KubeReport)) {
        if let Ok(mut report) = self.report.lock() {
            note(&mut report);
            report.problems.truncate(PROBLEMS);
        }
    }

    fn take(&mut self, watched: Watched, told: Told) {
        match (watched, told) {
            (_, Err(error)) => self.note(|report| {
                report.failures += 1;
                report.problems.push(with_causes(&error));
            }),
            (Watched::Slices, Ok(event)) => self.slice(event),
            (Watched::Nodes, Ok(event)) => self.node(event),
        }
    }

    fn slice(&mut self, event: watcher::Event<DynamicObject>) {
        match event {
            watcher::Event::Init => self.slices.clear(),
            watcher::Event::InitApply(object) => {
                let key = key(&object);
                if let Some(slice) = self.read(&key, &object) {
                    self.slices.insert(key, slice);
                }
            }
            watcher::Event::InitDone => {
                self.view.list(std::mem::take(&mut self.slices));
                self.listed[0] = true;
                self.note(|report| report.lists += 1);
            }
            watcher::Event::Apply(object) => {
                let key = key(&object);
                let slice = self.read(&key, &object);
                self.view.put(key, slice);
            }
            watcher::Event::Delete(object) => self.view.remove(&key(&object)),
        }
    }

    /// What a slice says; as long as that can't be read, what it said before.
    fn read(&self, key: &str, object: &DynamicObject) -> Option<Slice> {
        let labels = object.metadata.labels.as_ref();
        let label = |name: &str| labels.and_then(|labels| labels.get(name)).map(|v| &**v);
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        match slice::read(namespace, label, &object.data) {
            Ok(slice) => {
                let problems = slice.iter().flat_map(|slice| &slice.problems);
                let told = problems.map(|problem| format!("EndpointSlice {key}: {problem}"));
                self.note(|report| report.problems.extend(told));
                slice
            }
            Err(problem) => {
                let problem = format!("EndpointSlice {key}: {problem}");
                self.note(|report| report.problems.push(problem));
                self.view.slice(key).cloned()
            }
        }
    }

    fn node(&mut self, event: watcher::Event<DynamicObject>) {
        match event {
            watcher::Event::Init => self.nodes.clear(),
            watcher::Event::InitApply(object) => {
                self.nodes.insert(name(&object).to_owned(), place(&object));
            }
            watcher::Event::InitDone => {
                self.view.list_nodes(std::mem::take(&mut self.nodes));
                self.listed[1] = true;
                self.note(|report| report.lists += 1);
            }
            watcher::Event::Apply(object) => {
                self.view.node(name(&object), Some(place(&object)));
            }
            watcher::Event::Delete(object) => self.view.node(name(&object), None),
        }
    }

    fn has_news(&self) -> bool {
        self.listed == [true; 2] && self.view.has_news()
    }
}

fn resource(group: &str, kind: &str, plural: &str) -> ApiResource {
    let kind = GroupVersionKind::gvk(group, "v1", kind);
    ApiResource::from_gvk_with_plural(&kind, plural)
}

/// Lists, then watches; a watch that is refused because its version is gone would be asked for again and again, so it begins anew.
fn watch(api: Api<DynamicObject>) -> BoxStream<'static, Told> {
    let begin = move || {
        let told = watcher(api.clone(), watcher::Config::default());
        told.default_backoff().boxed()
    };
    let first = begin();
    let told = unfold((begin, first), |(begin, mut told)| async move {
        let next = told.next().await;
        match next {
            Some(next) if !is_gone(&next) => Some((next, (begin, told))),
            _ => {
                let mut anew = begin();
                anew.next().await.map(|next| (next, (begin, anew)))
            }
        }
    });
    told.boxed()
}

fn is_gone(told: &Told) -> bool {
    matches!(told, Err(watcher::Error::WatchStartFailed(Error::Api(status))) if status.code == 410)
}

fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

fn key(object: &DynamicObject) -> String {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    format!("{namespace}/{}", name(object))
}

fn place(node: &DynamicObject) -> Place {
    let labels = node.metadata.labels.as_ref();
    let label = |name: &str| labels?.get(name).filter(|v| !v.is_empty()).cloned();
    Place {
        zone: label(ZONE),
        region: label(REGION),
    }
}

/// An error and what caused it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[async_trait]
impl Source for KubeSource {
    async fn wait(&mut self) {
        while !self.has_news() {
            let Some((watched, told)) = self.events.next().await else {
                // They never end.
                return std::future::pending().await;
            };
            self.take(watched, told);
        }
        // What is there already is told with it.
        while let Some(Some((watched, told))) = self.events.next().now_or_never() {
            self.take(watched, told);
        }
    }

    fn tell(
        &mut self,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError> {
        match self.has_news() {
            true => self.view.tell(&self.config, engine, now, out),
            false => Vec::new(),
        }
    }
}
