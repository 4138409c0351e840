//! `ip -batch` in a namespace, with the differences that `--observed` makes.

use crate::host::Store;
use test_support::netns::Lab;

/// A host with a block, beside another in its own subnet.
fn pair(name: &str) -> (Lab, Store) {
    let lab = Lab::new(name, &["h1", "h2"]);
    lab.link([
        ("h1", "up0", "192.168.1.11/24"),
        ("h2", "up0", "192.168.1.12/24"),
    ]);
    let store = Store::new(lab.folder());
    store.done("pool add p 10.50.0.0/27 --block-size 28 --quarantine 0s");
    for (host, address) in [("h1", "192.168.1.11"), ("h2", "192.168.1.12")] {
        store.done(&format!("host set {host} --address {address}/24"));
        store.claim(&format!("--owner {host} --host {host}"));
    }
    (lab, store)
}

const RENDER: &str = "routes --host h1 --format ip --observed -";

/// What leads from the kernel's state to what is wanted.
fn difference(lab: &Lab, store: &Store) -> String {
    let there = lab.ip("h1", "-N -j route show table all");
    store.done_with(RENDER, &there)
}

fn carried_out(lab: &Lab, batch: &str) {
    let output = lab.fed("h1", "ip", &["-batch", "-"], batch);
    assert!(output.status.success(), "{batch}: {output:?}");
}

/// The lines of a batch that do something.
fn steps(batch: &str) -> Vec<&str> {
    batch
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect()
}

fn ours(lab: &Lab) -> String {
    lab.ip("h1", "route show proto 198")
}

pub(crate) fn differences_are_carried_out_and_nothing_is_done_twice() {
    let (lab, store) = pair("batch");
    carried_out(&lab, &difference(&lab, &store));
    let there = ours(&lab);
    assert_eq!(there.lines().count(), 2, "{there}");
    assert!(there.contains("blackhole 10.50.0."), "{there}");
    assert!(there.contains("via 192.168.1.12 dev up0"), "{there}");
    assert_eq!(steps(&difference(&lab, &store)), [""; 0]);

    // The next hop changes, then the block goes.
    lab.ip("h2", "addr add 192.168.1.13/24 dev up0");
    store.done("host set h2 --address 192.168.1.13/24");
    let batch = difference(&lab, &store);
    let first: Vec<&str> = steps(&batch).iter().filter_map(|l| l.get(..9)).collect();
    assert_eq!(first, ["route del", "route add"]);
    carried_out(&lab, &batch);
    assert!(ours(&lab).contains("via 192.168.1.13 dev up0"));
    store.done("release --owner h1");
    store.done("host set h1 --address 192.168.1.11/24 --drain");
    store.done("gc");
    carried_out(&lab, &difference(&lab, &store));
    let there = ours(&lab);
    assert!(
        !there.contains("blackhole") && there.lines().count() == 1,
        "{there}"
    );
    assert_eq!(steps(&difference(&lab, &store)), [""; 0]);
}

/// An administrator's route at the very place of one of ours stays, whether it was seen or came between.
pub(crate) fn routes_of_others_are_never_taken_over() {
    let (lab, store) = pair("others");
    let batch = difference(&lab, &store);
    let own = batch
        .lines()
        .find_map(|l| l.strip_prefix("route add blackhole "));
    let own = own
        .and_then(|l| l.split(' ').next())
        .expect("a block")
        .to_owned();
    lab.ip(
        "h1",
        &format!("route add {own} via 192.168.1.12 proto static metric 1024"),
    );
    let theirs = || lab.ip("h1", &format!("-N route show {own}"));
    let before = theirs();

    // It was not there when the batch was made: adding fails, and what is there stays.
    let output = lab.fed("h1", "ip", &["-batch", "-"], &batch);
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(theirs(), before);

    // It is seen: it is left alone, told of, and the rest is done.
    let there = lab.ip("h1", "-N -j route show table all");
    let output = store.output(RENDER, &there);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(told.contains("left alone") && told.contains(&own), "{told}");
    assert!(text.contains(&format!("# left alone: {own} ")), "{text}");
    carried_out(&lab, &text);
    assert_eq!(theirs(), before);
    assert_eq!(ours(&lab).lines().count(), 1);

    // Ours is removed by its protocol: a route that took its place meanwhile stays.
    lab.ip("h1", &format!("route del {own}"));
    carried_out(&lab, &difference(&lab, &store));
    store.done("release --owner h1");
    store.done("host set h1 --address 192.168.1.11/24 --drain");
    store.done("gc");
    let batch = difference(&lab, &store);
    lab.ip("h1", &format!("route del blackhole {own}"));
    lab.ip(
        "h1",
        &format!("route add {own} via 192.168.1.12 proto static metric 1024"),
    );
    let output = lab.fed("h1", "ip", &["-batch", "-"], &batch);
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(theirs(), before);
}
