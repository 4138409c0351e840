//! Our own trace format: JSON lines.
//!
//! The first line is the head, each further one a container:
//!
//! ```json
//! {"berth_trace": 1, "name": "tuesday", "interval_seconds": 60}
//! {"container": "web-0", "service": "web", "cpu_percent": [12, 13.5, 80]}
//! ```
//!
//! `cpu_percent` is percent of one core (250 is two and a half cores), one value an interval; containers may
//! differ in length, shorter ones repeat their last value. Unknown keys and blank lines are passed over.

use super::{MAX_CONTAINERS, MAX_SAMPLES, Trace, name_of, named, sample};
use crate::error::Error;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// Longest line, in bytes.
const MAX_LINE: u64 = 16 << 20;
/// Longest interval, in seconds (a day).
const MAX_INTERVAL: u32 = 86_400;

#[derive(Deserialize)]
struct Head {
    berth_trace: u32,
    name: Option<String>,
    interval_seconds: u32,
}

#[derive(Deserialize)]
struct Row {
    container: String,
    service: String,
    cpu_percent: Vec<f64>,
}

/// Reads the file at `path`.
pub(super) fn read(path: &Path) -> Result<Trace, Error> {
    let io = |e: std::io::Error| Error::io(&e, path.display().to_string());
    let mut reader = BufReader::new(File::open(path).map_err(io)?);
    let mut head: Option<Head> = None;
    let mut rows = Vec::new();
    let mut names = BTreeSet::new();
    let mut total = 0usize;
    let mut line = Vec::new();
    for number in 1usize.. {
        let place = || format!("{}:{number}", path.display());
        line.clear();
        let read = reader
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .map_err(io)?;
        if read == 0 {
            break;
        }
        if read as u64 == MAX_LINE {
            return Err(Error::input(format!("line over {MAX_LINE} bytes"), place()));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if head.is_none() {
            head = Some(first(&line, place)?);
            continue;
        }
        let row: Row = serde_json::from_slice(&line).map_err(|e| {
            let what = format!("{e}; want {{\"container\", \"service\", \"cpu_percent\": [...]}}");
            Error::input(what, place())
        })?;
        for (key, name) in [("container", &row.container), ("service", &row.service)] {
            named(key, name, place)?;
        }
        if !names.insert(row.container.clone()) {
            let what = format!(
                "container '{}' stands twice; names are unique",
                row.container
            );
            return Err(Error::input(what, place()));
        }
        if row.cpu_percent.is_empty() {
            return Err(Error::input(
                "cpu_percent is empty; want one value an interval",
                place(),
            ));
        }
        total += row.cpu_percent.len();
        if rows.len() == MAX_CONTAINERS || total > MAX_SAMPLES {
            let what = format!("over {MAX_CONTAINERS} containers or {MAX_SAMPLES} samples");
            return Err(Error::input(what, place()));
        }
        let samples = row
            .cpu_percent
            .iter()
            .map(|&v| sample(v, place))
            .collect::<Result<_, _>>()?;
        rows.push((row.container, row.service, samples));
    }
    let Some(head) = head else {
        let what = "empty; want a first line {\"berth_trace\": 1, \"interval_seconds\": 300}";
        return Err(Error::input(what, path.display().to_string()));
    };
    let name = head.name.unwrap_or_else(|| name_of(path));
    Ok(Trace::build(name, false, head.interval_seconds, rows))
}

/// The head line.
fn first(line: &[u8], place: impl Fn() -> String) -> Result<Head, Error> {
    let head: Head = serde_json::from_slice(line).map_err(|e| {
        let what = format!("{e}; want {{\"berth_trace\": 1, \"interval_seconds\": 300}} first");
        Error::input(what, place())
    })?;
    if head.berth_trace != 1 {
        let what = format!("berth_trace {}; this reads version 1", head.berth_trace);
        return Err(Error::input(what, place()));
    }
    if !(1..=MAX_INTERVAL).contains(&head.interval_seconds) {
        let given = head.interval_seconds;
        let what = format!("interval_seconds {given}; want 1 to {MAX_INTERVAL}");
        return Err(Error::input(what, place()));
    }
    Ok(head)
}
