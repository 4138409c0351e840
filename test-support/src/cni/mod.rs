//! CNI plugins as processes: one call, and recorded runs of host-local replayed against a plugin.

mod recorded;

pub use recorded::{Step, replay};

use crate::Value;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

/// What a plugin answered.
#[derive(Debug)]
pub struct Answer {
    /// Its exit status.
    pub status: Option<i32>,
    /// The documents on standard output.
    pub documents: Vec<Value>,
    /// What it said on standard error.
    pub stderr: String,
}

impl Answer {
    /// The addresses of a successful ADD.
    ///
    /// # Panics
    /// When it is another answer.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        assert_eq!(self.status, Some(0), "{self:?}");
        let ips = self.documents[0]["ips"].as_array().expect("a list");
        let text = |ip: &Value| ip["address"].as_str().expect("an address").to_owned();
        ips.iter().map(text).collect()
    }

    /// The first of them.
    ///
    /// # Panics
    /// When it is another answer.
    #[must_use]
    pub fn address(&self) -> String {
        self.addresses().remove(0)
    }

    /// That the call was done and answered with nothing.
    ///
    /// # Panics
    /// When it is another answer.
    pub fn done(&self) {
        assert_eq!(
            (self.status, &self.documents[..]),
            (Some(0), &[][..]),
            "{self:?}"
        );
    }

    /// The code of a refusal.
    ///
    /// # Panics
    /// When it is another answer.
    #[must_use]
    pub fn code(&self) -> u64 {
        assert_eq!(self.status, Some(1), "{self:?}");
        self.documents[0]["code"].as_u64().expect("a code")
    }
}

/// Starts a plugin with nothing but these variables.
///
/// # Panics
/// When there is no such plugin, or it answers with what is no JSON.
#[must_use]
pub fn start(plugin: &str, variables: &[(&str, &str)], stdin: &str) -> Child {
    let mut command = Command::new(plugin);
    command.env_clear().envs(variables.iter().copied());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the plugin starts");
    // A plugin that does not read its configuration closes the pipe.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(stdin.as_bytes());
    child
}

/// Waits for its answer.
///
/// # Panics
/// When there is no such plugin, or it answers with what is no JSON.
#[must_use]
pub fn finish(child: Child) -> Answer {
    let output = child.wait_with_output().expect("it ends");
    let documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    Answer {
        status: output.status.code(),
        documents: documents.collect::<Result<_, _>>().expect("JSON"),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The address that a process answered with before it was killed, if it did.
///
/// # Panics
/// When there is no such plugin, or it answers with what is no JSON.
#[must_use]
pub fn finish_killed(child: Child) -> Option<String> {
    let output = child.wait_with_output().expect("it ends");
    let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
    Some(answer["ips"][0]["address"].as_str()?.to_owned())
}

/// One call.
///
/// # Panics
/// When there is no such plugin, or it answers with what is no JSON.
#[must_use]
pub fn call(plugin: &str, variables: &[(&str, &str)], stdin: &str) -> Answer {
    finish(start(plugin, variables, stdin))
}
