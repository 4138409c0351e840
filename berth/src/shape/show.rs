//! `berth shape show`: what is on the devices of this kernel.

use super::live::{self, block_on};
use crate::answer::{Answer, Failure};
use clap::Args;
use netshape::text::printable;
use netshape::{Netns, Refusal};
use netshape_netlink::NetlinkKernel;
use serde_json::Value;
use std::fmt::Write as _;

/// Arguments of `berth shape show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Only this network namespace, once or more: its name, `host`, or `pid:4242` for a process's. Without it the host's and every
    /// one that has a name.
    #[arg(long, value_name = "NAME|host")]
    netns: Vec<String>,
}

pub(super) fn run(args: &ShowArgs) -> Result<Answer, Failure> {
    let mut wanted = Vec::new();
    for given in &args.netns {
        let netns = given.parse();
        wanted.push(netns.map_err(|e: Refusal| Failure::input(e.kind.to_string(), "--netns"))?);
    }
    if wanted.is_empty() {
        wanted.push(Netns::Host);
        wanted.extend(live::named()?);
    }
    let kernel = NetlinkKernel::new();
    let dumps = block_on(kernel.dump(&wanted))?.map_err(|e| live::failure(&e))?;
    let read = |netns: &&Netns| {
        dumps
            .iter()
            .any(|d| d.netns == **netns || d.aliases.contains(netns))
    };
    if !args.netns.is_empty()
        && let Some(gone) = wanted.iter().find(|n| !read(n))
    {
        let why = format!("{gone}: no such network namespace");
        return Err(Failure::no("not_found", why, "--netns"));
    }
    let seen = live::seen(dumps)?;
    let document = serde_json::to_value(&seen.document);
    let json = document.map_err(|e| Failure::input(e.to_string(), "show"))?;
    Ok(Answer {
        text: text(&json),
        json,
        status: 0,
    })
}

/// The document for people: devices that have something on them, one line an object.
fn text(document: &Value) -> String {
    let mut out = String::new();
    for device in list(document, "devices") {
        let lines = objects(device);
        if lines.is_empty() {
            continue;
        }
        let netns = match (device["netns"].as_str(), device["pid"].as_u64()) {
            (Some(name), _) => format!(" in {}", printable(name)),
            (None, Some(pid)) => format!(" in pid:{pid}"),
            (None, None) => String::new(),
        };
        let dev = device["dev"].as_str().unwrap_or_default();
        let _ = writeln!(out, "{}{netns} ({})", printable(dev), device["ifindex"]);
        for line in lines {
            let _ = writeln!(out, "  {line}");
        }
    }
    match out.is_empty() {
        true => "nothing on any device\n".to_owned(),
        false => out,
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The device's qdiscs, classes and filters; a kernel's own default queue is none.
fn objects(device: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for qdisc in list(device, "qdiscs")
        .iter()
        .filter(|q| q["handle"] != "none")
    {
        let at = format!(
            "qdisc {} {} at {}",
            word(qdisc, "kind"),
            word(qdisc, "handle"),
            word(qdisc, "parent")
        );
        lines.push(at + &details(qdisc, &["kind", "handle", "parent"]));
    }
    for class in list(device, "classes") {
        let at = format!(
            "class {} below {}",
            word(class, "classid"),
            word(class, "parent")
        );
        lines.push(at + &details(class, &["kind", "classid", "parent"]));
    }
    for filter in list(device, "filters") {
        let at = format!(
            "filter {} {} at {}",
            word(filter, "kind"),
            word(filter, "handle"),
            word(filter, "parent")
        );
        lines.push(at + &details(filter, &["kind", "handle", "parent"]));
    }
    lines
}

fn word(value: &Value, key: &str) -> String {
    printable(value[key].as_str().unwrap_or_default()).to_string()
}

/// The other keys with their values, as in the document.
fn details(object: &Value, said: &[&str]) -> String {
    let mut out = String::new();
    let fields = object.as_object().into_iter().flatten();
    for (key, value) in
        fields.filter(|(key, value)| !said.contains(&key.as_str()) && !value.is_null())
    {
        let _ = match value.as_str() {
            Some(text) => write!(out, " {key}={}", printable(text)),
            None => write!(out, " {key}={value}"),
        };
    }
    out
}
