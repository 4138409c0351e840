//! What is read is what is there.

use crate::place::{Place, tc};
use netshape::kernel::Kernel as _;
use netshape::netlink::{Message, decode};
use netshape::object::Handle;
use netshape::{DevName, Netns};
use netshape_netlink::Error;

pub(crate) fn the_state_is_what_tc_made() {
    let mut place = Place::new();
    let pod = place.pod("v1");
    place.tc("qdisc add dev v1 root handle 1: htb default 10");
    place.tc("class add dev v1 parent 1: classid 1:1 htb rate 100mbit");
    place.tc("class add dev v1 parent 1:1 classid 1:10 htb rate 5mbit ceil 20gbit");
    place.tc("class add dev v1 parent 1:1 classid 1:20 htb rate 5mbit ceil 10mbit");
    place.tc("qdisc add dev v1 parent 1:10 handle 10: bfifo limit 100000");
    place.tc("qdisc add dev v1 handle ffff: ingress");
    place.tc(
        "filter add dev v1 parent 1: protocol ip prio 5 u32 match ip src 10.0.0.1/32 classid 1:10",
    );
    place.tc(
        "filter add dev v1 parent 1:1 protocol ip prio 7 u32 match ip src 10.0.0.2/32 classid 1:20",
    );
    place.tc("filter add dev v1 parent ffff: protocol all prio 9 u32 match u32 0 0 action mirred egress redirect dev up0");
    tc(
        &pod,
        "qdisc add dev eth0 root handle 5: tbf rate 1mbit burst 20000 limit 50000",
    );
    let pod = Netns::Named(pod.as_str().into());
    let wanted = [Netns::Host, pod.clone()];
    let state = place.on_host(async |mut kernel| kernel.observe(&wanted).await.unwrap());

    let v1 = state.device(&DevName::host("v1")).unwrap();
    assert_eq!(v1.root().unwrap().handle, Handle::qdisc(1));
    assert_eq!(v1.classes().len(), 3);
    assert_eq!(
        v1.class(Handle::new(1, 0x10))
            .unwrap()
            .htb
            .ceil
            .bytes_per_second,
        2_500_000_000
    );
    assert!(v1.qdisc_at(Handle::new(1, 0x10)).is_some() && v1.qdisc_at(Handle::INGRESS).is_some());
    let mut nodes: Vec<(Handle, u16)> = v1.filters().iter().map(|f| (f.parent, f.prio)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let expected = [
        (Handle::qdisc(1), 5),
        (Handle::new(1, 1), 7),
        (Handle::INGRESS_QDISC, 9),
    ];
    assert_eq!(nodes, expected);
    assert!(v1.ifindex.is_some() && v1.gso_max_size >= Some(65_536));
    let eth0 = state
        .device(&DevName {
            netns: pod,
            dev: "eth0".into(),
        })
        .unwrap();
    assert_eq!(eth0.root().unwrap().kind.name(), "tbf");
    assert!(state.device(&DevName::host("lo")).is_some());
}

pub(crate) fn counters_come_with_the_dump() {
    let mut place = Place::new();
    place.pod("v1");
    place.tc("qdisc add dev v1 root handle 1: htb default 10");
    place.tc("class add dev v1 parent 1: classid 1:10 htb rate 100mbit");
    let dumps = place.on_host(async |kernel| kernel.dump(&[Netns::Host]).await.unwrap());
    let [dump] = &*dumps else { panic!("{dumps:?}") };
    let v1 = dump.links.iter().find(|l| l.name == "v1").unwrap();
    assert_eq!(v1.kind.as_deref(), Some("veth"));
    let counted = decode(&dump.messages).any(|message| match message.unwrap() {
        Message::Tc(m) => {
            m.ifindex == v1.ifindex
                && m.handle == Handle::new(1, 0x10)
                && m.stats.is_some_and(|s| s.htb.is_some())
        }
        _ => false,
    });
    assert!(counted);
}

pub(crate) fn namespaces_that_are_not_there_are_left_out() {
    let place = Place::new();
    let wanted = [
        Netns::Host,
        Netns::Named("no-such-netns".into()),
        Netns::Pid(u32::MAX),
    ];
    let dumps = place.on_host(async |kernel| kernel.dump(&wanted).await.unwrap());
    assert_eq!(dumps.len(), 1);
    assert_eq!(dumps[0].netns, Netns::Host);
    // A file that no namespace is mounted on, as a crash of `ip netns add` leaves it.
    let stale = format!("/run/netns/{}-stale", place.host);
    std::fs::write(&stale, "").unwrap();
    let wanted = [Netns::Named(format!("{}-stale", place.host).into())];
    let dumps = place.on_host(async |kernel| kernel.dump(&wanted).await);
    std::fs::remove_file(&stale).unwrap();
    assert!(dumps.unwrap().is_empty());
}

pub(crate) fn a_name_that_is_a_path_is_refused() {
    let place = Place::new();
    for name in ["../netns/x", "..", ".", "", "a\0b", "/proc/1/ns/net"] {
        let wanted = [Netns::Named(name.into())];
        let read = place.on_host(async |kernel| kernel.dump(&wanted).await);
        assert!(
            matches!(read, Err(Error::Namespace { .. })),
            "{name:?}: {read:?}"
        );
    }
}

pub(crate) fn the_probe_agrees_with_tc() {
    let place = Place::new();
    let before = place.ip("-o link");
    let probed = place.on_host(async |kernel| kernel.probe().await.unwrap());
    assert_eq!(place.ip("-o link"), before);
    for kind in [
        "htb", "tbf", "bfifo", "fq_codel", "fq", "prio", "ingress", "clsact",
    ] {
        let options = match kind {
            "ingress" | "clsact" => kind.to_owned(),
            "tbf" => "root tbf rate 1mbit burst 20000 limit 50000".to_owned(),
            _ => format!("root {kind}"),
        };
        let words = format!("-n {} qdisc add dev up0 {options}", place.host);
        let tried = std::process::Command::new("tc")
            .args(words.split_whitespace())
            .output()
            .unwrap();
        assert_eq!(
            probed.qdiscs.contains(kind),
            tried.status.success(),
            "{kind}: {tried:?}"
        );
        if tried.status.success() {
            let at = if matches!(kind, "ingress" | "clsact") {
                kind
            } else {
                "root"
            };
            place.tc(&format!("qdisc del dev up0 {at}"));
        }
    }
    assert_eq!(
        probed.capabilities().fq_codel,
        probed.qdiscs.contains("fq_codel")
    );
    assert!(probed.missing().is_empty(), "{:?}", probed.missing());
    assert!(
        probed.missing_for_ifb().is_empty(),
        "{:?}",
        probed.missing_for_ifb()
    );
}

pub(crate) fn a_namespace_with_two_names_is_read_once() {
    let mut place = Place::new();
    let pod = place.pod("v1");
    let pid = Netns::Pid(std::process::id());
    let named = Netns::Named(pod.as_str().into());
    let wanted = [
        Netns::Host,
        named.clone(),
        Netns::Named(place.host.as_str().into()),
        named.clone(),
        pid.clone(),
    ];
    let dumps = place.on_host(async |kernel| kernel.dump(&wanted).await.unwrap());
    let read: Vec<(&Netns, usize)> = dumps.iter().map(|d| (&d.netns, d.aliases.len())).collect();
    assert_eq!(read, [(&Netns::Host, 1), (&named, 0), (&pid, 0)]);
    assert_eq!(dumps[0].aliases, [Netns::Named(place.host.as_str().into())]);
}
