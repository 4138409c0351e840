//! `berth-cni`: a CNI IPAM plugin that takes host-local's configuration. The crate `ipam-cni` says what it does; here are
//! the process's streams, the clock and the store.
#![forbid(unsafe_code)]

mod namespace;
mod opened;

/// musl's own would be a fifth of an ADD's cost.
#[cfg(target_env = "musl")]
#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

use ipam::Timestamp;
use ipam_cni::{Call, Code, Config, Dns, Environment, Refusal, Reserved, result, usage, versions};
use opened::Opened;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest configuration that is read, in bytes.
const LONGEST: u64 = 4 << 20;

/// What goes to standard output.
type Answer = Result<Option<Value>, Refusal>;

fn main() -> ExitCode {
    let environment =
        Environment::read(|name| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned()));
    let (version, answer) = answer(&environment);
    match answer {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(json)) => print(&json, ExitCode::SUCCESS),
        Err(refusal) => print(&refusal.to_json(version.as_deref()), ExitCode::FAILURE),
    }
}

/// Prints the one document; who can't be answered finds out by the status.
fn print(json: &Value, status: ExitCode) -> ExitCode {
    // In one piece: written line by line it would wake the runtime for each.
    let text = format!("{json:#}\n");
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => status,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The configuration's version, once it is known, and the answer.
fn answer(environment: &Environment) -> (Option<String>, Answer) {
    let mut stdin = Vec::new();
    // VERSION and a call by hand have no configuration.
    if !matches!(&*environment.command, "" | "VERSION") {
        let read = std::io::stdin()
            .lock()
            .take(LONGEST + 1)
            .read_to_end(&mut stdin);
        if let Err(error) = read {
            let refusal = Refusal::new(Code::Io, format!("error reading from stdin: {error}"));
            return (None, Err(refusal));
        }
        if stdin.len() as u64 > LONGEST {
            let refusal = Refusal::new(Code::Decode, "the network config is too long");
            return (
                None,
                Err(refusal.details(format!("{LONGEST} bytes are read"))),
            );
        }
    }
    let call = match Call::read(environment, &stdin) {
        Ok(call) => call,
        Err(refusal) => return (None, Err(refusal)),
    };
    match &call {
        Call::Usage => {
            eprint!("{}", usage());
            (None, Ok(None))
        }
        Call::Version => (None, Ok(Some(versions()))),
        Call::Add(config) => with_version(config, add(environment, config)),
        Call::Delete(config) => with_version(config, delete(environment, config)),
        Call::Check(config) => with_version(config, check(config)),
        Call::Collect(config) => with_version(config, collect(config)),
        Call::Status(config) => with_version(config, status(config)),
        _ => (
            None,
            Err(Refusal::new(
                Code::InvalidEnvironment,
                "unknown CNI_COMMAND",
            )),
        ),
    }
}

fn with_version(config: &Config, answer: Answer) -> (Option<String>, Answer) {
    (Some(config.version().name().to_owned()), answer)
}

fn add(environment: &Environment, config: &Config) -> Answer {
    // What can be refused is refused before anything is claimed.
    namespace::check(environment)?;
    let dns = match config.resolv_conf() {
        None => Dns::default(),
        Some(path) => Dns::parse(&resolv_conf(path)?),
    };
    let mut opened = Opened::new(config)?;
    let (now, reserved) = (opened.now(), opened.reserved(config));
    let addresses =
        opened.run(async |allocator| allocator.add(now, config, &reserved, pause).await)?;
    Ok(Some(result(config, &addresses, &dns)))
}

/// The text of a file of name servers; why there is none, in host-local's words.
fn resolv_conf(path: &str) -> Result<String, Refusal> {
    let failed = |doing: &str, error: &std::io::Error| {
        let why = error.to_string();
        let why = why.split(" (os error").next().unwrap_or_default();
        let why = why.to_lowercase();
        Refusal::new(Code::Io, format!("{doing} {path}: {why}"))
    };
    let file = std::fs::File::open(path).map_err(|e| failed("open", &e))?;
    let mut bytes = Vec::new();
    let read = file.take(LONGEST).read_to_end(&mut bytes);
    read.map_err(|e| failed("read", &e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn delete(environment: &Environment, config: &Config) -> Answer {
    if Opened::is_there(config)? {
        let mut opened = Opened::new(config)?;
        let (now, reserved) = (opened.now(), opened.reserved(config));
        opened.run(async |allocator| allocator.delete(now, config, &reserved, pause).await)?;
    }
    // What was held is released, whatever the namespace is.
    namespace::check(environment).map(|()| None)
}

fn check(config: &Config) -> Answer {
    let mut opened = match Opened::is_there(config)? {
        true => Opened::new(config)?,
        false => Opened::empty(),
    };
    let (now, reserved) = (opened.now(), opened.reserved(config));
    opened.run(async |allocator| allocator.check(now, config, &reserved, pause).await)?;
    Ok(None)
}

fn collect(config: &Config) -> Answer {
    if Opened::is_there(config)? {
        let mut opened = Opened::new(config)?;
        let (now, reserved) = (opened.now(), opened.reserved(config));
        opened.run(async |allocator| allocator.collect(now, config, &reserved, pause).await)?;
    }
    Ok(None)
}

fn status(config: &Config) -> Answer {
    let unavailable = |refusal: Refusal| {
        let message = refusal.message.clone();
        Refusal::new(Code::NotAvailable, message).details(refusal.details)
    };
    let mut opened = Opened::new(config).map_err(unavailable)?;
    let (now, reserved) = (opened.now(), opened.reserved(config));
    opened.run(async |allocator| allocator.status(now, config, &reserved).await)?;
    Ok(None)
}

fn pause(pause: std::time::Duration) -> std::future::Ready<()> {
    std::thread::sleep(pause);
    std::future::ready(())
}

/// Since the Unix epoch: what is stored outlives the process.
fn clock() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::ZERO.after(since)
}

/// What host-local gave on this host, where that is to be taken over.
pub(crate) type ReadReserved = Box<dyn Fn() -> Result<Reserved, Refusal>>;
