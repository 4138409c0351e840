//! Network namespaces with pairs of devices between them.

use netshape::kernel::{Driver, Outcome};
use netshape::policy::EgressPoint;
use netshape::{Capabilities, Container, Direction, Host, Netns, Rate, Shape, Tier, Uplink};
use netshape_netlink::{Error, NetlinkKernel};
use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Whether namespaces can be made here.
pub(crate) fn possible() -> Result<(), String> {
    let name = format!("berth-try-{}", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output();
    let made = made.map_err(|e| format!("no `ip` (iproute2): {e}"))?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr);
        return Err(format!("network namespaces can't be made: {}", said.trim()));
    }
    run("ip", &["netns", "del", &name]);
    Ok(())
}

/// Runs a command, which must succeed; what it printed.
pub(crate) fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An emulated host and the namespaces of its containers. They go when it does.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) host: String,
    pods: Vec<String>,
}

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let host = format!("ntsh{}-{number}", std::process::id());
        run("ip", &["netns", "add", &host]);
        let place = Self {
            host,
            pods: Vec::new(),
        };
        place.ip("link add up0 type veth peer name up1");
        place
    }

    /// A container's namespace with `eth0`, whose other end is `veth` on the host. Its name.
    pub(crate) fn pod(&mut self, veth: &str) -> String {
        let pod = format!("{}-{veth}", self.host);
        run("ip", &["netns", "add", &pod]);
        self.ip(&format!(
            "link add {veth} type veth peer name eth0 netns {pod}"
        ));
        self.pods.push(pod.clone());
        pod
    }

    /// `ip` on the host.
    pub(crate) fn ip(&self, words: &str) -> String {
        let args = ["-n", &self.host]
            .into_iter()
            .chain(words.split_whitespace());
        run("ip", &args.collect::<Vec<_>>())
    }

    /// `tc` on the host.
    pub(crate) fn tc(&self, words: &str) -> String {
        tc(&self.host, words)
    }

    /// Runs on a thread that is on this host, as a program of its own would be.
    pub(crate) fn on_host<T: Send>(&self, work: impl AsyncFnOnce(NetlinkKernel) -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.host);
        let work = || {
            let file = File::open(&path).unwrap();
            nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(work(NetlinkKernel::new()))
        };
        std::thread::scope(|scope| scope.spawn(work).join()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for name in self.pods.iter().chain([&self.host]) {
            // One may have been removed by its test.
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// `tc` in a namespace.
pub(crate) fn tc(netns: &str, words: &str) -> String {
    let args = ["-n", netns].into_iter().chain(words.split_whitespace());
    run("tc", &args.collect::<Vec<_>>())
}

/// A policy with an uplink and no containers.
pub(crate) fn host() -> Host {
    let uplink = Uplink::new("up0", Rate::gbit(1), Rate::mbit(10)).unwrap();
    Host::new(
        Some(uplink),
        vec![Tier::new("gold", 4).unwrap()],
        Capabilities::default(),
    )
    .unwrap()
}

/// A container that is shaped in both directions.
pub(crate) fn container(id: &str, veth: &str, at: EgressPoint, ceiling: Rate) -> Container {
    let shape = Shape::new(Rate::mbit(1), ceiling).unwrap();
    let container = Container::new(id, veth).unwrap().with_tier("gold");
    let container = container.with_egress_point(at, "eth0").unwrap();
    let container = container.with_shape(Direction::Ingress, shape);
    let number = u8::try_from(veth.len()).unwrap();
    let last = *veth.as_bytes().last().unwrap();
    let addresses = [
        [10, 0, number, last].into(),
        std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last.into()).into(),
    ];
    let container = container.with_addresses(addresses).unwrap();
    container.with_shape(Direction::Egress, shape)
}

/// Drives one attempt to its end.
pub(crate) async fn attempt(kernel: NetlinkKernel, host: &mut Host) -> Outcome<Error> {
    let mut driver = Driver::new(kernel);
    driver.reconcile();
    loop {
        if let Some(outcome) = driver.run_once(host) {
            return outcome;
        }
        driver.wait(std::future::pending()).await;
    }
}

/// The namespaces of a host's devices, as the driver asks for them.
pub(crate) fn namespaces(host: &Host) -> Vec<Netns> {
    let names = host.device_names().into_iter().map(|name| name.netns);
    let mut all: Vec<Netns> = names.chain([Netns::Host]).collect();
    all.sort_unstable();
    all.dedup();
    all
}
