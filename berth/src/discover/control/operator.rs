//! The operator as a source: what was asked for is told to the engine.

use super::{Request, Response, Target, show};
use async_trait::async_trait;
use discovery_core::driver::Source;
use discovery_core::engine::DrainTarget;
use discovery_core::{Effect, Engine, Input, InputError, Timestamp};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot::Sender;

/// Who waits for an answer.
pub(super) type Asked = (Request, Sender<Response>);

/// An answer that is to be sent once what was decided is saved.
pub(in crate::discover) struct Reply {
    pub(in crate::discover) response: Response,
    /// Whether it decided anything.
    pub(in crate::discover) decides: bool,
    pub(in crate::discover) to: Sender<Response>,
}

/// The source.
pub(in crate::discover) struct Operator {
    asked: Receiver<Asked>,
    first: Option<Asked>,
    replies: Arc<Mutex<Vec<Reply>>>,
}

impl Operator {
    pub(super) fn new(asked: Receiver<Asked>) -> Self {
        Self {
            asked,
            first: None,
            replies: Arc::default(),
        }
    }

    /// Where answers gather.
    pub(in crate::discover) fn replies(&self) -> Arc<Mutex<Vec<Reply>>> {
        Arc::clone(&self.replies)
    }
}

#[async_trait]
impl Source for Operator {
    async fn wait(&mut self) {
        if self.first.is_some() {
            return;
        }
        self.first = self.asked.recv().await;
        if self.first.is_none() {
            // Nobody listens any more.
            std::future::pending::<()>().await;
        }
    }

    fn tell(
        &mut self,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError> {
        while let Some((request, to)) = self.first.take().or_else(|| self.asked.try_recv().ok()) {
            let response = answer(engine, now, &request, out);
            if let Ok(mut replies) = self.replies.lock() {
                let decides = !matches!(request, Request::Show {});
                replies.push(Reply {
                    response,
                    decides,
                    to,
                });
            }
        }
        Vec::new()
    }
}

fn answer(
    engine: &mut Engine,
    now: Timestamp,
    request: &Request,
    out: &mut Vec<Effect>,
) -> Response {
    match request {
        Request::Show {} => Response::Done(show::show(engine, now)),
        Request::Confirm { service } => confirm(engine, now, service, out),
        Request::Drain { target, on, over } => drain(engine, now, target, *on, *over, out),
    }
}

fn refused(error: InputError) -> Response {
    Response::No("bad_input".into(), error.to_string())
}

fn unknown(kind: &str, name: &str) -> Response {
    Response::No("unknown".into(), format!("no {kind} {name:?} is known"))
}

fn confirm(engine: &mut Engine, now: Timestamp, name: &str, out: &mut Vec<Effect>) -> Response {
    let Some(service) = engine.find_service(name) else {
        return unknown("service", name);
    };
    let held = engine.held(service);
    match engine.handle(now, Input::Confirm { service }, out) {
        Ok(()) => Response::Done(json!({"service": name, "confirmed": held})),
        Err(error) => refused(error),
    }
}

fn drain(
    engine: &mut Engine,
    now: Timestamp,
    target: &Target,
    on: bool,
    over: Duration,
    out: &mut Vec<Effect>,
) -> Response {
    let kind = target.kind();
    let members = members(engine, target);
    let done = match target {
        Target::Endpoint(name) => {
            // A drain of what is not here at present can be ended.
            let drained = engine.drains().any(|drained| drained == name);
            if engine.find(name).is_none() && !drained {
                return unknown(kind, name);
            }
            engine.handle(now, Input::DrainName { name, on }, out)
        }
        Target::Node(name) | Target::Region(name) => match place(engine, target) {
            None => return unknown(kind, name),
            Some(target) => engine.handle(now, Input::Drain { target, on, over }, out),
        },
    };
    match done {
        Err(error) => refused(error),
        Ok(()) => Response::Done(json!({
            "target": {"kind": kind, "name": target.name()},
            "draining": on,
            "over_s": over.as_secs_f64(),
            "endpoints": members,
        })),
    }
}

/// A node or region that endpoints are or were on: a name that was never heard of makes none.
fn place(engine: &mut Engine, target: &Target) -> Option<DrainTarget> {
    match target {
        Target::Endpoint(_) => None,
        Target::Node(name) => engine.find_node(name).map(DrainTarget::Node),
        Target::Region(name) => engine.find_region(name).map(DrainTarget::Region),
    }
}

/// How many endpoints are there.
fn members(engine: &Engine, target: &Target) -> usize {
    let all = engine
        .services()
        .flat_map(|(id, _)| engine.registrations(id));
    let name = target.name();
    all.filter(|registration| match target {
        Target::Endpoint(_) => registration.name == name,
        Target::Node(_) => registration.node == name,
        Target::Region(_) => registration.region == name,
    })
    .count()
}
