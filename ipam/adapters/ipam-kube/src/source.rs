//! Lists and watches, by the crate `kube`.

use crate::client::with_causes;
use crate::object::{Seen, Watched};
use crate::raw::{Kind, Raw};
use crate::seam::Source;
use crate::view::Event;
use async_trait::async_trait;
use futures_util::stream::{BoxStream, SelectAll, StreamExt as _, select_all, unfold};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Error};

/// Everything that a controller watches, of a cluster or a namespace: listed, then watched; after a failure the watch goes on where it
/// was, after `410 Gone` all is listed anew. Pauses grow from 0.8 to 30 seconds, with jitter.
pub struct KubeSource {
    events: SelectAll<BoxStream<'static, Event>>,
}

impl std::fmt::Debug for KubeSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeSource").finish_non_exhaustive()
    }
}

/// What the crate `kube` makes of a list or watch.
type Told<const METADATA: bool> = Result<watcher::Event<Raw<METADATA>>, watcher::Error>;

impl KubeSource {
    /// Watches in all namespaces, or in one.
    pub(crate) fn new(client: &Client, scope: Option<&str>) -> Self {
        let events = Watched::ALL.map(|watched| match watched {
            // Of these only owners and annotations are looked at.
            Watched::ReplicaSets => events::<true>(client, scope, watched),
            _ => events::<false>(client, scope, watched),
        });
        Self {
            events: select_all(events),
        }
    }
}

#[async_trait]
impl Source for KubeSource {
    async fn next(&mut self) -> Event {
        match self.events.next().await {
            Some(event) => event,
            // They never end.
            None => std::future::pending().await,
        }
    }
}

fn events<const METADATA: bool>(
    client: &Client,
    scope: Option<&str>,
    watched: Watched,
) -> BoxStream<'static, Event> {
    let kind = Kind::from(watched);
    let api: Api<Raw<METADATA>> = match scope {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    };
    let begin = move || -> BoxStream<'static, Told<METADATA>> {
        watcher(api.clone(), watcher::Config::default())
            .default_backoff()
            .boxed()
    };
    let first = begin();
    let events = unfold((begin, first), |(begin, mut told)| async move {
        let next = told.next().await;
        // A watch that is refused because its version is gone would be asked for again and again.
        if !matches!(&next, Some(Err(error)) if is_gone(error)) && next.is_some() {
            return next.map(|next| (next, (begin, told)));
        }
        let mut anew = begin();
        let next = anew.next().await;
        next.map(|next| (next, (begin, anew)))
    });
    events.map(move |told| event(watched, told)).boxed()
}

fn is_gone(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(Error::Api(status)) if status.code == 410)
}

fn event<const METADATA: bool>(watched: Watched, told: Told<METADATA>) -> Event {
    let seen = |object: &Raw<METADATA>| Seen::read(watched, &object.value);
    match told {
        Ok(watcher::Event::Init) => Event::Began(watched),
        Ok(watcher::Event::InitApply(object)) => Event::Listed(watched, seen(&object)),
        Ok(watcher::Event::InitDone) => Event::Done(watched),
        Ok(watcher::Event::Apply(object)) => Event::Applied(watched, seen(&object)),
        Ok(watcher::Event::Delete(object)) => Event::Deleted(watched, seen(&object)),
        Err(error) => Event::Failed(watched, with_causes(&error)),
    }
}
