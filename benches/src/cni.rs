//! Figures of `berth-cni`: what an ADD costs as a process, beside Debian's host-local in the same run.

mod durable;

use crate::measure::children_cpu_seconds;
use crate::{Figure, Judge, Limit, Measured};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;
use test_support::cni::{Answer, call, replay};

const HOST_LOCAL: &str = "/usr/lib/cni/host-local";
/// ADDs of each measurement of CPU: the least counts, since whatever else runs only adds to one.
const ADDS: usize = 20;
/// Processes at a time, and all of them.
const AT_ONCE: usize = 16;
const PARALLEL: usize = 2_000;

/// The figures of this area.
#[must_use]
pub fn figures() -> Vec<Figure> {
    let base = Figure {
        id: "",
        what: "",
        unit: "ms",
        judge: Judge::Ours,
        must: Limit::None,
        aim: Limit::AtMost(1.5),
        long: false,
        run: || Err("no measurement".into()),
    };
    [of_cpu(base), of_wall(base)].concat()
}

fn of_cpu(base: Figure) -> Vec<Figure> {
    vec![
        Figure {
            id: "cni/add-cpu/0",
            what: "CPU of one ADD by `berth-cni`, beside no address (peer: Debian's host-local)",
            must: Limit::AtMost(2.8),
            run: || add_cpu(0),
            ..base
        },
        Figure {
            id: "cni/add-cpu/1000",
            what: "the same beside 1,000 addresses",
            must: Limit::AtMost(10.0),
            run: || add_cpu(1_000),
            ..base
        },
        Figure {
            id: "cni/add-cpu/5000",
            what: "the same beside 5,000 addresses",
            must: Limit::AtMost(39.0),
            run: || add_cpu(5_000),
            ..base
        },
        Figure {
            id: "cni/add-cpu/20000",
            what: "the same beside 20,000 addresses",
            must: Limit::AtMost(146.0),
            run: || add_cpu(20_000),
            ..base
        },
        Figure {
            id: "cni/add-cpu/growth",
            what: "worst over best of these four (peer: host-local)",
            unit: "ratio",
            must: Limit::AtMost(1.3),
            aim: Limit::AtMost(1.1),
            run: growth,
            ..base
        },
    ]
}

fn of_wall(base: Figure) -> Vec<Figure> {
    vec![
        Figure {
            id: "cni/add-durable",
            what: "wall time of an ADD, on disk when answered, p50 (peer: as many bytes as it writes, in one write, synced, in the process that measures)",
            judge: Judge::Ratio,
            must: Limit::AtMost(6.0),
            aim: Limit::AtMost(3.0),
            run: durable::as_written,
            ..base
        },
        Figure {
            id: "cni/add-durable-process",
            what: "the same (peer: a process too, dd, that appends 512 bytes and syncs them)",
            judge: Judge::Ratio,
            must: Limit::AtMost(6.0),
            aim: Limit::AtMost(3.0),
            run: durable::by_process,
            ..base
        },
        Figure {
            id: "cni/add-durable-in-process",
            what: "the same (peer: the 512 bytes of the records alone, appended and synced in the process that measures)",
            judge: Judge::Ratio,
            must: Limit::AtMost(6.0),
            aim: Limit::AtMost(3.0),
            run: durable::of_records,
            ..base
        },
        Figure {
            id: "cni/add-1000-wall",
            what: "wall time of 1,000 ADDs one after another (peer: host-local, which syncs nothing)",
            unit: "s",
            judge: Judge::Ratio,
            must: Limit::AtMost(1.0),
            aim: Limit::AtMost(1.0 / 3.0),
            run: sequential,
            ..base
        },
        Figure {
            id: "cni/add-parallel-p99",
            what: "wall time of an ADD, p99, 16 at a time, 2,000 in all (peer: host-local)",
            judge: Judge::Ratio,
            must: Limit::AtMost(1.0),
            aim: Limit::AtMost(0.5),
            run: parallel,
            ..base
        },
        Figure {
            id: "cni/recorded-agreement",
            what: "recorded calls of host-local that are answered as recorded, but for those that are better on purpose",
            unit: "%",
            must: Limit::AtLeast(98.0),
            aim: Limit::AtLeast(100.0),
            run: agreement,
            ..base
        },
    ]
}

fn plugins() -> Result<[String; 2], String> {
    let ours = plugin()?;
    match Path::new(HOST_LOCAL).exists() {
        true => Ok([ours, HOST_LOCAL.to_owned()]),
        false => Err(format!(
            "no {HOST_LOCAL}: apt-get install containernetworking-plugins"
        )),
    }
}

/// `berth-cni` as its README has it built for hosts: static. Where its target is not installed, the one that is linked to this
/// host's libraries, and standard error says so.
fn plugin() -> Result<String, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || {
        let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        let library = Command::new("rustc")
            .args(["--print", "target-libdir", "--target", &target])
            .output();
        let library = library.map_err(|e| format!("rustc: {e}"))?;
        if !Path::new(String::from_utf8_lossy(&library.stdout).trim()).exists() {
            eprintln!(
                "cni: not the static plugin is measured; it needs `rustup target add {target}`"
            );
            return Ok(crate::replay::binary()?.with_file_name("berth-cni"));
        }
        let mut cargo = crate::replay::cargo();
        cargo.args(["build", "-q", "--profile", "plugin", "--target", &target]);
        let status = cargo
            .args(["-p", "berth-cli", "--bin", "berth-cni"])
            .status();
        if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return Err(format!("cargo build --bin berth-cni: {status:?}"));
        }
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let all = own.ancestors().nth(2).ok_or("no target folder")?;
        Ok(all.join(target).join("plugin/berth-cni"))
    };
    let built = BUILT.get_or_init(build).as_deref().map_err(Clone::clone)?;
    Ok(built.to_str().ok_or("a path that is no UTF-8")?.to_owned())
}

/// A network of a /16, with so many addresses given by host-local; `berth-cni` takes them over by its first ADD.
struct Network {
    folder: PathBuf,
    config: String,
    plugin: String,
}

impl Network {
    fn new(plugin: &str, held: usize) -> Result<Self, String> {
        static COUNT: Mutex<u32> = Mutex::new(0);
        let mut count = COUNT.lock().map_err(|e| e.to_string())?;
        *count += 1;
        let name = format!("berth-cni-bench-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let files = folder.join("n");
        std::fs::create_dir_all(&files).map_err(|e| e.to_string())?;
        let write = |name: &str, text: &str| {
            std::fs::write(files.join(name), text).map_err(|e| e.to_string())
        };
        for i in 0..held {
            let address = format!("10.1.{}.{}", (i + 2) / 256, (i + 2) % 256);
            write(&address, &format!("held-{i}\r\neth0"))?;
            if i + 1 == held {
                write("last_reserved_ip.0", &address)?;
            }
        }
        let config = format!(
            r#"{{"cniVersion":"1.0.0","name":"n","type":"bridge","ipam":{{"type":"x","dataDir":"{}","subnet":"10.1.0.0/16"}}}}"#,
            folder.display()
        );
        let plugin = plugin.to_owned();
        let network = Self {
            folder,
            config,
            plugin,
        };
        network.add("first")?;
        Ok(network)
    }

    fn add(&self, container: &str) -> Result<Answer, String> {
        let variables = [
            ("CNI_COMMAND", "ADD"),
            ("CNI_CONTAINERID", container),
            ("CNI_NETNS", "/var/run/netns/none"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/opt/cni/bin"),
        ];
        let answer = call(&self.plugin, &variables, &self.config);
        match answer.status {
            Some(0) => Ok(answer),
            _ => Err(format!("{}: {answer:?}", self.plugin)),
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Milliseconds of CPU of one ADD, the least of some, by both plugins in turn.
fn add_cpu(held: usize) -> Result<Measured, String> {
    static KNOWN: Mutex<Vec<(usize, [f64; 2])>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().map_err(|e| e.to_string())?;
    if let Some((_, [ours, theirs])) = known.iter().find(|(h, _)| *h == held) {
        return Ok(Measured::beside(*ours, *theirs));
    }
    let [ours, theirs] = plugins()?;
    let networks = [Network::new(&ours, held)?, Network::new(&theirs, held)?];
    let mut best = [f64::INFINITY; 2];
    for i in 0..ADDS {
        for (network, best) in networks.iter().zip(&mut best) {
            let before = children_cpu_seconds()?;
            network.add(&format!("c{i}"))?;
            *best = best.min((children_cpu_seconds()? - before) * 1e3);
        }
    }
    known.push((held, best));
    Ok(Measured::beside(best[0], best[1]))
}

fn growth() -> Result<Measured, String> {
    let mut spent = [Vec::new(), Vec::new()];
    for held in [0, 1_000, 5_000, 20_000] {
        let measured = add_cpu(held)?;
        spent[0].push(measured.ours);
        spent[1].extend(measured.peer);
    }
    let ratio = |all: &[f64]| {
        let worst = all.iter().copied().fold(0.0_f64, f64::max);
        worst / all.iter().copied().fold(f64::INFINITY, f64::min)
    };
    Ok(Measured::beside(ratio(&spent[0]), ratio(&spent[1])))
}

/// Milliseconds since.
fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Seconds of a thousand ADDs; a hundred of one and of the other in turn, so that both see the same machine.
fn sequential() -> Result<Measured, String> {
    let [ours, theirs] = plugins()?;
    let networks = [Network::new(&ours, 0)?, Network::new(&theirs, 0)?];
    let mut spent = [0.0; 2];
    for round in 0..10 {
        for (network, spent) in networks.iter().zip(&mut spent) {
            let start = Instant::now();
            for i in 0..100 {
                network.add(&format!("c{round}-{i}"))?;
            }
            *spent += start.elapsed().as_secs_f64();
        }
    }
    Ok(Measured::beside(spent[0], spent[1]))
}

fn parallel() -> Result<Measured, String> {
    let [ours, theirs] = plugins()?;
    Ok(Measured::beside(p99(&ours)?, p99(&theirs)?))
}

fn p99(plugin: &str) -> Result<f64, String> {
    let network = Network::new(plugin, 0)?;
    let one = |thread: usize| {
        let network = &network;
        move || {
            let mut spent = Vec::new();
            for i in 0..PARALLEL / AT_ONCE {
                let start = Instant::now();
                network.add(&format!("c{thread}-{i}"))?;
                spent.push(ms(start));
            }
            Ok::<_, String>(spent)
        }
    };
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|n| scope.spawn(one(n))).collect();
        let ended = threads
            .into_iter()
            .map(|t| t.join().map_err(|_| "a thread panicked".to_owned())?);
        ended.collect::<Result<Vec<_>, _>>()
    })?;
    let mut all: Vec<f64> = all.into_iter().flatten().collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() * 99 / 100)
        .copied()
        .ok_or_else(|| "nothing was measured".into())
}

/// Percent of the recorded calls. The one that differs on purpose is left out: what GC has freed is not there.
fn agreement() -> Result<Measured, String> {
    let ours = plugin()?;
    for file in ["cni_exec_golden.json", "host_local_cmd.json"] {
        test_support::Need::Vectors(file).met()?;
    }
    let mut steps = replay(&ours);
    steps.retain(|(id, _)| id != "gc-1.1.0/2");
    let agree = steps.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    Ok(Measured::alone(100.0 * agree as f64 / steps.len() as f64))
}
