//! What an engine does that no protocol says.

use crate::engine::Engine;
use crate::networks::{plugin, served, set};
use crate::plugin::{Plugin, until};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// moby/libnetwork#1386, #1465: an engine whose host has a route in the way asks for another pool, without end.
pub(crate) fn pools_without_a_name_are_never_given_twice() {
    let (engine, plugin) = served(
        "auto",
        &[
            "--docker-auto",
            "10.200.0.0/20:24",
            "--docker-auto",
            "fd00:200::/56:64",
        ],
    );
    engine.network("one", &[]);
    engine.network("two", &[]);
    let format = "{{range .IPAM.Config}}{{.Subnet}}{{end}}";
    let subnet = |name: &str| engine.done(&["network", "inspect", "-f", format, name]);
    assert_eq!(
        (&*subnet("one"), &*subnet("two")),
        ("10.200.0.0/24", "10.200.1.0/24")
    );
    engine.done(&["network", "rm", "one", "two"]);
    engine.ip("link add way type veth peer name wayx");
    engine.ip("addr add 10.200.0.1/16 dev way");
    engine.ip("link set way up");
    let create = [
        "network",
        "create",
        "--ipam-driver",
        &engine.driver,
        "three",
    ];
    let refused = engine.refused(&create);
    assert!(refused.contains("no IPv4 pool is left"), "{refused}");
    assert_eq!(plugin.count("request_pool", "refused"), 1);
    assert!(plugin.count("request_pool", "done") <= 18, "each pool once");
    assert_eq!(
        plugin.count("release_pool", "done"),
        plugin.count("request_pool", "done")
    );
    assert_eq!(engine.folder.held(), set(&[]));
    engine.ip("link del way");
    engine.network("four", &[]);
    engine.done(&["network", "rm", "four"]);
    plugin.end();
    engine.folder.check();
}

/// Passes everything on, and while it is told to, hangs up instead of passing an answer back.
struct Between {
    drops: Arc<AtomicBool>,
}

impl Between {
    fn start(engine: &Engine) -> Self {
        let drops = Arc::new(AtomicBool::new(false));
        let front = engine.folder.path("between.sock");
        let listener = UnixListener::bind(&front).expect("a socket");
        std::fs::create_dir_all("/etc/docker/plugins").expect("a folder");
        std::fs::write(engine.spec(), format!("unix://{front}")).expect("a specification");
        let (back, told) = (
            PathBuf::from(engine.folder.path("plugin.sock")),
            Arc::clone(&drops),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (back, told) = (back.clone(), Arc::clone(&told));
                std::thread::spawn(move || pass(stream, &back, &told));
            }
        });
        Self { drops }
    }
}

/// One call: the plugin closes a connection after each.
fn pass(mut engine: UnixStream, back: &PathBuf, drops: &AtomicBool) -> Option<()> {
    let mut plugin = UnixStream::connect(back).ok()?;
    let (mut from, mut to) = (engine.try_clone().ok()?, plugin.try_clone().ok()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    let mut answer = Vec::new();
    plugin.read_to_end(&mut answer).ok()?;
    let granted = String::from_utf8_lossy(&answer).contains("\"Address\":");
    if !(granted && drops.load(Ordering::SeqCst)) {
        engine.write_all(&answer).ok()?;
    }
    engine.shutdown(std::net::Shutdown::Both).ok()
}

/// moby/moby#35459, #39331: an answer is lost on its way, and the request comes again without its body.
pub(crate) fn an_answer_that_is_lost_leaks_nothing() {
    let engine = Engine::start("lost");
    let between = Between::start(&engine);
    let socket = engine.socket();
    let watching = [
        "--docker-engine",
        &socket,
        "--collect",
        "200ms",
        "--grace",
        "1s",
    ];
    let plugin = Plugin::start(
        &engine.folder,
        &engine.folder.path("plugin.sock"),
        &watching,
    );
    engine.network("n", &["--subnet", "10.9.0.0/24"]);
    engine.runs("ca", "n", &[]);
    between.drops.store(true, Ordering::SeqCst);
    let refused = engine.refused(&Engine::container("cb", "n", &[]));
    assert!(refused.contains("empty body"), "{refused}");
    assert!(plugin.count("unreadable", "bad") >= 1);
    between.drops.store(false, Ordering::SeqCst);
    until("what was given to nobody comes back", || {
        engine.folder.held() == set(&["10.9.0.2", "gateway/10.9.0.1"])
    });
    engine.done(&["start", "cb"]);
    engine.done(&["rm", "-f", "ca", "cb"]);
    engine.done(&["network", "rm", "n"]);
    until("all is given back", || engine.folder.held().is_empty());
    plugin.end();
    engine.folder.check();
}

/// A plugin without memory gives a container the gateway's address.
pub(crate) fn a_store_that_is_lost_learns_from_the_engine() {
    let (engine, first) = served("forgot", &[]);
    engine.network(
        "n",
        &[
            "--subnet",
            "10.9.0.0/24",
            "--aux-address",
            "router=10.9.0.3",
        ],
    );
    engine.runs("ca", "n", &[]);
    first.end();
    for file in ["store.redb", "store.redb.ack"] {
        let _ = std::fs::remove_file(engine.folder.path(file));
    }
    let socket = engine.socket();
    let mut second = plugin(&engine, &["--docker-engine", &socket, "--collect", "200ms"]);
    second.hear("networks are counted anew");
    until("what the engine uses is claimed", || {
        engine.folder.held() == set(&["10.9.0.2", "10.9.0.3", "gateway/10.9.0.1"])
    });
    assert_eq!(engine.runs("cb", "n", &[]), "10.9.0.4");
    engine.done(&["rm", "-f", "ca", "cb"]);
    engine.done(&["network", "rm", "n"]);
    until("all is given back", || engine.folder.held().is_empty());
    second.end();
    engine.folder.check();
}
