//! A real engine in a network namespace of its own, with folders of its own, which goes when its test does.

use crate::plugin::{Folder, LIMIT, until};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const BUSYBOX: &str = "/bin/busybox";
/// What containers run: it ends when it is told to, which the first process of a container does not by itself.
const SCRIPT: &str = "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done";

/// What these tests need; whether an engine can run is found out once.
pub(crate) fn possible() -> Result<(), String> {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    FOUND.get_or_init(probe).clone()
}

fn probe() -> Result<(), String> {
    let there = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        output.map(drop).map_err(|e| format!("no {program} ({e})"))
    };
    there("ip", "-V").map_err(|e| format!("{e}: apt-get install iproute2"))?;
    there("nsenter", "--version")?;
    for program in ["dockerd", "docker"] {
        there(program, "--version").map_err(|e| format!("{e}: apt-get install docker.io"))?;
    }
    if !Path::new(BUSYBOX).exists() {
        return Err(format!("no {BUSYBOX}: apt-get install busybox-static"));
    }
    let name = format!("bd{}", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output();
    let made = made.map_err(|e| e.to_string())?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr);
        return Err(format!("no namespace can be made: {said}"));
    }
    let _ = Command::new("ip").args(["netns", "del", &name]).output();
    let mut engine = Engine::new("probe");
    engine.try_start()?;
    let output = engine.docker(&["run", "--rm", "--network", "none", "bb:1", "true"]);
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "no container can run: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// An engine and what it needs.
pub(crate) struct Engine {
    pub(crate) folder: Folder,
    /// By which it knows the plugin.
    pub(crate) driver: String,
    namespace: String,
    process: Option<Child>,
}

fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("ip");
    assert!(output.status.success(), "ip {arguments}: {output:?}");
}

impl Engine {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let driver = format!("berth{}{name}", std::process::id());
        let namespace = format!("bd{}{name}", std::process::id());
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {namespace} link set lo up"));
        Self {
            folder,
            driver,
            namespace,
            process: None,
        }
    }

    /// One that runs, with an image.
    pub(crate) fn start(name: &str) -> Self {
        let mut engine = Self::new(name);
        engine.try_start().unwrap_or_else(|e| panic!("{e}"));
        engine
    }

    /// `ip` in its namespace.
    pub(crate) fn ip(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.namespace));
    }

    /// Its namespace's name.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where it looks for plugins.
    pub(crate) fn spec(&self) -> String {
        format!("/etc/docker/plugins/{}.spec", self.driver)
    }

    pub(crate) fn socket(&self) -> String {
        self.folder.path("docker.sock")
    }

    fn try_start(&mut self) -> Result<(), String> {
        self.run();
        let start = Instant::now();
        while !self.docker(&["version"]).status.success() {
            let ended = self
                .process
                .as_mut()
                .is_none_or(|p| p.try_wait().is_ok_and(|s| s.is_some()));
            if ended || start.elapsed() > LIMIT {
                let log = std::fs::read_to_string(self.folder.path("log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(3).collect();
                return Err(format!("dockerd does not start: {}", last.join("; ")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        if self.docker(&["image", "inspect", "bb:1"]).status.success() {
            return Ok(());
        }
        self.import()
    }

    /// An image of one static program: nothing is pulled.
    fn import(&self) -> Result<(), String> {
        let root = self.folder.0.join("image");
        std::fs::create_dir_all(root.join("bin")).map_err(|e| e.to_string())?;
        std::fs::copy(BUSYBOX, root.join("bin/busybox")).map_err(|e| e.to_string())?;
        for applet in ["sh", "sleep", "ping", "true"] {
            let _ = std::os::unix::fs::symlink("busybox", root.join("bin").join(applet));
        }
        let archive = self.folder.path("image.tar");
        let packed = Command::new("tar")
            .arg("-cf")
            .arg(&archive)
            .arg("-C")
            .arg(&root)
            .arg(".")
            .output();
        packed.map_err(|e| format!("no tar ({e})"))?;
        let imported = self.docker(&["import", &archive, "bb:1"]);
        match imported.status.success() {
            true => Ok(()),
            false => Err(format!(
                "no image: {}",
                String::from_utf8_lossy(&imported.stderr)
            )),
        }
    }

    fn run(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path("log"));
        let log = log.expect("a log");
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.namespace))
            .arg("dockerd");
        command.args([
            "--iptables=false",
            "--ip6tables=false",
            "--ip-forward=false",
            "--ip-masq=false",
        ]);
        command.args([
            "--bridge=none",
            "--storage-driver=vfs",
            "--shutdown-timeout=5",
        ]);
        command.arg(format!("--host=unix://{}", self.socket()));
        for (option, name) in [
            ("exec-root", "exec"),
            ("pidfile", "pid"),
            ("data-root", "data"),
        ] {
            command.arg(format!("--{option}={}", self.folder.path(name)));
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
        self.process = Some(command.spawn().expect("dockerd"));
    }

    /// Starts it again and waits until it answers.
    pub(crate) fn again(&mut self) {
        self.try_start().unwrap_or_else(|e| panic!("{e}"));
    }

    /// Told to end, as a service manager does.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        let _ = Command::new("kill")
            .args(["-s", "TERM", &process.id().to_string()])
            .status();
        let start = Instant::now();
        while process.try_wait().is_ok_and(|status| status.is_none()) {
            if start.elapsed() > Duration::from_secs(30) {
                let _ = process.kill();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.settle();
    }

    /// Killed without a word.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        self.settle();
        let _ = std::fs::remove_file(self.folder.path("pid"));
    }

    /// Its containerd follows it; the next one takes any process of that number for it, a dead one too.
    fn settle(&self) {
        let file = self.folder.path("exec/containerd/containerd.pid");
        if let Ok(pid) = std::fs::read_to_string(&file) {
            let name = format!("/proc/{}/comm", pid.trim());
            let start = Instant::now();
            let there =
                || std::fs::read_to_string(&name).is_ok_and(|comm| comm.trim() == "containerd");
            while there() && start.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let _ = std::fs::remove_file(file);
    }

    /// `docker` with these arguments.
    pub(crate) fn docker(&self, args: &[&str]) -> Output {
        let mut command = Command::new("docker");
        command
            .arg("-H")
            .arg(format!("unix://{}", self.socket()))
            .args(args);
        command
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT")
            .stdin(Stdio::null());
        command.output().expect("docker")
    }

    /// What `docker` prints; it must succeed.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let output = self.docker(args);
        assert!(output.status.success(), "docker {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What `docker` complains of; it must fail.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let output = self.docker(args);
        assert!(!output.status.success(), "docker {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stderr).trim().to_owned()
    }

    /// A network of this plugin's.
    pub(crate) fn network(&self, name: &str, args: &[&str]) {
        let create = ["network", "create", "--ipam-driver", &self.driver];
        self.done(&[&create, args, &[name]].concat());
    }

    /// Arguments of a container that runs until it is told to end.
    pub(crate) fn container<'a>(name: &'a str, network: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        let run = ["run", "-d", "--name", name, "--network", network];
        [&run, args, &["bb:1", "sh", "-c", SCRIPT]].concat()
    }

    /// Runs one; its IPv4 address.
    pub(crate) fn runs(&self, name: &str, network: &str, args: &[&str]) -> String {
        self.done(&Self::container(name, network, args));
        self.address(name)
    }

    pub(crate) fn address(&self, container: &str) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        self.done(&["inspect", "-f", format, container])
    }

    /// Waits until a container runs.
    pub(crate) fn until_running(&self, container: &str) {
        let running = || {
            let output = self.docker(&["inspect", "-f", "{{.State.Running}}", container]);
            String::from_utf8_lossy(&output.stdout).trim() == "true"
        };
        until(&format!("{container} runs"), running);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.process.is_some() && !std::thread::panicking() {
            let all = self.docker(&["ps", "-aq"]);
            let all = String::from_utf8_lossy(&all.stdout).into_owned();
            let mut remove = vec!["rm", "-f"];
            remove.extend(all.split_whitespace());
            if remove.len() > 2 {
                self.docker(&remove);
            }
        }
        self.stop();
        self.end_what_is_left();
        let _ = std::fs::remove_file(self.spec());
        let _ = Command::new("ip")
            .args(["netns", "del", &self.namespace])
            .output();
    }
}

impl Engine {
    /// Shims of containers that outlived the engine, and what is mounted for them.
    fn end_what_is_left(&self) {
        let folder = self.folder.0.display().to_string();
        let processes = std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(Result::ok);
        for process in processes {
            let pid = process.file_name().to_string_lossy().into_owned();
            let line = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            if pid
                .parse::<u32>()
                .is_ok_and(|pid| pid != std::process::id())
                && line.contains(&folder)
            {
                // What runs in a container is its shim's child, and names no folder.
                let children = format!("/proc/{pid}/task/{pid}/children");
                let children = std::fs::read_to_string(children).unwrap_or_default();
                for pid in children.split_whitespace().chain([&*pid]) {
                    let _ = Command::new("kill").args(["-s", "KILL", pid]).output();
                }
            }
        }
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        for place in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
            if place.starts_with(&folder) {
                let _ = Command::new("umount").args(["-l", place]).output();
            }
        }
    }
}
