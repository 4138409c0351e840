//! A host in network namespaces of its own, shaped by us or by the CNI project's bandwidth plugin.

use super::super::kernel::{Outcome, block_on, run};
use netshape::kernel::{Driver, Outcome as Attempt};
use netshape::policy::{EgressPoint, default_burst};
use netshape::{Capabilities, Container, Direction, Host, Rate, Shape};
use netshape_netlink::NetlinkKernel;
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use test_support::netns::{Lab, possible};

/// Debian's bandwidth plugin.
const PLUGIN: &str = "/usr/lib/cni/bandwidth";

/// Which way, and where it is shaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Towards the container, on the host's end of its veth.
    Ingress,
    /// From the container, on its own device.
    Netns,
    /// From the container, on an ifb of the host.
    Ifb,
}

pub(super) const FORMS: [Form; 3] = [Form::Ingress, Form::Netns, Form::Ifb];

impl Form {
    /// Who sends and who receives.
    pub(super) fn ends(self) -> [&'static str; 2] {
        match self {
            Self::Ingress => ["host", "pod"],
            Self::Netns | Self::Ifb => ["pod", "host"],
        }
    }

    /// The address of the receiver.
    pub(super) fn receiver(self) -> &'static str {
        match self {
            Self::Ingress => "10.88.0.2",
            Self::Netns | Self::Ifb => "10.88.0.1",
        }
    }

    /// The address of the sender.
    fn sender(self) -> &'static str {
        match self {
            Self::Ingress => "10.88.0.1",
            Self::Netns | Self::Ifb => "10.88.0.2",
        }
    }

    fn direction(self) -> Direction {
        match self {
            Self::Ingress => Direction::Ingress,
            Self::Netns | Self::Ifb => Direction::Egress,
        }
    }
}

/// What shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Us,
    /// The bandwidth plugin, with this burst in bytes, or with what Kubernetes asks for.
    Plugin(Option<u64>),
}

/// A host and one container.
pub(super) struct Stand {
    pub(super) lab: Lab,
    pub(super) form: Form,
}

impl Stand {
    pub(super) fn new(form: Form) -> Outcome<Self> {
        possible()?;
        let lab = Lab::new("bench", &["host", "pod"]);
        let ends = [
            ("host", "v1", "10.88.0.1/24"),
            ("pod", "eth0", "10.88.0.2/24"),
        ];
        lab.link(ends);
        Ok(Self { lab, form })
    }

    /// One that is shaped already.
    pub(super) fn shaped(form: Form, rate: Rate, by: By) -> Outcome<Self> {
        let stand = Self::new(form)?;
        match by {
            By::Us => stand.shape(&mut stand.policy(rate)?)?,
            By::Plugin(burst) => stand.by_plugin(rate, burst)?,
        }
        Ok(stand)
    }

    /// Runs on a thread that is in one of the namespaces.
    pub(super) fn inside<T: Send>(
        &self,
        of: &str,
        work: impl FnOnce() -> Outcome<T> + Send,
    ) -> Outcome<T> {
        inside(&self.lab, of, work)
    }

    /// A policy of one container with this ceiling, and the default plan for it.
    pub(super) fn policy(&self, ceiling: Rate) -> Outcome<Host> {
        let text = |e: netshape::Refusal| e.to_string();
        let mut host = Host::new(None, Vec::new(), Capabilities::default()).map_err(text)?;
        let at = match self.form {
            Form::Ifb => EgressPoint::Ifb,
            Form::Ingress | Form::Netns => EgressPoint::Netns(self.lab.namespace("pod").into()),
        };
        let container = Container::new("web", "v1").and_then(|c| c.with_egress_point(at, "eth0"));
        let shape = Shape::new(Rate::ZERO, ceiling).map_err(|e| e.to_string())?;
        let container = container
            .map_err(text)?
            .with_shape(self.form.direction(), shape);
        host.insert(container).map_err(text)?;
        Ok(host)
    }

    /// Makes the kernel as it is wanted.
    pub(super) fn shape(&self, host: &mut Host) -> Outcome<()> {
        self.inside("host", || reconcile(host))
    }

    fn by_plugin(&self, rate: Rate, burst: Option<u64>) -> Outcome<()> {
        let bits = burst.map_or(2_147_483_647, |bytes| bytes.saturating_mul(8));
        let way = match self.form {
            Form::Ingress => "ingress",
            Form::Ifb => "egress",
            Form::Netns => return Err("the plugin shapes nothing in a namespace".to_owned()),
        };
        let mut bandwidth = serde_json::Map::new();
        bandwidth.insert(format!("{way}Rate"), json!(rate.bits()));
        bandwidth.insert(format!("{way}Burst"), json!(bits));
        let netns = format!("/var/run/netns/{}", self.lab.namespace("pod"));
        let interfaces = json!([{"name": "v1", "mac": "02:00:00:00:00:01"},
            {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": netns}]);
        let config = json!({
            "cniVersion": "0.4.0", "name": "net", "type": "bandwidth", "runtimeConfig": {"bandwidth": bandwidth},
            "prevResult": {"cniVersion": "0.4.0", "interfaces": interfaces,
                "ips": [{"version": "4", "address": "10.88.0.2/24", "interface": 1}], "dns": {}},
        });
        let variables = [
            ("CNI_COMMAND", "ADD"),
            ("CNI_CONTAINERID", "c1"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/usr/lib/cni"),
            ("CNI_NETNS", &*netns),
        ];
        std::fs::metadata(PLUGIN).map_err(|e| format!("{PLUGIN}: {e}"))?;
        let answer = self.inside("host", || {
            Ok(test_support::cni::call(
                PLUGIN,
                &variables,
                &config.to_string(),
            ))
        })?;
        match answer.status {
            Some(0) => Ok(()),
            _ => Err(format!("{answer:?}")),
        }
    }

    /// One run of iperf3 the way that is shaped, its first second left out; what it says. The receiver is the client, which keeps the
    /// time: told of the end by the sender, it would go on for as long as that waits in the queue, or is sent again.
    pub(super) fn iperf(&self, seconds: u32, flows: u32) -> Outcome<Value> {
        let (seconds, flows) = (seconds.to_string(), flows.to_string());
        let words = ["-t", &seconds, "-P", &flows, "-O", "1", "-R"];
        let [from, at] = self.form.ends();
        iperf(&self.lab, [at, from], self.form.sender(), 5201, &words)
    }
}

/// Runs on a thread that is in one of the namespaces.
pub(super) fn inside<T: Send>(
    lab: &Lab,
    of: &str,
    work: impl FnOnce() -> Outcome<T> + Send,
) -> Outcome<T> {
    let path = format!("/run/netns/{}", lab.namespace(of));
    let enter = || {
        let file = File::open(&path).map_err(|e| format!("{path}: {e}"))?;
        setns(file, CloneFlags::CLONE_NEWNET).map_err(|e| format!("{path}: {e}"))?;
        work()
    };
    std::thread::scope(|scope| scope.spawn(enter).join()).map_err(|_| "it panicked".to_owned())?
}

/// Makes the kernel of this thread as it is wanted.
pub(super) fn reconcile(host: &mut Host) -> Outcome<()> {
    let outcome = block_on(async {
        let mut driver = Driver::new(NetlinkKernel::new());
        driver.reconcile();
        loop {
            if let Some(outcome) = driver.run_once(host) {
                return outcome;
            }
            driver.wait(std::future::pending()).await;
        }
    })?;
    match outcome {
        Attempt::Settled(_) | Attempt::Applied { error: None, .. } => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// One run of iperf3 between two namespaces, from a client in the first to an address of the second; what it says.
pub(super) fn iperf(
    lab: &Lab,
    ends: [&str; 2],
    to: &str,
    port: u16,
    words: &[&str],
) -> Outcome<Value> {
    let [from, at] = ends;
    let port = port.to_string();
    let mut server = lab.command(at, "iperf3");
    server.args(["-s", "-p", &port]).stdout(Stdio::null());
    let mut server = server.spawn().map_err(|e| format!("iperf3: {e}"))?;
    let until = Instant::now() + Duration::from_secs(10);
    let said = loop {
        let mut client = lab.command(from, "iperf3");
        let output = client
            .args(["-c", to, "-p", &port, "-J"])
            .args(words)
            .output();
        let output = output.map_err(|e| format!("iperf3: {e}"))?;
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        // It takes a moment until the server listens.
        let refused = said["error"]
            .as_str()
            .is_some_and(|e| e.contains("refused"));
        if !refused || Instant::now() > until {
            break said;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let _ = server.kill();
    let _ = server.wait();
    match said["end"]["sum_received"]["bits_per_second"].is_f64() {
        true => Ok(said),
        false => Err(format!("iperf3: {}", said["error"])),
    }
}

/// Does the same work for several at a time, or one after another.
pub(super) fn each<A: Send + Sync, T: Send>(
    of: &[A],
    at_once: bool,
    work: impl Fn(&A) -> Outcome<T> + Sync,
) -> Outcome<Vec<T>> {
    if !at_once {
        return of.iter().map(work).collect();
    }
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = of.iter().map(|a| scope.spawn(move || work(a))).collect();
        let ended = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended
            .map(|done| done.unwrap_or_else(|_| Err("it panicked".to_owned())))
            .collect()
    })
}

/// The burst of our default plan, bytes.
pub(super) fn burst(rate: Rate) -> u64 {
    default_burst(rate).0
}

/// Whether there is an iperf3.
pub(super) fn has_iperf() -> Outcome<()> {
    run("iperf3", "--version")
}

/// Ping's average round trip in ms, of 50 packets.
pub(super) fn ping(lab: &Lab, from: &str, to: &str) -> Outcome<f64> {
    let mut command: Command = lab.command(from, "ping");
    let output = command
        .args(["-n", "-q", "-c", "50", "-i", "0.2", to])
        .output();
    let output = output.map_err(|e| format!("ping: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // rtt min/avg/max/mdev = 0.031/0.041/0.062/0.009 ms
    let average = said.rsplit(" = ").next().and_then(|r| r.split('/').nth(1));
    let average = average.and_then(|text| text.parse().ok());
    average.ok_or_else(|| format!("ping: {said}"))
}
