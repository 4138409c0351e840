//! What is printed, without anything that carries it out.

use crate::host::Store;
use std::path::PathBuf;
use std::process::Command;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("berth-routes-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn store(&self) -> Store {
        Store::new(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const POOL: &str = "pool add p 10.50.0.0/26 --block-size 28";
const FORMATS: [&str; 3] = ["bird", "frr", "ip"];

/// `berth ipam` with arguments that have spaces in them.
fn spelled(store: &Store, arguments: &[&str]) -> String {
    let place = format!("redb:{}", store.path("store.redb").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    let output = command.args(["ipam", "--store", &place]).args(arguments);
    let output = output.output().expect("berth");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

pub(crate) fn names_never_reach_what_is_rendered_unescaped() {
    let folder = Folder::new("names");
    let store = folder.store();
    store.done(POOL);
    let hostile = "h\"; } include \"/etc/shadow\"; # \\ \u{2028}!`$(x)";
    spelled(
        &store,
        &["claim", "--owner", "c \"}; drop", "--host", hostile],
    );
    spelled(
        &store,
        &["host", "set", hostile, "--address", "192.0.2.1/24"],
    );
    for format in ["bird", "frr", "ip", "fdb", "link"] {
        let text = spelled(&store, &["routes", "--host", hostile, "--format", format]);
        let plain = |c: char| c.is_ascii_alphanumeric() || " \n{};/.:_-'\"%`,!#\\".contains(c);
        assert!(text.chars().all(plain), "{format}: {text}");
        let heading = text.lines().next().expect("a line");
        assert!(heading.starts_with(['#', '!']), "{heading}");
        assert!(
            !heading.contains('"') && !heading.ends_with('\\'),
            "{heading}"
        );
        // Once, in the heading; and as nothing but a comment.
        assert_eq!(text.matches("shadow").count(), 1, "{format}: {text}");
    }
    for name in [
        "a\"b",
        "-x",
        "br0;x",
        "a b",
        "",
        "0123456789abcdef",
        "br/0",
        "br@0",
    ] {
        let place = format!("redb:{}", store.path("store.redb").display());
        let device = format!("--tunnel-device={name}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        let command = command.args(["ipam", "--store", &place, "routes", "--host", hostile]);
        let output = command
            .args(["--format", "link", &device])
            .output()
            .expect("berth");
        assert_eq!(output.status.code(), Some(2), "{name:?}: {output:?}");
    }
}

pub(crate) fn a_bridge_that_is_no_device_name_is_refused() {
    let folder = Folder::new("bridge");
    let store = folder.store();
    let pool = POOL.split(' ').chain(["--bridge", "br0\"; include \"x"]);
    spelled(&store, &pool.collect::<Vec<_>>());
    store.claim("--owner c --host h1");
    for format in FORMATS {
        let command = format!("routes --host h1 --format {format} --part own");
        store.done(&command);
        let told = store.refused(&format!("{command} --bridges"), 2);
        assert!(told.contains("pool `p`"), "{told}");
    }
}

pub(crate) fn own_prefixes_lead_to_the_bridge_if_told_so() {
    let folder = Folder::new("bridges");
    let store = folder.store();
    store.done(&format!("{POOL} --bridge br0.7"));
    store.done("pool add q 10.51.0.0/26 --block-size 28");
    store.claim("--owner c --pool p --host h1");
    store.claim("--owner d --pool q --host h1");
    for (format, p, q) in [
        ("bird", "via \"br0.7\";", "blackhole;"),
        ("frr", "br0.7 tag 198", "blackhole tag 198"),
        ("ip", "dev br0.7 proto 198", "proto 198 metric 1024"),
    ] {
        let text = store.done(&format!(
            "routes --host h1 --format {format} --part own --bridges"
        ));
        let line = |net: &str| {
            text.lines()
                .find(|l| l.contains(net))
                .expect("a line")
                .to_owned()
        };
        assert!(line("10.50.0.").contains(p), "{text}");
        assert!(line("10.51.0.").contains(q), "{text}");
    }
}

pub(crate) fn the_other_family_needs_no_address_of_its_own_in_vxlan() {
    let folder = Folder::new("families");
    let store = folder.store();
    store.done("pool add p fd00:50::/120 --block-size 124");
    for (host, address) in [("h1", "192.0.2.1"), ("h2", "192.0.2.2")] {
        store.done(&format!("host set {host} --address {address}/24"));
        store.claim(&format!("--owner {host} --host {host}"));
    }
    let told = store.refused("routes --host h1 --format ip", 1);
    assert!(told.contains("`h2`") && told.contains("VXLAN"), "{told}");
    let text = store.done("routes --host h1 --format ip --wrap always --tunnel vxlan");
    assert!(
        text.contains(" via fe80::be:c0ff:fe00:202 dev berth0 onlink "),
        "{text}"
    );
    assert!(
        text.contains("neigh replace fe80::be:c0ff:fe00:202 lladdr 02:be:c0:00:02:02 dev berth0"),
        "{text}"
    );
}

pub(crate) fn a_file_is_written_whole_and_only_if_it_changes() {
    let folder = Folder::new("out");
    let store = folder.store();
    store.done(POOL);
    store.claim("--owner c --host h1");
    let files = || std::fs::read_dir(&folder.0).expect("a folder").count();
    let before = files();
    let path = store.path("berth.conf");
    let command = format!("routes --host h1 --format bird --out {}", path.display());
    assert!(store.done(&command).ends_with("written\n"));
    let first = std::fs::read_to_string(&path).expect("a file");
    assert_eq!(first, store.done("routes --host h1 --format bird"));
    assert!(store.done(&command).ends_with("as it was\n"));
    for i in 0..16 {
        store.claim(&format!("--owner d{i} --host h1"));
    }
    assert!(
        store
            .done(&format!("--json {command}"))
            .contains("\"changed\":true")
    );
    assert_ne!(std::fs::read_to_string(&path).expect("a file"), first);
    assert_eq!(files(), before + 1);
    // The store itself is nobody's output.
    let over = format!(
        "routes --host h1 --format bird --out {}",
        store.path("store.redb").display()
    );
    assert!(store.refused(&over, 2).contains("--store"));
}

pub(crate) fn observed_text_of_another_form_is_refused() {
    let folder = Folder::new("observed");
    let store = folder.store();
    store.done(POOL);
    store.claim("--owner c --host h1");
    let path = store.path("seen");
    let seen = |text: &str, format: &str| {
        std::fs::write(&path, text).expect("a file");
        let more = "--as-number 65001 --part own";
        store.refused(
            &format!(
                "routes --host h1 --format {format} {more} --observed {}",
                path.display()
            ),
            2,
        )
    };
    assert!(seen("default via 192.0.2.1 dev up0", "ip").contains("ip -N -j"));
    // FRR's name file calls its own protocol as the administrator's is called.
    let named = r#"[{"dst": "10.0.0.0/8", "protocol": "static", "flags": []}]"#;
    assert!(seen(named, "ip").contains("no number"));
    assert!(seen("router bgp 65002\nexit\n", "frr").contains("65002"));
    for protocol in ["4", "12", "186", "196"] {
        let told = store.refused(
            &format!("routes --host h1 --format ip --protocol {protocol}"),
            2,
        );
        assert!(told.contains("another program's"), "{told}");
    }
}

pub(crate) fn routes_of_a_damaged_store_are_not_rendered() {
    let folder = Folder::new("damaged");
    let store = folder.store();
    store.done(POOL);
    store.claim("--owner c --host h1");
    store.done("host set h1 --address 192.0.2.1/24");
    crate::host::damage(&store, "c/c");
    let told = store.refused("routes --host h1 --format bird", 3);
    assert!(told.contains("not rendered until it is repaired"), "{told}");
}

pub(crate) fn who_is_in_another_subnet_needs_a_gateway() {
    let folder = Folder::new("gateway");
    let store = folder.store();
    store.done(POOL);
    for (host, address) in [("h1", "192.0.2.1"), ("h2", "198.51.100.1")] {
        store.claim(&format!("--owner {host} --host {host}"));
        if host == "h1" {
            store.done("host set h1 --address 192.0.2.1/24");
            continue;
        }
        let told = store.refused("routes --host h1 --format ip", 1);
        assert!(told.contains("`h2` has no address"), "{told}");
        store.done(&format!("host set {host} --address {address}/24"));
    }
    let plain = "routes --host h1 --format ip --wrap never --gateways-know";
    let told = store.refused(plain, 1);
    assert!(told.contains("needs a gateway"), "{told}");
    let text = store.done(&format!("{plain} --gateway 192.0.2.254"));
    assert!(text.contains(" via 192.0.2.254 proto 198"), "{text}");
    // A host that nothing is known of is a mistake, not a host without routes.
    let told = store.refused("routes --host h11 --format bird", 1);
    assert!(told.contains("host set h11"), "{told}");
}
