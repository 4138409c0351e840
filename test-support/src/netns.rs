//! Network namespaces of the kernel's for the length of a test: hosts, links between them, programs in them.

use crate::Need;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What these tests need: root, iproute2, nsenter and ping.
pub const NAMESPACES: Need = Need::Other("network-namespaces", possible);

/// Whether namespaces can be made here.
///
/// # Errors
/// Why not.
pub fn possible() -> Result<(), String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let probe = format!("berth-probe-{}-{count}", std::process::id());
    for (program, argument, package) in [
        ("ping", "-V", "iputils-ping"),
        ("nsenter", "--version", "util-linux"),
        ("ip", "-V", "iproute2"),
    ] {
        let output = Command::new(program).arg(argument).output();
        output.map_err(|e| format!("no {program} ({e}): apt-get install {package}"))?;
    }
    let made = Command::new("ip").args(["netns", "add", &probe]).output();
    let made = made.map_err(|e| format!("no ip ({e})"))?;
    let _ = Command::new("ip").args(["netns", "del", &probe]).output();
    match made.status.success() {
        true => Ok(()),
        false => Err(format!(
            "no namespace can be made: {}",
            String::from_utf8_lossy(&made.stderr)
        )),
    }
}

/// Namespaces and a folder, which go when this does.
#[derive(Debug)]
pub struct Lab {
    name: String,
    folder: PathBuf,
    namespaces: Mutex<Vec<String>>,
}

impl Lab {
    /// With these namespaces, each with its loopback up and forwarding on.
    ///
    /// # Panics
    /// When they cannot be made.
    #[must_use]
    pub fn new(name: &str, namespaces: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(format!("berth-lab-{name}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let lab = Self {
            name,
            folder,
            namespaces: Mutex::default(),
        };
        namespaces.iter().for_each(|of| lab.add(of));
        lab
    }

    /// One more namespace.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn add(&self, of: &str) {
        let own = self.namespace(of);
        ip(&format!("netns add {own}"));
        self.all().push(own);
        self.ip(of, "link set lo up");
        for switch in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
            let path = format!("/proc/sys/{switch}");
            let done = self.fed(of, "tee", &[&path], "1");
            assert!(done.status.success(), "{path}: {done:?}");
        }
    }

    /// Removes a namespace, and whatever links end there.
    pub fn remove(&self, of: &str) {
        let own = self.namespace(of);
        self.all().retain(|name| *name != own);
        let _ = Command::new("ip").args(["netns", "del", &own]).output();
    }

    fn all(&self) -> MutexGuard<'_, Vec<String>> {
        self.namespaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The namespace's name.
    #[must_use]
    pub fn namespace(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    /// A folder of the test's own.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program in a namespace, not started yet.
    #[must_use]
    pub fn command(&self, of: &str, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.namespace(of)));
        command.arg(program);
        command
    }

    /// A program in a namespace, run to its end with this on standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn fed(&self, of: &str, program: &str, arguments: &[&str], stdin: &str) -> Output {
        let mut command = self.command(of, program);
        command.args(arguments).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("nsenter starts");
        // A program that does not read what it is fed closes the pipe.
        let fed = child
            .stdin
            .take()
            .map(|mut s| s.write_all(stdin.as_bytes()));
        drop(fed);
        child.wait_with_output().expect("it ends")
    }

    /// `ip` in a namespace, with arguments by spaces; what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn ip(&self, of: &str, arguments: &str) -> String {
        ip(&format!("-n {} {arguments}", self.namespace(of)))
    }

    /// A veth pair between two namespaces: a device and an address with its length at each end.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn link(&self, ends: [(&str, &str, &str); 2]) {
        let [(a, a_dev, a_address), (b, b_dev, b_address)] = ends;
        let other = self.namespace(b);
        self.ip(
            a,
            &format!("link add name {a_dev} type veth peer name {b_dev} netns {other}"),
        );
        for (of, device, address) in [(a, a_dev, a_address), (b, b_dev, b_address)] {
            if !address.is_empty() {
                self.ip(of, &format!("addr add {address} dev {device}"));
            }
            self.ip(of, &format!("link set dev {device} up"));
        }
    }

    /// A container's namespace with a link of its own to the host's, as the plugin `ptp` makes it: the host has a route to the
    /// address alone, the container a default route.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn pod(&self, host: &str, pod: &str, address: &str) {
        self.add(pod);
        let device = format!("v-{pod}");
        let address = format!("{address}/32");
        self.link([(host, &device, "169.254.1.1/32"), (pod, "eth0", &address)]);
        self.ip(
            host,
            &format!("route add {address} dev {device} scope link"),
        );
        self.ip(pod, "route add 169.254.1.1 dev eth0 scope link");
        self.ip(pod, "route add default via 169.254.1.1 dev eth0");
    }

    /// How many of some packets to an address are answered, sent one after another 20 ms apart.
    ///
    /// # Panics
    /// When ping cannot be run.
    #[must_use]
    pub fn answered(&self, from: &str, address: &str, packets: u32) -> u32 {
        let count = packets.to_string();
        let arguments = ["-n", "-q", "-i", "0.02", "-W", "1", "-c", &*count, address];
        let output = self.fed(from, "ping", &arguments, "");
        let text = String::from_utf8_lossy(&output.stdout);
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = words
            .windows(2)
            .find(|pair| pair[1].starts_with("received"));
        number.map_or(0, |pair| pair[0].parse().expect("a number"))
    }

    /// Whether an address is reached, now or within the time in which things settle.
    #[must_use]
    pub fn reaches(&self, from: &str, address: &str) -> bool {
        settles(|| self.answered(from, address, 1) == 1)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for own in self.all().iter() {
            let _ = Command::new("ip").args(["netns", "del", own]).output();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// How long anything may take to come about before a test fails. Nothing waits that long where all is well.
const SETTLE: Duration = Duration::from_secs(60);

/// Whether something comes about, looked at again and again.
#[must_use]
pub fn settles(mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + SETTLE;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// `ip` with arguments by spaces.
fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("ip");
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
