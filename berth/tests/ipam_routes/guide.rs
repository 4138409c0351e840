//! `ipam/ROUTES.md`: its commands are run in their order, in a host's namespace with the daemons that it configures.

use crate::daemons::{Bird, Frr};
use std::path::Path;
use test_support::netns::{Lab, settles};

/// The text of each code block of a language.
fn blocks(guide: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let after = guide.split(&fence).skip(1);
    let text = |block: &str| block.split("```").next().unwrap_or_default().to_owned();
    after.map(text).collect()
}

pub(crate) fn what_the_guide_says_works() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ipam/ROUTES.md");
    let guide = std::fs::read_to_string(path).expect("the guide");
    let lab = Lab::new("guide", &["gw", "h1"]);
    lab.link([
        ("gw", "to-h1", "192.0.2.1/24"),
        ("h1", "up0", "192.0.2.11/24"),
    ]);
    lab.ip("h1", "route add default via 192.0.2.1");
    let [bird_conf] = &blocks(&guide, "bird")[..] else {
        panic!("one configuration of BIRD")
    };
    let [frr_conf] = &blocks(&guide, "frr")[..] else {
        panic!("one configuration of FRR")
    };
    let included = Bird::included(&lab, "h1").display().to_string();
    let bird = Bird::with(
        &lab,
        "h1",
        &bird_conf.replace("/etc/bird/berth.conf", &included),
    );
    // Both daemons at once have one host's port of BGP in turn: FRR's has none here.
    let frr = Frr::start(&lab, "h1", frr_conf);
    let berth = Path::new(env!("CARGO_BIN_EXE_berth"))
        .parent()
        .expect("a folder");
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", berth.display());
    let mut ran = 0;
    for line in blocks(&guide, "console")
        .iter()
        .flat_map(|block| block.lines())
    {
        let Some(line) = line.strip_prefix("$ ") else {
            continue;
        };
        let line = line.replace("/etc/bird/berth.conf", &included);
        let line = line.replace("birdc ", &format!("birdc -s {} ", bird.socket()));
        let line = line.replace("vtysh ", &format!("vtysh --vty_socket {} ", frr.folder()));
        let mut shell = lab.command("h1", "sh");
        shell.args(["-c", &line]).current_dir(lab.folder());
        let output = shell.env("PATH", &path).output().expect("sh");
        assert!(output.status.success(), "{line}: {output:?}");
        ran += 1;
    }
    assert!(ran > 20, "{ran} commands");
    // Each way of announcing has announced, and the kernel has what is not there by a daemon.
    let by_bird = || lab.ip("h1", "route show root 10.50.0.0/24 proto bird");
    assert!(
        settles(|| !by_bird().is_empty()),
        "BIRD has no route of the pool"
    );
    assert!(frr.running().contains("route-map berth"));
    let ours = lab.ip("h1", "route show proto 198");
    for way in ["blackhole 10.50.0.", "via 192.0.2.12 dev up0", "dev berth0"] {
        assert!(ours.contains(way), "{way}: {ours}");
    }
}
