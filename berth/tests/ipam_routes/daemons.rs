//! Real BIRD and FRR in a namespace, killed when dropped.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use test_support::netns::{Lab, settles};

/// FRR's daemons are not on the path.
const FRR_FOLDER: &str = "/usr/lib/frr";

pub(crate) fn bird_installed() -> Result<(), String> {
    let output = Command::new("bird").arg("--version").output();
    let output = output.map_err(|e| format!("no bird ({e}): apt-get install bird2"))?;
    let version = String::from_utf8_lossy(&output.stderr).into_owned();
    match version.contains("BIRD version 2.") {
        true => Ok(()),
        false => Err(format!("not BIRD 2: {version}")),
    }
}

pub(crate) fn frr_installed() -> Result<(), String> {
    match PathBuf::from(FRR_FOLDER).join("zebra").exists() {
        true => Ok(()),
        false => Err("no zebra: apt-get install frr".into()),
    }
}

/// BIRD on one host, with a BGP session to each neighbour.
pub(crate) struct Bird<'a> {
    lab: &'a Lab,
    host: String,
    process: Option<Child>,
}

/// A neighbour: its protocol's name, its address, its autonomous system.
pub(crate) type Session<'a> = (&'a str, &'a str, u32);

impl<'a> Bird<'a> {
    /// Whatever stands in the host's `.berth` file is announced, and nothing else of its own.
    pub(crate) fn start(
        lab: &'a Lab,
        host: &str,
        own: (&str, u32),
        sessions: &[Session<'_>],
    ) -> Self {
        let (address, number) = own;
        let include = Self::included(lab, host);
        let mut text = format!(
            "log stderr all;\nrouter id {address};\ntimeformat protocol iso long ms;\nprotocol device {{ scan time 1; }}\n\
             protocol kernel {{ scan time 1; ipv4 {{ import none; export all; }}; }}\ninclude \"{}\";\n",
            include.display()
        );
        for (name, neighbour, other) in sessions {
            text += &format!(
                "protocol bgp {name} {{\n  local as {number};\n  neighbor {neighbour} as {other};\n  \
                 connect delay time 1;\n  connect retry time 1;\n  error wait time 1, 2;\n  \
                 ipv4 {{ import all; export where source = RTS_BGP || proto = \"berth4\"; }};\n}}\n"
            );
        }
        Self::with(lab, host, &text)
    }

    /// With this configuration.
    pub(crate) fn with(lab: &'a Lab, host: &str, text: &str) -> Self {
        let config = lab.folder().join(format!("{host}.conf"));
        std::fs::write(config, text).expect("a file");
        let include = Self::included(lab, host);
        if !include.exists() {
            std::fs::write(&include, "protocol static berth4 { ipv4; }\n").expect("a file");
        }
        let mut bird = Self {
            lab,
            host: host.to_owned(),
            process: None,
        };
        bird.run();
        bird
    }

    /// The file that a host's BIRD includes.
    pub(crate) fn included(lab: &Lab, host: &str) -> PathBuf {
        lab.folder().join(format!("{host}.berth"))
    }

    fn path(&self, extension: &str) -> String {
        let name = format!("{}.{extension}", self.host);
        self.lab.folder().join(name).display().to_string()
    }

    /// Where it is spoken to.
    pub(crate) fn socket(&self) -> String {
        self.path("ctl")
    }

    pub(crate) fn run(&mut self) {
        let (config, socket, log) = (self.path("conf"), self.socket(), self.path("log"));
        let mut command = self.lab.command(&self.host, "bird");
        command.args(["-f", "-c", &config, "-s", &socket]);
        let log = std::fs::File::create(log).expect("a file");
        command.stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("BIRD starts"));
        assert!(settles(|| self
            .birdc("show status")
            .contains("up and running")));
    }

    /// By SIGKILL: it cleans nothing up.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub(crate) fn birdc(&self, words: &str) -> String {
        let socket = self.path("ctl");
        let mut arguments = vec!["-s", &socket];
        arguments.extend(words.split(' '));
        let output = self.lab.fed(&self.host, "birdc", &arguments, "");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Checks what is included, and takes it.
    pub(crate) fn configure(&self) {
        let checked = self.birdc("configure check");
        assert!(checked.contains("Configuration OK"), "{checked}");
        let taken = self.birdc("configure");
        assert!(taken.contains("Reconfigured"), "{taken}");
    }

    /// The line of a session or protocol, which has the time since which it is as it is.
    pub(crate) fn protocol(&self, name: &str) -> String {
        let text = self.birdc("show protocols");
        let line = text.lines().find(|line| line.starts_with(name));
        line.unwrap_or_default().to_owned()
    }

    pub(crate) fn established(&self, name: &str) -> bool {
        settles(|| self.protocol(name).contains("Established"))
    }

    /// Whether the kernel gets a route to a prefix from this daemon, or loses it.
    pub(crate) fn routes(&self, prefix: &str, there: bool) -> bool {
        let all = format!("route show {prefix} proto bird");
        settles(|| self.lab.ip(&self.host, &all).is_empty() != there)
    }
}

impl Drop for Bird<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

/// FRR's zebra, staticd and bgpd on one host.
pub(crate) struct Frr<'a> {
    lab: &'a Lab,
    host: String,
    processes: Vec<Child>,
}

impl<'a> Frr<'a> {
    /// With this configuration.
    pub(crate) fn start(lab: &'a Lab, host: &str, config: &str) -> Self {
        let mut frr = Self {
            lab,
            host: host.to_owned(),
            processes: Vec::new(),
        };
        std::fs::create_dir_all(frr.folder()).expect("a folder");
        // The daemons give up root for a user of their own.
        let owned = Command::new("chown")
            .args(["frr:frr", &frr.folder()])
            .output();
        assert!(owned.is_ok_and(|o| o.status.success()), "chown");
        let given = frr.file("given.conf");
        std::fs::write(&given, config).expect("a file");
        frr.run();
        frr
    }

    /// Where it is spoken to.
    pub(crate) fn folder(&self) -> String {
        self.file("")
    }

    fn file(&self, name: &str) -> String {
        let folder = self.lab.folder().join(format!("{}.frr", self.host));
        folder.join(name).display().to_string()
    }

    pub(crate) fn run(&mut self) {
        let (folder, zebra) = (self.folder(), self.file("zebra.sock"));
        for daemon in ["zebra", "staticd", "bgpd"] {
            let program = format!("{FRR_FOLDER}/{daemon}");
            let mut command = self.lab.command(&self.host, &program);
            let pid = self.file(&format!("{daemon}.pid"));
            command.args(["--vty_socket", &folder, "-z", &zebra, "-i", &pid]);
            command.args(["-f", "/dev/null"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            self.processes.push(command.spawn().expect("it starts"));
            let vty = PathBuf::from(self.file(&format!("{daemon}.vty")));
            assert!(settles(|| vty.exists()), "{daemon}");
        }
        let given = std::fs::read_to_string(self.file("given.conf")).expect("a file");
        assert!(settles(|| self.configured(&given)), "{}", self.running());
    }

    /// By SIGKILL: they clean nothing up.
    pub(crate) fn kill(&mut self) {
        for mut process in self.processes.drain(..) {
            let _ = process.kill();
            let _ = process.wait();
        }
        for daemon in ["zebra", "staticd", "bgpd"] {
            let _ = std::fs::remove_file(self.file(&format!("{daemon}.vty")));
        }
    }

    fn vtysh(&self, arguments: &[&str]) -> std::process::Output {
        let folder = self.folder();
        let all = [&["--vty_socket", &*folder], arguments].concat();
        self.lab.fed(&self.host, "vtysh", &all, "")
    }

    /// Whether vtysh takes the lines.
    pub(crate) fn configured(&self, lines: &str) -> bool {
        let path = self.file("lines.conf");
        std::fs::write(&path, lines).expect("a file");
        self.vtysh(&["-f", &path]).status.success()
    }

    pub(crate) fn show(&self, words: &str) -> String {
        let output = self.vtysh(&["-c", &format!("show {words}")]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn running(&self) -> String {
        self.show("running-config")
    }
}

impl Drop for Frr<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}
