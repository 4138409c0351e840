//! Load traces: what each container asked of its CPU, in percent of one core, at a fixed interval.

mod berth;
mod generate;
mod planetlab;

pub use generate::generate;

use crate::error::Error;
use std::collections::BTreeMap;
use std::path::Path;

/// Most containers a trace may hold.
pub const MAX_CONTAINERS: usize = 100_000;
/// Most samples that all containers of a trace may hold together (1 GiB as 32-bit floats).
pub const MAX_SAMPLES: usize = 1 << 28;
/// Longest name of a container or service, in bytes.
pub const MAX_NAME: usize = 120;
/// Largest sample, in percent of one core (64 cores).
pub const MAX_PERCENT: f32 = 6_400.0;

/// One container of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Its name, unique in the trace.
    pub name: String,
    /// The service that it is a replica of: an index into [`Trace::services`].
    pub service: usize,
    /// CPU demand in percent of one core, one value an interval.
    pub samples: Vec<f32>,
}

impl Container {
    /// Its own cores: as many whole ones as its largest sample needs, at least one.
    #[must_use]
    pub fn cores(&self) -> f32 {
        let largest = self.samples.iter().copied().fold(0.0, f32::max);
        (largest * 0.01).ceil().max(1.0)
    }
}

/// A load trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Name shown to people.
    pub name: String,
    /// Whether it was made by the generator and not measured.
    pub generated: bool,
    /// Seconds from one sample to the next.
    pub interval: u32,
    /// The service names, sorted.
    pub services: Vec<String>,
    /// The containers, in the order of the trace.
    pub containers: Vec<Container>,
}

/// How a trace is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// A directory of files named `host_slice`, one integer percentage a line, each 300 s.
    #[default]
    Planetlab,
    /// Our own JSON lines.
    Berth,
}

impl Trace {
    /// Puts a trace together from `(container, service name, samples)` rows; shorter containers repeat
    /// their last sample.
    fn build(
        name: String,
        generated: bool,
        interval: u32,
        rows: Vec<(String, String, Vec<f32>)>,
    ) -> Self {
        let mut index: BTreeMap<&str, usize> = rows.iter().map(|r| (r.1.as_str(), 0)).collect();
        for (i, slot) in index.values_mut().enumerate() {
            *slot = i;
        }
        let services = index.keys().map(|&s| s.to_owned()).collect();
        let of: Vec<usize> = rows.iter().map(|r| index[r.1.as_str()]).collect();
        let longest = rows.iter().map(|r| r.2.len()).max().unwrap_or(0);
        let containers = rows
            .into_iter()
            .zip(of)
            .map(|((name, _, mut samples), service)| {
                let last = samples.last().copied().unwrap_or(0.0);
                samples.resize(longest, last);
                Container {
                    name,
                    service,
                    samples,
                }
            })
            .collect();
        Self {
            name,
            generated,
            interval,
            services,
            containers,
        }
    }

    /// Seconds that the trace spans: samples times interval.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        let samples = self.containers.first().map_or(0, |c| c.samples.len());
        samples as u64 * u64::from(self.interval)
    }

    /// Mean over containers and time of the demand, in percent of one core.
    #[must_use]
    pub fn mean_percent(&self) -> f64 {
        self.moments().0
    }

    /// Mean and standard deviation of all samples, in percent of one core.
    #[must_use]
    pub fn moments(&self) -> (f64, f64) {
        let all = || {
            self.containers
                .iter()
                .flat_map(|c| &c.samples)
                .map(|&x| f64::from(x))
        };
        let n = all().count().max(1) as f64;
        let mean = all().sum::<f64>() / n;
        let variance = all().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
        (mean, variance.sqrt())
    }
}

/// Reads the trace at `path`.
///
/// # Errors
/// When it can't be read, or isn't what `format` says; the failure names the file and the line.
pub fn read(path: &Path, format: Format) -> Result<Trace, Error> {
    let trace = match format {
        Format::Planetlab => planetlab::read(path)?,
        Format::Berth => berth::read(path)?,
    };
    if trace.containers.is_empty() || trace.seconds() == 0 {
        let what = "no container with a sample in it; want at least one";
        return Err(Error::input(what, path.display().to_string()));
    }
    Ok(trace)
}

/// A name for people: the path's last part.
fn name_of(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    full.file_name()
        .map_or_else(|| "trace".to_owned(), |n| n.to_string_lossy().into_owned())
}

/// Checks a name: a container's and its service's together must fit the 253 bytes of an address's workload.
fn named(what: &str, name: &str, place: impl Fn() -> String) -> Result<(), Error> {
    let plain = !name.is_empty() && !name.chars().any(char::is_control);
    if plain && name.len() <= MAX_NAME {
        return Ok(());
    }
    let what = format!("{what} is no name; want 1 to {MAX_NAME} bytes, no control characters");
    Err(Error::input(what, place()))
}

/// Checks one sample.
fn sample(value: f64, place: impl Fn() -> String) -> Result<f32, Error> {
    if value.is_finite() && (0.0..=f64::from(MAX_PERCENT)).contains(&value) {
        return Ok(value as f32);
    }
    let what = format!("{value} is no CPU load; want 0 to {MAX_PERCENT} percent of one core");
    Err(Error::input(what, place()))
}

#[cfg(test)]
mod tests;
