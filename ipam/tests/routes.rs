//! Routes of hosts that borrow, and differences carried out on a model of a kernel's table.

use ipam::routes::{NextHop, ObservedRoute, Route, RoutePlan, Step, merged};
use ipam::{Cidr, Ipam, PoolSpec, Request, Timestamp, change::HostSettings};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// All of a pool is `h1`'s, what is in `h2`'s only block borrowed.
fn lent(cidr: &str, block: u8, start: &str) -> Ipam {
    let mut ipam = Ipam::new(7);
    let spec = PoolSpec::new("p", cidr.parse().unwrap())
        .block_size(block)
        .quarantine(Duration::ZERO);
    ipam.add_pool(at(0), spec).unwrap();
    let starts = vec![start.parse().unwrap()];
    let settings = HostSettings {
        starts,
        ..HostSettings::default()
    };
    ipam.set_host(at(0), "h2", settings).unwrap();
    let first = ipam.claim(at(1), &Request::new("b").host("h2")).unwrap();
    let mut next = 0..;
    let mut claimed = |ipam: &mut Ipam| {
        let owner = format!("a{}", next.next().unwrap_or(0));
        ipam.claim(at(2), &Request::new(&owner).host("h1")).is_ok()
    };
    while claimed(&mut ipam) {}
    // What h2 had goes to h1 as well: h2 still has the block.
    ipam.release(at(3), "b", first.sequence).unwrap();
    assert!(claimed(&mut ipam));
    ipam
}

fn cidrs<const N: usize>(texts: [&str; N]) -> Vec<Cidr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn what_is_borrowed_of_a_block_is_more_specific_than_the_block() {
    let ipam = lent("10.9.0.0/28", 30, "10.9.0.4");
    assert_eq!(ipam.routes("h2"), cidrs(["10.9.0.4/30"]));
    let expected = ["10.9.0.0/30", "10.9.0.4/31", "10.9.0.6/31", "10.9.0.8/29"];
    assert_eq!(ipam.routes("h1"), cidrs(expected));
}

#[test]
fn a_block_of_one_address_is_routed_by_who_has_the_address() {
    let ipam = lent("10.9.0.0/31", 32, "10.9.0.1");
    let mut routes = ipam.routes("h1");
    routes.sort();
    assert_eq!(routes, cidrs(["10.9.0.0/32", "10.9.0.1/32"]));
    assert_eq!(ipam.routes("h2"), []);
}

/// Prefixes of a /28, most of them alike.
fn prefix() -> impl Strategy<Value = Cidr> {
    (0u8..16, 28u8..=32).prop_map(|(last, length)| {
        Cidr::containing(IpAddr::V4(Ipv4Addr::new(10, 9, 0, last)), length).unwrap()
    })
}

fn hop() -> impl Strategy<Value = NextHop> {
    prop_oneof![
        Just(NextHop::Blackhole),
        (1u8..4).prop_map(|last| NextHop::Host(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))),
        Just(NextHop::Device("br0".parse().unwrap())),
    ]
}

const OURS: u32 = 198;
const METRIC: u32 = 9;

proptest! {
    /// Steps are carried out as a kernel does: adding to a taken place fails, removing needs the mark.
    #[test]
    fn a_plan_reaches_what_is_wanted_and_touches_nobody_elses(
        there in prop::collection::btree_map((prefix(), 8u32..11), (hop(), prop_oneof![Just(OURS), Just(4)]), 0..20),
        wanted in prop::collection::btree_map(prefix(), hop(), 0..20),
    ) {
        let observed: Vec<ObservedRoute> = there.iter().map(|(&(prefix, metric), (hop, mark))| {
            ObservedRoute { prefix, hop: Some(hop.clone()), mark: *mark, metric }
        }).collect();
        let routes: Vec<Route> = wanted.iter().map(|(&prefix, hop)| Route { prefix, hop: hop.clone() }).collect();
        let plan = RoutePlan::between(&observed, &routes, OURS, METRIC);
        let mut kernel = there.clone();
        for step in &plan.steps {
            match step {
                Step::Add(route) => {
                    let taken = kernel.insert((route.prefix, METRIC), (route.hop.clone(), OURS));
                    prop_assert_eq!(taken, None);
                }
                Step::Remove(old) => {
                    let gone = kernel.remove(&(old.prefix, old.metric));
                    prop_assert_eq!(gone.map(|(_, mark)| mark), Some(OURS));
                }
            }
        }
        let others = |table: &BTreeMap<(Cidr, u32), (NextHop, u32)>| {
            table.iter().filter(|(_, (_, mark))| *mark != OURS).map(|(k, v)| (*k, v.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(others(&kernel), others(&there));
        for (prefix, hop) in &wanted {
            let is_there = kernel.get(&(*prefix, METRIC)) == Some(&(hop.clone(), OURS));
            let left = plan.left_alone.iter().any(|left| left.route.prefix == *prefix);
            prop_assert!(is_there != left, "{} {}", prefix, left);
        }
        let ours = kernel.iter().filter(|(_, (_, mark))| *mark == OURS);
        prop_assert!(ours.into_iter().all(|((prefix, metric), _)| *metric == METRIC && wanted.contains_key(prefix)));
        let again: Vec<ObservedRoute> = kernel.iter().map(|(&(prefix, metric), (hop, mark))| {
            ObservedRoute { prefix, hop: Some(hop.clone()), mark: *mark, metric }
        }).collect();
        prop_assert!(RoutePlan::between(&again, &routes, OURS, METRIC).is_empty());
    }

    #[test]
    fn merged_prefixes_cover_the_same_addresses(parts in prop::collection::vec(prefix(), 0..20)) {
        let covers = |all: &[Cidr], last: u8| all.iter().any(|c| c.contains(IpAddr::V4(Ipv4Addr::new(10, 9, 0, last))));
        let whole = merged(parts.clone());
        for last in 0..=255 {
            prop_assert_eq!(covers(&parts, last), covers(&whole, last));
        }
    }
}
