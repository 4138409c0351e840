//! One host's process: claims and releases, and writes down what it was told before it goes on.

use crate::common::open;
use ipam::store::HostReplica;
use ipam::{Request, Timestamp};
use ipam_etcd::{EtcdConfig, EtcdStore};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a host's process is told.
pub(crate) struct Job {
    urls: String,
    host: usize,
    claims: usize,
    log: PathBuf,
}

const VARIABLES: [&str; 4] = ["TEST_ETCD_URLS", "TEST_HOST", "TEST_CLAIMS", "TEST_LOG"];

impl Job {
    pub(crate) fn new(urls: &[String], host: usize, claims: usize, folder: &Path) -> Self {
        let (urls, log) = (urls.join(","), Self::log_of(folder, host));
        Self {
            urls,
            host,
            claims,
            log,
        }
    }

    pub(crate) fn log_of(folder: &Path, host: usize) -> PathBuf {
        folder.join(format!("host-{host}"))
    }

    pub(crate) fn tell(&self, command: &mut Command) {
        let values = [
            self.urls.clone(),
            self.host.to_string(),
            self.claims.to_string(),
            self.log.display().to_string(),
        ];
        command.envs(VARIABLES.into_iter().zip(values));
    }

    /// What this process was told; nothing if it is not a host's.
    pub(crate) fn told() -> Option<Self> {
        let values: Vec<String> = VARIABLES
            .iter()
            .map_while(|name| std::env::var(name).ok())
            .collect();
        let [urls, host, claims, log] = &*values else {
            return None;
        };
        Some(Self {
            urls: urls.clone(),
            host: host.parse().expect("a number"),
            claims: claims.parse().expect("a number"),
            log: log.into(),
        })
    }
}

/// What a host wrote down, with the time on the machine's clock in nanoseconds.
#[derive(Debug)]
pub(crate) enum Line {
    Claimed {
        at: u64,
        owner: String,
        address: IpAddr,
        sequence: u64,
    },
    /// Written before the store is asked to.
    Releasing {
        at: u64,
        owner: String,
        sequence: u64,
    },
    Released {
        owner: String,
    },
}

impl Line {
    /// All lines of a log. The last one may have been cut off.
    pub(crate) fn read_all(path: &Path) -> Vec<Self> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let whole = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        whole
            .map(|line| Self::parse(line.trim_end()).unwrap_or_else(|| panic!("{line}")))
            .collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        Some(match &*words {
            ["claimed", at, owner, address, sequence] => Self::Claimed {
                at: at.parse().ok()?,
                owner: (*owner).to_owned(),
                address: address.parse().ok()?,
                sequence: sequence.parse().ok()?,
            },
            ["releasing", at, owner, sequence] => Self::Releasing {
                at: at.parse().ok()?,
                owner: (*owner).to_owned(),
                sequence: sequence.parse().ok()?,
            },
            ["released", owner] => Self::Released {
                owner: (*owner).to_owned(),
            },
            _ => return None,
        })
    }
}

/// The machine's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::ZERO.after(since.expect("after 1970"))
}

/// Every fourth owner's address is given back at once.
fn leaves(number: usize) -> bool {
    number % 4 == 3
}

struct Worker<'j> {
    job: &'j Job,
    addresses: HostReplica<EtcdStore>,
    log: std::fs::File,
}

/// Claims until the host has what it should; what an earlier process of the host's began is ended first.
pub(crate) async fn work(job: &Job) -> ExitCode {
    let config = EtcdConfig::new(job.urls.split(',').map(str::to_owned))
        .timeout(Duration::from_secs(15))
        .attempt_timeout(Duration::from_millis(700));
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&job.log)
        .expect("a log");
    let seed = u64::from(std::process::id());
    let mut worker = Worker {
        job,
        addresses: HostReplica::new(open(config), &format!("host-{}", job.host), seed),
        log,
    };
    // A line that the end of the process cut off would swallow the next one.
    worker.mend_log();
    let lines = Line::read_all(&job.log);
    let claimed = lines
        .iter()
        .filter(|line| matches!(line, Line::Claimed { .. }))
        .count();
    let mut unreleased = None;
    for line in lines {
        match line {
            Line::Claimed {
                owner, sequence, ..
            }
            | Line::Releasing {
                owner, sequence, ..
            } => {
                unreleased = Some((owner, sequence));
            }
            Line::Released { .. } => unreleased = None,
        }
    }
    if let Some((owner, sequence)) = unreleased.filter(|_| leaves(claimed - 1)) {
        worker.release(&owner, sequence).await;
    }
    for number in claimed..job.claims {
        let owner = format!("host-{}-container-{number}/eth0", job.host);
        let sequence = worker.claim(&owner).await;
        if leaves(number) {
            worker.release(&owner, sequence).await;
        }
    }
    ExitCode::SUCCESS
}

impl Worker<'_> {
    fn write(&mut self, line: &str) {
        self.log.write_all(line.as_bytes()).expect("written");
    }

    fn mend_log(&self) {
        let text = std::fs::read_to_string(&self.job.log).expect("a log");
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        self.log.set_len(whole as u64).expect("cut");
    }

    /// Claims for an owner until the store answers: what became of an attempt without an answer, the next one tells.
    async fn claim(&mut self, owner: &str) -> u64 {
        let mut last = String::new();
        for _ in 0..100 {
            let request = Request::new(owner);
            match self
                .addresses
                .claim(now(), &request, tokio::time::sleep)
                .await
            {
                Ok(grant) => {
                    let address = grant.address().expect("an address");
                    let (at, sequence) = (now().as_nanos(), grant.sequence);
                    self.write(&format!("claimed {at} {owner} {address} {sequence}\n"));
                    return sequence;
                }
                Err(error) => last = error.to_string(),
            }
        }
        panic!("{owner} was not claimed: {last}");
    }

    async fn release(&mut self, owner: &str, sequence: u64) {
        self.write(&format!(
            "releasing {} {owner} {sequence}\n",
            now().as_nanos()
        ));
        let mut last = String::new();
        for _ in 0..100 {
            match self
                .addresses
                .release(now(), owner, sequence, tokio::time::sleep)
                .await
            {
                // It was, by an attempt whose answer was lost.
                Ok(()) | Err(ipam::store::TransactError::Refused(_)) => {
                    self.write(&format!("released {owner}\n"));
                    return;
                }
                Err(error) => last = error.to_string(),
            }
        }
        panic!("{owner} was not released: {last}");
    }
}
