//! nginx: a file of upstreams, and a reload.

use crate::assignment::{Assignment, Assignments, Member};
use crate::file::replace;
use crate::sink::{Proxy, ProxyError, Synced};
use async_trait::async_trait;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::Instant;

/// Between two reloads: each leaves workers behind until their connections end. For weights alone, and for anything else.
const WEIGHTS: Duration = Duration::from_secs(1);
const ELSE: Duration = Duration::from_millis(200);
/// A server where nobody listens: nginx refuses an upstream without any.
const NOBODY: &str = "server 127.0.0.1:9 down;";

/// Writes a file that nginx's configuration includes in its `http` block, and reloads nginx.
#[derive(Debug)]
pub struct NginxFile {
    path: PathBuf,
    reload: Vec<String>,
    reloaded: Option<Instant>,
    /// The servers at the last reload without their weights, once it succeeded.
    effective: Option<String>,
    pending: bool,
}

impl NginxFile {
    /// At this path, which is replaced by rename. `reload` is a program and its arguments (`nginx -s reload`), called by no shell; none
    /// leaves reloading to others.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, reload: Vec<String>) -> Self {
        Self {
            path: path.into(),
            reload,
            reloaded: None,
            effective: None,
            // What nginx runs with at first is not known.
            pending: true,
        }
    }

    async fn reload(&mut self) -> Result<(), ProxyError> {
        let Some((program, arguments)) = self.reload.split_first() else {
            return Ok(());
        };
        self.reloaded = Some(Instant::now());
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        let output = command.kill_on_drop(true).output().await;
        let output = output.map_err(|e| ProxyError(format!("{program}: {e}")))?;
        match output.status.success() {
            true => Ok(()),
            false => {
                let said = String::from_utf8_lossy(&output.stderr);
                let text = format!("{program}: {}: {}", output.status, said.trim());
                Err(ProxyError(text))
            }
        }
    }
}

#[async_trait]
impl Proxy for NginxFile {
    fn name(&self) -> String {
        format!("nginx-file {}", self.path.display())
    }

    async fn sync(&mut self, wanted: &Assignments) -> Result<Synced, ProxyError> {
        let (text, bad) = upstreams(wanted);
        let changed = replace(&self.path, &text).await?;
        self.pending |= changed;
        let shape = shape(&text);
        if self.pending {
            let gap = match self.effective.as_ref() == Some(&shape) {
                true => WEIGHTS,
                false => ELSE,
            };
            let left = gap.saturating_sub(self.reloaded.map_or(gap, |at| at.elapsed()));
            if !left.is_zero() {
                return Ok(Synced::Later(left));
            }
            self.reload().await?;
            (self.pending, self.effective) = (false, Some(shape));
        }
        match bad {
            None => Ok(Synced::Done {
                changes: usize::from(changed),
            }),
            Some(name) => Err(ProxyError(format!(
                "{name:?} cannot name an upstream: letters, digits, `_`, `.` and `-`"
            ))),
        }
    }
}

/// The text without weights.
fn shape(text: &str) -> String {
    let words = text.split(' ').filter(|word| !word.starts_with("weight="));
    words.collect::<Vec<_>>().join(" ")
}

/// An `upstream` of each service, and the first service whose name cannot be one's: it is left out. Weights are divided by their
/// greatest common divisor; an endpoint without weight is `down`.
#[must_use]
pub fn upstreams(services: &Assignments) -> (String, Option<&str>) {
    let (mut text, mut bad) = (String::from("# Written by berth; edits are lost.\n"), None);
    for (name, assignment) in services.iter() {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        match !name.is_empty() && name.chars().all(fits) {
            true => upstream(&mut text, name, assignment),
            false => bad = bad.or(Some(name)),
        }
    }
    (text, bad)
}

fn upstream(text: &mut String, name: &str, assignment: &Assignment) {
    let divisor = assignment.members.iter().map(|m| m.weight).fold(0, gcd);
    // Writing to a string does not fail.
    let _ = writeln!(text, "upstream {name} {{");
    for member in &assignment.members {
        let _ = writeln!(text, "    {}", server(member, divisor));
    }
    if assignment.members.is_empty() {
        let _ = writeln!(text, "    {NOBODY}");
    }
    text.push_str("}\n");
}

fn server(member: &Member, divisor: u32) -> String {
    match member.weight.checked_div(divisor) {
        Some(weight) if weight > 0 => format!("server {} weight={weight};", member.address),
        _ => format!("server {} down;", member.address),
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        _ => gcd(b, a % b),
    }
}
