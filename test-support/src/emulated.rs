//! A whole kernel under qemu, in software emulation, for what the kernel that runs the tests may lack (802.1Q, `vlan_filtering`,
//! IPIP, dummy and flower among others): see what is accepted and who reaches whom. Times measured there say nothing.
//!
//! The kernel is Debian's `linux-image-cloud-amd64`, unpacked by `.ci/kernel` and not installed. Everything else in the machine is
//! what this one has: a static busybox, and programs copied with their libraries to the same paths.
//!
//! A test target runs itself inside: its `main` asks [`inside`], and runs other tests there.

use crate::Need;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What such tests need.
pub const EMULATED: Need = Need::Other("emulated-kernel", possible);

const QEMU: &str = "qemu-system-x86_64";
const BUSYBOX: &str = "/bin/busybox";

/// Set for whatever runs inside.
const MARK: &str = "BERTH_EMULATED";

/// The console's last line begins so; the exit status of what ran follows.
const VERDICT: &str = "BERTH-VERDICT ";

/// Whether this process runs in the emulated machine.
#[must_use]
pub fn inside() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Where the kernel's package is unpacked: `$BERTH_KERNEL`, otherwise `target/kernel` in the checkout.
fn folder() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/kernel");
    std::env::var_os("BERTH_KERNEL").map_or_else(default, PathBuf::from)
}

fn possible() -> Result<(), String> {
    for (program, argument, package) in [
        (QEMU, "--version", "qemu-system-x86"),
        ("cpio", "--version", "cpio"),
        (BUSYBOX, "true", "busybox-static"),
    ] {
        let output = Command::new(program).arg(argument).output();
        output.map_err(|e| format!("no {program} ({e}): apt-get install {package}"))?;
    }
    if libraries(Path::new(BUSYBOX)).next().is_some() {
        return Err("busybox is not static: apt-get install busybox-static".into());
    }
    Kernel::find().map(drop)
}

/// An unpacked kernel.
struct Kernel {
    image: PathBuf,
    modules: PathBuf,
}

impl Kernel {
    fn find() -> Result<Self, String> {
        let folder = folder();
        let missing = || format!("no kernel in {}: run .ci/kernel", folder.display());
        let only = |path: PathBuf, prefix: &str| {
            let entries = path.read_dir().ok()?.filter_map(Result::ok);
            let named = |e: &std::fs::DirEntry| e.file_name().to_string_lossy().starts_with(prefix);
            entries.filter(named).map(|e| e.path()).min()
        };
        let image = only(folder.join("boot"), "vmlinuz-").ok_or_else(missing)?;
        let modules = only(folder.join("lib/modules"), "").ok_or_else(missing)?;
        match modules.join("modules.dep").exists() {
            true => Ok(Self { image, modules }),
            false => Err(missing()),
        }
    }

    /// The files of a module and of what it depends on, in the order in which they are to be loaded; none if it is built in.
    fn module(&self, name: &str) -> Vec<PathBuf> {
        let read = |file: &str| std::fs::read_to_string(self.modules.join(file)).expect(file);
        let called = |path: &str| {
            let file = path.rsplit('/').next().unwrap_or_default();
            file.split('.').next().unwrap_or_default().replace('-', "_") == name
        };
        let dependencies = read("modules.dep");
        let mut lines = dependencies.lines().filter_map(|line| line.split_once(':'));
        let Some((own, others)) = lines.find(|(own, _)| called(own)) else {
            let built_in = read("modules.builtin").lines().any(called);
            assert!(built_in, "the kernel has no module {name}");
            return Vec::new();
        };
        let mut all: Vec<&str> = others.split_whitespace().rev().collect();
        all.push(own);
        all.iter().map(|path| self.modules.join(path)).collect()
    }
}

/// The libraries of a program, and its loader, as `ldd` lists them; none of a static one.
fn libraries(program: &Path) -> impl Iterator<Item = PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    words
        .into_iter()
        .filter(|w| w.starts_with('/') && !w.ends_with(':'))
        .map(PathBuf::from)
}

/// What is in the emulated machine.
#[derive(Debug)]
pub struct Machine {
    folder: PathBuf,
    modules: Vec<String>,
    copied: BTreeSet<PathBuf>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// The exit status of what ran; nothing if it did not end within its time.
    pub status: Option<i32>,
    /// All that the console showed.
    pub console: String,
}

impl Machine {
    /// With a shell and nothing else, and a name for its files.
    ///
    /// # Panics
    /// When they cannot be written.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let name = format!("berth-emulated-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join("root/modules")).expect("a folder");
        let mut machine = Self {
            folder,
            modules: Vec::new(),
            copied: BTreeSet::new(),
        };
        machine.copy(Path::new(BUSYBOX));
        machine
    }

    /// A program with its libraries, at the path that it has here: absolute, or to be found as the shell finds it.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn program(mut self, program: impl AsRef<Path>) -> Self {
        let path = which(program.as_ref());
        self.copy(&path);
        for library in libraries(&path) {
            self.copy(&library);
        }
        self
    }

    /// A module of the kernel's, loaded before anything runs.
    #[must_use]
    pub fn module(mut self, name: &str) -> Self {
        self.modules.push(name.to_owned());
        self
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn copy(&mut self, path: &Path) {
        if !self.copied.insert(path.to_owned()) {
            return;
        }
        let inner = self
            .root()
            .join(path.strip_prefix("/").expect("an absolute path"));
        std::fs::create_dir_all(inner.parent().expect("a folder")).expect("a folder");
        // Without symbols a program is a fraction of its size; a script or a machine without `strip` is copied as it is.
        let stripped = Command::new("strip")
            .arg("-o")
            .arg(&inner)
            .arg(path)
            .output();
        if !stripped.is_ok_and(|output| output.status.success()) {
            std::fs::copy(path, &inner).expect("a copy");
        }
    }

    /// Boots, runs a program that is in the machine, and ends.
    ///
    /// # Panics
    /// When the kernel lacks a module, or the machine cannot be made.
    #[must_use]
    pub fn run(&self, program: &Path, limit: Duration) -> Run {
        let kernel = Kernel::find().expect("a kernel");
        let image = self.image(&kernel, program);
        let mut command = Command::new(QEMU);
        // Asked for by name: where hardware emulation seems to be there, it may die at once.
        command.args([
            "-M",
            "q35,accel=tcg",
            "-cpu",
            "max",
            "-m",
            "1024",
            "-smp",
            "2",
        ]);
        command.args(["-display", "none", "-monitor", "none", "-serial", "stdio"]);
        command.args([
            "-nodefaults",
            "-no-reboot",
            "-append",
            "console=ttyS0 quiet panic=-1",
        ]);
        command
            .arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(&image);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut machine = command.spawn().expect("qemu starts");
        let console = BufReader::new(machine.stdout.take().expect("a pipe"));
        let (told, lines) = channel();
        let reader = std::thread::spawn(move || {
            for line in console.split(b'\n').map_while(Result::ok) {
                // Nobody listens any more once the time is over.
                let _ = told.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let end = Instant::now() + limit;
        let (mut console, mut status) = (String::new(), None);
        while status.is_none() {
            let line = lines.recv_timeout(end.saturating_duration_since(Instant::now()));
            match line {
                Ok(line) => {
                    let verdict = line.trim().strip_prefix(VERDICT);
                    status = verdict.and_then(|status| status.parse().ok());
                    console += line.trim_end();
                    console.push('\n');
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let _ = machine.kill();
        let _ = machine.wait();
        let _ = reader.join();
        Run { status, console }
    }

    /// The file system that the kernel begins with.
    fn image(&self, kernel: &Kernel, program: &Path) -> PathBuf {
        let root = self.root();
        let mut order: Vec<PathBuf> = Vec::new();
        for name in &self.modules {
            for file in kernel.module(name) {
                if !order.contains(&file) {
                    order.push(file);
                }
            }
        }
        let mut load = String::new();
        for file in &order {
            let name = file.file_name().expect("a name");
            std::fs::copy(file, root.join("modules").join(name)).expect("a copy");
            load += &format!("insmod /modules/{}\n", name.display());
        }
        let init = format!(
            "#!{BUSYBOX} sh\n{BUSYBOX} mkdir -p /bin /proc /sys /dev /run /tmp\n{BUSYBOX} --install -s /bin\n\
             export PATH=/usr/sbin:/usr/bin:/sbin:/bin {MARK}=1 NO_COLOR=1\n\
             mount -t proc none /proc\nmount -t sysfs none /sys\nmount -t devtmpfs none /dev\n\
             mount -t tmpfs none /run\nmount -t tmpfs none /tmp\n{load}\
             {} </dev/null 2>&1\necho \"{VERDICT}$?\"\npoweroff -f\n",
            program.display()
        );
        let path = root.join("init");
        std::fs::write(&path, init).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("a mode");
        let image = self.folder.join("initrd");
        packed(&root, &image);
        image
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Packs a folder as the kernel takes it.
fn packed(root: &Path, image: &Path) {
    let mut names = vec![PathBuf::from(".")];
    let mut next = 0;
    while let Some(name) = names.get(next).cloned() {
        next += 1;
        let path = root.join(&name);
        if path.is_dir() {
            let entries = path.read_dir().expect("a folder").filter_map(Result::ok);
            names.extend(entries.map(|entry| name.join(entry.file_name())));
        }
    }
    let mut cpio = Command::new("cpio");
    cpio.args(["--quiet", "-o", "-H", "newc", "-R", "0:0"])
        .current_dir(root);
    cpio.stdout(std::fs::File::create(image).expect("a file"));
    let mut cpio = cpio.stdin(Stdio::piped()).spawn().expect("cpio starts");
    let mut list = cpio.stdin.take().expect("a pipe");
    for name in names {
        writeln!(list, "{}", name.display()).expect("cpio reads");
    }
    drop(list);
    assert!(cpio.wait().expect("it ends").success(), "cpio");
}

fn which(program: &Path) -> PathBuf {
    if program.is_absolute() {
        return program.to_owned();
    }
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter();
    let mut paths = folders.map(|folder| Path::new(folder).join(program));
    let found = paths.find(|path| path.exists());
    found.unwrap_or_else(|| panic!("no {}", program.display()))
}
