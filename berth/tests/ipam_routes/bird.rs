//! Two racks, each a host whose BIRD speaks BGP with the spine between them.

use crate::daemons::Bird;
use crate::host::Store;
use test_support::netns::{Lab, settles};

/// r1 and r2, linked to the spine, with a pool of two blocks of 16 addresses, and a default route to the spine, by which
/// what nobody uses would come back if there were no blackhole.
fn racks(name: &str) -> (Lab, Store) {
    let lab = Lab::new(name, &["spine", "r1", "r2"]);
    for (rack, net) in [("r1", "10.0.1"), ("r2", "10.0.2")] {
        let ends = [
            ("spine", &*format!("to-{rack}"), &*format!("{net}.1/30")),
            (rack, "up0", &*format!("{net}.2/30")),
        ];
        lab.link(ends);
        lab.ip(rack, &format!("route add default via {net}.1"));
    }
    let store = Store::new(lab.folder());
    store.done("pool add p 10.50.0.0/27 --block-size 28 --quarantine 0s");
    for (rack, net) in [("r1", "10.0.1"), ("r2", "10.0.2")] {
        store.done(&format!("host set {rack} --address {net}.2/30"));
    }
    (lab, store)
}

/// Renders what a rack announces into the file that its BIRD includes.
fn render(lab: &Lab, store: &Store, rack: &str) {
    let file = Bird::included(lab, rack);
    store.done(&format!(
        "routes --host {rack} --format bird --out {}",
        file.display()
    ));
}

fn started(lab: &Lab) -> (Bird<'_>, Bird<'_>, Bird<'_>) {
    let to_racks = [("r1", "10.0.1.2", 65001), ("r2", "10.0.2.2", 65002)];
    let spine = Bird::start(lab, "spine", ("10.0.1.1", 65000), &to_racks);
    let first = Bird::start(
        lab,
        "r1",
        ("10.0.1.2", 65001),
        &[("spine", "10.0.1.1", 65000)],
    );
    let second = Bird::start(
        lab,
        "r2",
        ("10.0.2.2", 65002),
        &[("spine", "10.0.2.1", 65000)],
    );
    assert!(first.established("spine") && second.established("spine"));
    (spine, first, second)
}

/// The block that a host has, as `routes` lists it.
fn block(store: &Store, host: &str) -> String {
    let listed = store.done("routes");
    let mut lines = listed
        .lines()
        .map(|l| l.split_whitespace().collect::<Vec<_>>());
    let address = match host {
        "r1" => "10.0.1.2",
        _ => "10.0.2.2",
    };
    let line = lines.find(|l| l[0].ends_with("/28") && l.last() == Some(&address));
    line.expect("a block")[0].to_owned()
}

/// Prefixes go over BGP from rack to spine to rack; pods reach each other; what nobody uses of a block is dropped where it belongs.
pub(crate) fn racks_exchange_prefixes_and_pods_reach_each_other() {
    let (lab, store) = racks("racks");
    let (a, b) = (
        store.claim("--owner a --host r1"),
        store.claim("--owner b --host r2"),
    );
    lab.pod("r1", "a", &a);
    lab.pod("r2", "b", &b);
    render(&lab, &store, "r1");
    render(&lab, &store, "r2");
    let (spine, first, second) = started(&lab);
    let (of_first, of_second) = (block(&store, "r1"), block(&store, "r2"));
    assert!(first.routes(&of_second, true) && second.routes(&of_first, true));
    assert!(spine.routes(&of_first, true) && spine.routes(&of_second, true));
    assert!(lab.reaches("a", &b) && lab.reaches("b", &a));
    // Nothing more specific than the blocks is announced.
    assert_eq!(lab.ip("spine", "route show proto bird").lines().count(), 2);
    assert!(
        lab.ip("r1", &format!("route show {of_first}"))
            .starts_with("blackhole")
    );
    assert!(
        lab.ip("r2", &format!("route show {of_second}"))
            .starts_with("blackhole")
    );
}

/// A borrowed address is reached by its own prefix, past the block's owner; a fixed address that moves is reached on its new host;
/// no session and no static protocol begins anew.
pub(crate) fn borrowed_and_moved_addresses_converge_without_a_session_lost() {
    let (lab, store) = racks("borrow");
    let web = "--workload shop/web-0";
    let fixed = store.claim(&format!("--owner w1 {web} --fixed --host r1"));
    let b = store.claim("--owner b --host r2");
    lab.pod("r1", "w1", &fixed);
    lab.pod("r2", "b", &b);
    render(&lab, &store, "r1");
    render(&lab, &store, "r2");
    let (spine, first, second) = started(&lab);
    let lines = || {
        let session = [&first, &second].map(|bird| bird.protocol("spine"));
        let ours = [&first, &second].map(|bird| bird.protocol("berth4"));
        (session, ours, spine.protocol("r1"), spine.protocol("r2"))
    };
    assert!(lab.reaches("b", &fixed));
    let before = lines();

    // r1's block is full: the next address is borrowed of r2's.
    let own = block(&store, "r1");
    let inside = |address: &str| {
        let own: ipam::Cidr = own.parse().expect("a prefix");
        own.contains(address.parse().expect("an address"))
    };
    let filling = (0..).map(|i| store.claim(&format!("--owner fill-{i} --host r1")));
    let borrowed = filling.take(17).find(|address| !inside(address));
    let borrowed = borrowed.expect("an address of the other block");
    let single = format!("{borrowed}/32");
    assert!(store.done("routes").contains(&single), "{own} {borrowed}");
    lab.pod("r1", "borrower", &borrowed);
    render(&lab, &store, "r1");
    first.configure();
    assert!(spine.routes(&single, true) && second.routes(&single, true));
    assert!(lab.reaches("b", &borrowed) && lab.reaches("borrower", &b));

    // The fixed address goes to r2: its prefix there wins over r1's block.
    store.done("move begin --workload shop/web-0 --from r1 --to r2");
    store.done("release --owner w1");
    lab.remove("w1");
    store.done("move finish --workload shop/web-0 --owner w2");
    lab.pod("r2", "w2", &fixed);
    render(&lab, &store, "r1");
    render(&lab, &store, "r2");
    second.configure();
    first.configure();
    let single = format!("{fixed}/32");
    assert!(spine.routes(&single, true) && first.routes(&single, true));
    assert!(lab.reaches("borrower", &fixed) && lab.reaches("w2", &borrowed));

    // It comes back: the prefix is withdrawn, the block serves again.
    store.done("release --owner w2");
    lab.remove("w2");
    assert_eq!(
        store.claim(&format!("--owner w3 {web} --fixed --host r1")),
        fixed
    );
    lab.pod("r1", "w3", &fixed);
    render(&lab, &store, "r2");
    second.configure();
    assert!(spine.routes(&single, false) && first.routes(&single, false));
    assert!(lab.reaches("b", &fixed));
    assert_eq!(lines(), before, "since when each is as it is");
}

/// Gives up everything that r1 has.
fn emptied(store: &Store, owner: &str) {
    store.done(&format!("release --owner {owner}"));
    store.done("host set r1 --address 10.0.1.2/30 --drain");
    store.done("gc");
}

/// The blackhole and the announcement of a block are there for as long as the host has the block.
pub(crate) fn a_blackhole_goes_when_its_block_goes() {
    let (lab, store) = racks("block");
    store.claim("--owner a --host r1");
    render(&lab, &store, "r1");
    let (spine, first, _second) = started(&lab);
    let own = block(&store, "r1");
    assert!(first.routes(&own, true) && spine.routes(&own, true));
    assert!(
        lab.ip("r1", &format!("route show {own}"))
            .starts_with("blackhole")
    );
    emptied(&store, "a");
    render(&lab, &store, "r1");
    first.configure();
    assert!(first.routes(&own, false) && spine.routes(&own, false));
    assert!(first.protocol("spine").contains("Established"));
}

/// An administrator's route at the very place of the blackhole stays as it is, while the prefix is announced and once it is withdrawn.
pub(crate) fn a_route_of_others_stays_where_a_blackhole_would_be() {
    let (lab, store) = racks("theirs");
    store.claim("--owner a --host r1");
    render(&lab, &store, "r1");
    let own = block(&store, "r1");
    // BIRD's own metric: a second route does not fit beside it.
    lab.ip(
        "r1",
        &format!("route add {own} via 10.0.1.1 proto static metric 32"),
    );
    let theirs = || lab.ip("r1", &format!("route show {own}"));
    let before = theirs();
    let (spine, first, _second) = started(&lab);
    assert!(spine.routes(&own, true));
    assert_eq!(theirs(), before);
    emptied(&store, "a");
    render(&lab, &store, "r1");
    first.configure();
    assert!(spine.routes(&own, false));
    assert_eq!(theirs(), before);
}

/// A daemon killed without warning: the others lose its prefixes; once it runs again, what was over meanwhile is gone from its kernel,
/// and what others made there is as it was.
pub(crate) fn a_killed_daemon_leaves_nothing_unwanted() {
    let (lab, store) = racks("killed");
    store.claim("--owner a --host r1");
    store.claim("--owner b --host r2");
    render(&lab, &store, "r1");
    render(&lab, &store, "r2");
    let (spine, mut first, second) = started(&lab);
    let (own, other) = (block(&store, "r1"), block(&store, "r2"));
    assert!(first.routes(&other, true) && second.routes(&own, true));
    lab.ip("r1", "route add blackhole 10.60.0.0/24 proto static");
    let of_others = || {
        let text = lab.ip("r1", "-N route show");
        let all = text.lines().filter(|line| !line.contains("proto 12"));
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = of_others();
    first.kill();
    assert!(spine.routes(&own, false) && second.routes(&own, false));
    // The killed one's own kernel is as it left it, while the block goes.
    assert!(
        lab.ip("r1", &format!("route show {own}"))
            .starts_with("blackhole")
    );
    emptied(&store, "a");
    render(&lab, &store, "r1");
    first.run();
    assert!(first.established("spine"));
    assert!(first.routes(&own, false) && first.routes(&other, true));
    assert!(settles(|| lab
        .ip("r1", "route show proto bird")
        .lines()
        .count()
        == 1));
    assert_eq!(lab.ip("spine", "route show proto bird").lines().count(), 1);
    assert_eq!(of_others(), before);
}
