//! PlanetLab days as CloudSim uses them: a directory, one file a container, one integer a line.

use super::{MAX_CONTAINERS, MAX_SAMPLES, Trace, name_of, named, sample};
use crate::error::Error;
use std::path::Path;

/// Largest file taken for a container's, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Seconds from one line to the next.
const INTERVAL: u32 = 300;

/// The service of a file named `host_slice`: its last two `_` parts with blanks trimmed, but `root` alone and
/// `rnp_dcc_ufjf` whole.
pub(super) fn service(name: &str) -> String {
    let parts: Vec<&str> = name.split('_').map(str::trim).collect();
    match parts.as_slice() {
        [.., "root"] => "root".to_owned(),
        [.., "rnp", "dcc", "ufjf"] => "rnp_dcc_ufjf".to_owned(),
        [.., a, b] => format!("{a}_{b}"),
        _ => name.trim().to_owned(),
    }
}

/// Reads every file of `dir`, in sorted order.
pub(super) fn read(dir: &Path) -> Result<Trace, Error> {
    let place = || dir.display().to_string();
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io(&e, place()))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::io(&e, place()))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let what = format!("{} is not UTF-8; want a name host_slice", name.display());
            return Err(Error::input(what, place()));
        };
        if name.starts_with('.') {
            continue;
        }
        named("the file's name", name, place)?;
        files.push((name.to_owned(), entry.path()));
        if files.len() > MAX_CONTAINERS {
            let what = format!("more than {MAX_CONTAINERS} files; want one a container");
            return Err(Error::input(what, place()));
        }
    }
    files.sort();
    let mut rows = Vec::with_capacity(files.len());
    let mut total = 0usize;
    for (name, path) in files {
        let samples = container(&path)?;
        total += samples.len();
        if total > MAX_SAMPLES {
            return Err(Error::input(
                format!("more than {MAX_SAMPLES} samples"),
                place(),
            ));
        }
        let service = service(&name);
        rows.push((name, service, samples));
    }
    Ok(Trace::build(name_of(dir), false, INTERVAL, rows))
}

/// One container's samples.
fn container(path: &Path) -> Result<Vec<f32>, Error> {
    let place = |line: usize| format!("{}:{line}", path.display());
    let io = |e: std::io::Error| Error::io(&e, path.display().to_string());
    let meta = std::fs::metadata(path).map_err(io)?;
    if !meta.is_file() {
        let what = "a directory or special file; want one file a container";
        return Err(Error::input(what, path.display().to_string()));
    }
    if meta.len() > MAX_FILE {
        let what = format!("{} bytes; want at most {MAX_FILE}", meta.len());
        return Err(Error::input(what, path.display().to_string()));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let Ok(text) = std::str::from_utf8(&bytes) else {
        let what = "not UTF-8; want one integer a line, percent of one core";
        return Err(Error::input(what, path.display().to_string()));
    };
    let mut samples = Vec::new();
    for (i, line) in text.trim_end().lines().enumerate() {
        let Ok(value) = line.trim().parse::<i64>() else {
            let shown: String = line.chars().take(40).collect();
            let what = format!("'{shown}' is no integer; want percent of one core");
            return Err(Error::input(what, place(i + 1)));
        };
        samples.push(sample(value as f64, || place(i + 1))?);
    }
    if samples.is_empty() {
        return Err(Error::input(
            "empty; want one integer a line",
            path.display().to_string(),
        ));
    }
    Ok(samples)
}
