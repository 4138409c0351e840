//! Follows an engine: events first, then everything that is there, so that nothing falls between the two.

use crate::api::{Answer, Client, shown};
use crate::container::Read;
use crate::events::{Event, Events, PATH, is_id};
use crate::label::SERVICE;
use crate::view::View;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// Everything is listed anew this often, whatever events tell.
const RELIST: Duration = Duration::from_secs(60);
/// First and longest pause before an engine is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// Most containers that are followed.
const MOST: usize = 65_536;

/// What is known of an engine, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    known: Mutex<Known>,
    pub(crate) changed: Notify,
}

/// What is known of an engine.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) view: View,
    /// What the engine calls its host.
    pub(crate) node: String,
    /// Grows with each change; 0 until everything was listed for the first time.
    pub(crate) version: u64,
}

impl Shared {
    /// Does something with what is known. Nobody who holds it panics; if one did, it is as it was.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self) {
        self.with(|known| known.version += 1);
        self.changed.notify_one();
    }
}

/// A follower of one engine.
pub(crate) struct Follower<F> {
    pub(crate) socket: PathBuf,
    pub(crate) host: IpAddr,
    pub(crate) shared: Arc<Shared>,
    /// Told of what is wrong.
    pub(crate) say: F,
    /// What is wrong with containers, as far as it was told.
    pub(crate) said: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    name: String,
}

fn unread(what: &str) -> impl Fn(serde_json::Error) -> String + '_ {
    move |error| format!("{what}: {error}")
}

impl<F: FnMut(&str) + Send> Follower<F> {
    /// Follows it for ever.
    pub(crate) async fn run(mut self) {
        let (mut pause, mut last) = (PAUSES.0, String::new());
        loop {
            let before = self.shared.with(|known| known.version);
            let problem = match self.session().await {
                Err(problem) => problem,
                Ok(never) => match never {},
            };
            if self.shared.with(|known| known.version) != before {
                // It was there in between.
                (pause, last) = (PAUSES.0, String::new());
            }
            let problem = format!("{}: {problem}", self.socket.display());
            if problem != last {
                (self.say)(&problem);
                last = problem;
            }
            // Half of the pause, and as much again at random: hosts that lost an engine together come back apart.
            let jitter = RandomState::new().hash_one(()) % 1_000;
            sleep(pause.mul_f64(0.5 + jitter as f64 / 2_000.0)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Follows it until it is lost.
    async fn session(&mut self) -> Result<std::convert::Infallible, String> {
        let body = Client::connect(&self.socket).await?.stream(PATH).await?;
        let mut events = Events::new(body);
        let mut client = Client::connect(&self.socket).await?;
        let info = client.needed("/info").await?;
        let info: Info = serde_json::from_slice(&info).map_err(unread("/info"))?;
        self.shared.with(|known| known.node = info.name);
        loop {
            self.list(&mut client).await?;
            let relist = Instant::now() + RELIST;
            loop {
                tokio::select! {
                    event = events.next() => self.heard(&mut client, event?).await?,
                    () = sleep_until(relist) => break,
                }
            }
        }
    }

    async fn list(&mut self, client: &mut Client) -> Result<(), String> {
        let path = format!("/containers/json?filters=%7B%22label%22%3A%5B%22{SERVICE}%22%5D%7D");
        let answer = client.needed(&path).await?;
        let listed: Vec<Listed> = serde_json::from_slice(&answer).map_err(unread(shown(&path)))?;
        if listed.len() > MOST {
            let given = listed.len();
            return Err(format!(
                "{given} containers have a service; {MOST} are followed"
            ));
        }
        let ids = listed.into_iter().map(|listed| listed.id);
        let ids: BTreeSet<String> = ids.filter(|id| is_id(id)).collect();
        let mut changed = self.shared.with(|known| {
            let first = known.version == 0;
            known.view.keep(&ids) || first
        });
        for id in &ids {
            changed |= self.look(client, id).await?;
        }
        if changed {
            self.shared.publish();
        }
        self.tell_problems();
        Ok(())
    }

    async fn heard(&mut self, client: &mut Client, event: Event) -> Result<(), String> {
        let id = &*event.container;
        if let Some(signal) = event.signal {
            if self.shared.with(|known| known.view.signalled(id, &signal)) {
                self.shared.publish();
            }
            return Ok(());
        }
        if !event.labelled && !self.shared.with(|known| known.view.knows(id)) {
            return Ok(());
        }
        if self.look(client, id).await? {
            self.shared.publish();
        }
        self.tell_problems();
        Ok(())
    }

    /// Looks at a container; whether it is otherwise than known. One that the engine can't tell of stops no other.
    async fn look(&mut self, client: &mut Client, id: &str) -> Result<bool, String> {
        let path = format!("/containers/{id}/json");
        let read = match client.get(&path).await? {
            Answer::NotFound => Read::None,
            Answer::Failed(status) => Read::Bad(id.to_owned(), format!("status {status}")),
            Answer::Told(answer) => Read::of(&answer, self.host)
                .unwrap_or_else(|problem| Read::Bad(id.to_owned(), problem)),
        };
        Ok(self.shared.with(|known| known.view.note(id, read)))
    }

    /// Says what is wrong with containers, once.
    fn tell_problems(&mut self) {
        let problems = self.shared.with(|known| known.view.problems());
        for problem in problems.difference(&self.said) {
            (self.say)(problem);
        }
        self.said = problems;
    }
}
