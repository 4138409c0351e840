//! The operator's end of the socket.

use super::super::args::{AtArgs, ConfirmArgs, DrainArgs, ShowArgs};
use super::super::table;
use super::{Request, Response, Target};
use crate::answer::{Answer, Failure, escaped};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Begins or ends a drain.
pub(in crate::discover) fn drain(args: &DrainArgs, on: bool) -> Result<Answer, Failure> {
    let target = &args.target;
    let (target, option) = match (&target.endpoint, &target.node, &target.region) {
        (Some(name), _, _) => (Target::Endpoint(name.clone()), "--endpoint"),
        (_, Some(name), _) => (Target::Node(name.clone()), "--node"),
        (_, _, Some(name)) => (Target::Region(name.clone()), "--region"),
        _ => return Err(Failure::input("who? --endpoint, --node or --region", "")),
    };
    let place = format!("{option} {}", target.name());
    let verb = if on { "drains" } else { "is no longer drained" };
    let subject = format!("{} {}", target.kind(), target.name());
    let over = args.over;
    let json = ask(&args.at, &Request::Drain { target, on, over }, &place)?;
    let text = format!("{subject} {verb}: {} endpoints\n", json["endpoints"]);
    Ok(Answer::done(escaped(&text), json))
}

/// Lets held endpoints go.
pub(in crate::discover) fn confirm(args: &ConfirmArgs) -> Result<Answer, Failure> {
    let service = args.service.clone();
    let json = ask(&args.at, &Request::Confirm { service }, &args.service)?;
    let text = format!(
        "{}: {} held endpoints go\n",
        args.service, json["confirmed"]
    );
    Ok(Answer::done(escaped(&text), json))
}

/// Shows what the driver knows.
pub(in crate::discover) fn show(args: &ShowArgs) -> Result<Answer, Failure> {
    let json = ask(&args.at, &Request::Show {}, "")?;
    Ok(Answer::done(escaped(&table::text(&json)), json))
}

fn ask(at: &AtArgs, request: &Request, place: &str) -> Result<Value, Failure> {
    let path = at.socket()?;
    let socket = format!("--control {}", path.display());
    let exchange = || -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&path)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(|e| {
        let message = format!("no driver answers: {e}");
        Failure::io(&std::io::Error::other(message), &*socket).of_kind("no_driver")
    })?;
    match serde_json::from_slice(&answer) {
        Ok(Response::Done(json)) => Ok(json),
        Ok(Response::No(kind, message)) => Err(Failure::no(&kind, message, place)),
        Err(error) => Err(Failure::io(&error.into(), socket)),
    }
}
