//! Watches.

use crate::answer::{Query, Refused};
use crate::body::Answer;
use crate::resource::Target;
use crate::state::{Double, metadata_of};
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{Instant, sleep_until};

/// As long as a watch lasts that does not say: the least of a real server's.
const LONGEST: u64 = 1800;

/// One watch.
struct Watch {
    double: Double,
    target: Target,
    after: u64,
    partial: bool,
    bookmarks: bool,
    /// How many events it lasts.
    left: usize,
    until: Instant,
    lines: Sender<std::io::Result<Bytes>>,
}

/// Begins a watch.
pub(crate) fn begin(
    double: &Double,
    target: &Target,
    query: &Query,
    partial: bool,
    left: usize,
) -> Answer {
    let (lines, receiver) = channel(16);
    let seconds = query.number("timeoutSeconds").unwrap_or(LONGEST);
    let watch = Watch {
        double: double.clone(),
        target: target.clone(),
        after: query.number("resourceVersion").unwrap_or(0),
        partial,
        bookmarks: query.is_set("allowWatchBookmarks"),
        left,
        until: Instant::now() + Duration::from_secs(seconds.min(LONGEST)),
        lines,
    };
    tokio::spawn(watch.run());
    Answer::Lines(receiver)
}

impl Watch {
    async fn run(mut self) {
        let plural = self.target.resource.plural;
        let mut changes = self.double.changes();
        let counts = |double: &Double| {
            let state = double.lock();
            let count = |of: &std::collections::BTreeMap<&str, u64>| of.get(plural).copied();
            (
                count(&state.cuts),
                count(&state.bookmarks),
                state.revision,
                state.floor(plural),
            )
        };
        let (cuts, mut marked, ..) = counts(&self.double);
        loop {
            changes.mark_unchanged();
            let (cuts_now, marks, revision, floor) = counts(&self.double);
            if cuts_now != cuts {
                return;
            }
            if self.after < floor {
                let gone = Refused::new(410, "Expired", "too old resource version").to_json();
                self.send("ERROR", &gone).await;
                return;
            }
            let events = self.double.lock().since(&self.target, self.after);
            for event in events {
                if self.left == 0 {
                    return;
                }
                self.left -= 1;
                self.after = event.revision;
                let object = match self.partial {
                    true => metadata_of(&event.object),
                    false => event.object,
                };
                if !self.send(event.kind, &object).await {
                    return;
                }
            }
            if self.left == 0 {
                return;
            }
            if marks != marked {
                marked = marks;
                self.after = self.after.max(revision);
                let resource = self.target.resource;
                let mark = json!({
                    "apiVersion": resource.api_version(), "kind": resource.kind,
                    "metadata": {"resourceVersion": revision.to_string()},
                });
                if self.bookmarks && !self.send("BOOKMARK", &mark).await {
                    return;
                }
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = sleep_until(self.until) => return,
                () = self.lines.closed() => return,
            }
        }
    }

    async fn send(&self, kind: &str, object: &Value) -> bool {
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        self.lines.send(Ok(Bytes::from(line))).await.is_ok()
    }
}
