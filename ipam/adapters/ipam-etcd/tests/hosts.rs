//! Many hosts on a cluster whose members die and stand still, while the hosts' own processes are killed: nothing is given twice, and
//! nothing is lost.

mod common;
#[path = "hosts/worker.rs"]
mod worker;

use common::{block_on, open};
use ipam::{PoolSpec, Replica};
use ipam_etcd::EtcdConfig;
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use test_support::etcd::{ETCD, Etcd, temporary_folder};
use worker::{Job, Line};

/// Hosts, and what each claims before it is done.
const HOSTS: usize = 8;
const CLAIMS: usize = 1_250;

/// A host's process: started again whenever it ended before its work was done.
struct Host {
    job: Job,
    process: Child,
}

impl Host {
    fn start(job: Job) -> Self {
        let process = spawn(&job);
        Self { job, process }
    }

    /// Its process, until it has claimed all it should.
    fn unfinished(&mut self) -> Option<&mut Child> {
        match self.process.try_wait().expect("a child") {
            None => Some(&mut self.process),
            Some(status) if status.success() => None,
            // It gave up: the cluster was away for longer than it waits.
            Some(_) => {
                self.process = spawn(&self.job);
                Some(&mut self.process)
            }
        }
    }

    fn kill(&mut self) {
        self.process.kill().expect("a child");
        self.process.wait().expect("a child");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(job: &Job) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this file"));
    job.tell(&mut command);
    command.spawn().expect("it runs")
}

fn signal(etcd: &Etcd, name: &str) {
    let Some(pid) = etcd.pid() else { return };
    let mut command = Command::new("kill");
    let status = command.args(["-s", name, &pid.to_string()]).status();
    assert!(status.expect("kill is there").success());
}

/// One member dies and comes back, the leader stands still, a host is killed: again and again until all is claimed.
fn disturb(members: &mut [Etcd], hosts: &mut [Host], rng: &mut impl Rng) -> [u32; 3] {
    let (start, mut done) = (Instant::now(), [0; 3]);
    while hosts.iter_mut().filter_map(Host::unfinished).count() > 0 {
        assert!(start.elapsed() < Duration::from_secs(600), "{done:?}");
        let pause = Duration::from_millis(rng.random_range(100..600));
        std::thread::sleep(pause);
        let kind = rng.random_range(0..8);
        match kind {
            0 => {
                let member = &mut members[rng.random_range(0..3)];
                member.kill();
                std::thread::sleep(pause);
                member.restart();
            }
            1 => {
                let leads = |m: &&Etcd| m.metric("etcd_server_is_leader") > 0.0;
                let Some(leader) = members.iter().find(leads) else {
                    continue;
                };
                signal(leader, "STOP");
                // Longer than the others wait for it (500 ms) before they elect another.
                std::thread::sleep(Duration::from_millis(1_200));
                signal(leader, "CONT");
            }
            _ => {
                let host = &mut hosts[rng.random_range(0..HOSTS)];
                if host.unfinished().is_some() {
                    host.kill();
                    host.process = spawn(&host.job);
                }
            }
        }
        done[usize::min(kind, 2)] += 1;
    }
    done
}

/// An address's holders, in the order of the store's sequence: the one before had begun to release before the next was told of it.
fn check_order(lines: &[Line]) {
    let mut of_address: BTreeMap<IpAddr, Vec<(u64, u64, &str)>> = BTreeMap::new();
    let mut releasing: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    for line in lines {
        match line {
            Line::Claimed {
                at,
                owner,
                address,
                sequence,
            } => {
                of_address
                    .entry(*address)
                    .or_default()
                    .push((*sequence, *at, owner));
            }
            Line::Releasing {
                at,
                owner,
                sequence,
            } => {
                releasing.insert((owner, *sequence), *at);
            }
            Line::Released { .. } => {}
        }
    }
    for (address, mut holders) in of_address {
        holders.sort_unstable();
        // A repeated claim is told its sequence again.
        holders.dedup_by_key(|(sequence, ..)| *sequence);
        for pair in holders.windows(2) {
            let [(sequence, _, owner), (_, at, next)] = pair else {
                continue;
            };
            let released = releasing.get(&(*owner, *sequence));
            let released =
                released.unwrap_or_else(|| panic!("{address} of {owner} was given to {next}"));
            assert!(
                released < at,
                "{address} of {owner} was given to {next} before it was released"
            );
        }
    }
}

/// What was acknowledged is what the store holds, and nothing else.
fn check_store(lines: &[Line], urls: Vec<String>) {
    let config = EtcdConfig::new(urls).timeout(Duration::from_secs(30));
    let replica = block_on(Replica::open(open(config), worker::now(), 9)).expect("opens");
    replica.ipam().check_invariants().expect("sound");
    let mut held: BTreeMap<&str, (IpAddr, u64)> = BTreeMap::new();
    let mut unsure: Vec<&str> = Vec::new();
    for line in lines {
        match line {
            Line::Claimed {
                owner,
                address,
                sequence,
                ..
            } => {
                held.insert(owner, (*address, *sequence));
            }
            Line::Releasing { owner, .. } => unsure.push(owner),
            Line::Released { owner, .. } => {
                held.remove(&**owner);
            }
        }
    }
    assert!(
        unsure.iter().all(|owner| !held.contains_key(owner)),
        "each release was carried out in the end"
    );
    for (owner, (address, sequence)) in &held {
        let claim = replica
            .ipam()
            .claim_of(owner)
            .unwrap_or_else(|| panic!("{owner} lost {address}"));
        assert!(
            claim.addresses().eq([*address]) && claim.sequence() == *sequence,
            "{owner} {address}"
        );
    }
    assert_eq!(
        replica.ipam().claim_count(),
        held.len(),
        "claims that nobody was told of"
    );
}

fn nothing_twice_and_nothing_lost_while_members_and_hosts_fail() {
    let mut members = Etcd::cluster(3, &[]);
    let urls: Vec<String> = members.iter().map(Etcd::url).collect();
    let config = EtcdConfig::new(urls.clone());
    block_on(async {
        let mut replica = Replica::open(open(config), worker::now(), 7)
            .await
            .expect("opens");
        // Blocks run out, and addresses come back.
        let spec = PoolSpec::new("p", "10.0.0.0/18".parse().expect("a prefix"));
        let spec = spec.block_size(28).quarantine(Duration::from_secs(1));
        replica
            .add_pool(worker::now(), spec, tokio::time::sleep)
            .await
            .expect("a pool");
    });
    let folder = temporary_folder();
    let mut hosts: Vec<Host> = (0..HOSTS)
        .map(|host| Host::start(Job::new(&urls, host, CLAIMS, &folder)))
        .collect();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(13);
    let [members_died, leaders_stood, hosts_died] = disturb(&mut members, &mut hosts, &mut rng);
    eprintln!(
        "{members_died} members died, {leaders_stood} leaders stood still, {hosts_died} hosts were killed"
    );
    assert!(
        hosts_died > 0 && members_died + leaders_stood > 0,
        "too quick for a fault"
    );
    let lines = read(&folder);
    let claims = lines
        .iter()
        .filter(|line| matches!(line, Line::Claimed { .. }))
        .count();
    assert!(claims >= HOSTS * CLAIMS, "{claims} claims");
    check_order(&lines);
    check_store(&lines, urls);
    std::fs::remove_dir_all(folder).expect("removed");
}

fn read(folder: &Path) -> Vec<Line> {
    (0..HOSTS)
        .flat_map(|host| Line::read_all(&Job::log_of(folder, host)))
        .collect()
}

fn main() -> std::process::ExitCode {
    // What a host's process is told by its environment.
    match Job::told() {
        Some(job) => block_on(worker::work(&job)),
        None => test_support::run(vec![test_support::Test {
            name: "nothing_twice_and_nothing_lost_while_members_and_hosts_fail",
            needs: vec![ETCD],
            run: nothing_twice_and_nothing_lost_while_members_and_hosts_fail,
        }]),
    }
}
