//! Elastic division, told as stories.

use core::time::Duration;
use netshape::elastic::{Elastic, ElasticConfig, Entitlement, Usage};
use netshape::kernel::KernelModel;
use netshape::plan::{diff, diff_touched};
use netshape::policy::Slot;
use netshape::{Capabilities, Container, Direction, Host, Rate, Shape};

const SECOND: Duration = Duration::from_secs(1);

/// Slots are a host's to give.
fn slots(n: usize) -> (Host, Vec<Slot>) {
    let mut host = Host::new(None, Vec::new(), Capabilities::default()).unwrap();
    let shape = Shape::new(Rate::mbit(20), Rate::mbit(100)).unwrap();
    let insert = |i| {
        let c = Container::new(&format!("c{i}"), &format!("v{i}")).unwrap();
        host.insert(c.with_shape(Direction::Ingress, shape))
            .unwrap()
    };
    let slots = (0..n).map(insert).collect();
    (host, slots)
}

fn divider(capacity: u64, terms: &[(u64, u64, u32)]) -> (Elastic, Vec<Slot>) {
    let (_, slots) = slots(terms.len());
    let mut elastic = Elastic::new(Rate::mbit(capacity), ElasticConfig::default());
    for (slot, (guarantee, ceiling, weight)) in slots.iter().zip(terms) {
        let (guarantee, ceiling) = (Rate::mbit(*guarantee), Rate::mbit(*ceiling));
        elastic.set(
            *slot,
            Some(Entitlement {
                guarantee,
                ceiling,
                weight: *weight,
            }),
        );
    }
    (elastic, slots)
}

/// Each class sends what it wants as far as it may; what it can't send waits.
fn run(elastic: &mut Elastic, slots: &[Slot], wants: &[u64], seconds: usize) -> Vec<Rate> {
    for _ in 0..seconds {
        let usage: Vec<Usage> = slots
            .iter()
            .zip(wants)
            .map(|(slot, want)| {
                let (want, given) = (Rate::mbit(*want), elastic.allocation(*slot).unwrap());
                let backlog = if want > given { 1_000_000 } else { 0 };
                Usage {
                    sent: want.min(given),
                    backlog,
                    overlimits: 0,
                }
            })
            .collect();
        elastic.step(SECOND, &usage);
        assert!(elastic.allocated() <= elastic.capacity());
    }
    slots
        .iter()
        .map(|s| elastic.allocation(*s).unwrap())
        .collect()
}

#[test]
fn weights_divide_what_is_wanted() {
    let (mut elastic, slots) = divider(90, &[(0, 100, 1), (0, 100, 2)]);
    let given = run(&mut elastic, &slots, &[100, 100], 40);
    assert_eq!(given, [Rate::mbit(30), Rate::mbit(60)]);
    assert_eq!(elastic.allocated(), elastic.capacity());
}

#[test]
fn a_hungry_guarantee_holder_is_served_within_one_interval() {
    let (mut elastic, slots) = divider(100, &[(60, 100, 1), (10, 100, 1)]);
    // The second takes what the first leaves.
    let given = run(&mut elastic, &slots, &[0, 100], 30);
    assert!(given[1] >= Rate::mbit(90), "{given:?}");
    // The first wants its guarantee: seen in one step, served from then on.
    let given = run(&mut elastic, &slots, &[60, 100], 1);
    assert!(
        given[0] >= Rate::mbit(60) && given[1] >= Rate::mbit(10),
        "{given:?}"
    );
}

#[test]
fn a_class_capped_at_its_limit_is_found_hungry() {
    let (mut elastic, slots) = divider(100, &[(10, 100, 1), (10, 100, 1)]);
    run(&mut elastic, &slots, &[5, 95], 20);
    // It never sends more than it has, shows no queue, and yet gets its share.
    for _ in 0..20 {
        let given: Vec<Rate> = slots
            .iter()
            .map(|s| elastic.allocation(*s).unwrap())
            .collect();
        let usage: Vec<Usage> = given
            .iter()
            .map(|g| Usage {
                sent: *g,
                ..Usage::default()
            })
            .collect();
        elastic.step(SECOND, &usage);
    }
    let given: Vec<Rate> = slots
        .iter()
        .map(|s| elastic.allocation(*s).unwrap())
        .collect();
    assert!(given.iter().all(|g| *g >= Rate::mbit(45)), "{given:?}");
}

#[test]
fn credit_saved_below_the_guarantee_is_spent_above_the_share() {
    let terms = [(30, 100, 1), (30, 100, 1)];
    let (mut saver, slots) = divider(100, &terms);
    // The first saves for a while, the second uses its guarantee all along.
    run(&mut saver, &slots, &[0, 40], 10);
    let burst = run(&mut saver, &slots, &[100, 100], 2);
    assert!(burst[0] > burst[1], "{burst:?}");
    // Credit comes to an end: then they are equal.
    let later = run(&mut saver, &slots, &[100, 100], 120);
    assert!(
        later[0].bits().abs_diff(later[1].bits()) <= 7_000_000,
        "{later:?}"
    );
}

#[test]
fn small_changes_move_nothing_and_equal_ticks_send_nothing() {
    let (mut host, slots) = slots(8);
    let mut elastic = Elastic::new(Rate::mbit(400), ElasticConfig::default());
    slots
        .iter()
        .for_each(|s| elastic.set(*s, host.entitlement(*s, Direction::Ingress)));
    let mut kernel = KernelModel::new();
    host.device_names()
        .into_iter()
        .for_each(|n| kernel.put_device(n, netshape::Device::new()));
    kernel.apply_all(&diff(kernel.state(), &host)).unwrap();
    let _ = diff_touched(kernel.state(), &mut host);
    let mut sent = 0;
    for second in 0..200_u64 {
        let use_ = |i: usize| Usage {
            sent: Rate::mbit(30 + (i as u64 + second) % 2),
            ..Usage::default()
        };
        let usage: Vec<Usage> = (0..8).map(use_).collect();
        elastic.step(SECOND, &usage);
        elastic.apply_to(&mut host, Direction::Ingress);
        let plan = diff_touched(kernel.state(), &mut host);
        sent += plan.len();
        kernel.apply_all(&plan).unwrap();
        assert!(
            second < 10 || plan.is_empty(),
            "second {second}: {}",
            plan.lines()
        );
    }
    assert!(sent > 0);
    // The same allocation again is no change, and one that differs by less than a byte a second has the same ticks.
    let same = elastic.allocation(slots[0]);
    host.allocate(slots[0], Direction::Ingress, same);
    assert!(diff_touched(kernel.state(), &mut host).is_empty());
    let less = same.map(|r| Rate::from_bits(r.bits() / 8 * 8 + (r.bits() + 1) % 8));
    host.allocate(slots[0], Direction::Ingress, less);
    assert!(diff_touched(kernel.state(), &mut host).is_empty());
}

#[test]
fn a_guarantee_is_served_within_one_interval_however_little_lacks() {
    // The first uses 305 of its 400, the second takes whatever is left. Then the first wants all of its guarantee: what is
    // assumed of it rises by less than a sixteenth, which hysteresis would not notice.
    let (mut elastic, slots) = divider(600, &[(400, 400, 1), (0, 600, 1)]);
    let given = run(&mut elastic, &slots, &[305, 600], 20);
    assert!(given[1] > Rate::mbit(200), "{given:?}");
    let given = run(&mut elastic, &slots, &[400, 600], 1);
    assert_eq!(given, [Rate::mbit(400), Rate::mbit(200)]);
}

#[test]
fn an_allocation_is_never_said_to_be_less_than_the_guarantee() {
    // The kernel gives a class its guarantee whatever others borrow of it, so that is what it may reach.
    let (mut elastic, slots) = divider(100, &[(60, 100, 1), (0, 100, 1)]);
    assert_eq!(elastic.allocation(slots[0]), Some(Rate::mbit(60)));
    for second in 0..30 {
        let usage = [(0, 0), (100, 1_000_000)].map(|(sent, backlog)| Usage {
            sent: Rate::mbit(sent),
            backlog,
            overlimits: 0,
        });
        for change in elastic.step(SECOND, &usage).to_vec() {
            // The first step says what each has, whatever that is.
            assert!(second == 0 || change.from != change.to);
            let least = if change.slot == slots[0] { 60 } else { 0 };
            assert!(
                change.from.min(change.to) >= Rate::mbit(least),
                "{change:?}"
            );
        }
    }
    assert_eq!(elastic.allocation(slots[0]), Some(Rate::mbit(60)));
    assert!(elastic.allocation(slots[1]).unwrap() > Rate::mbit(90));
    assert!(elastic.allocated() <= elastic.capacity());
}

#[test]
fn what_several_steps_gave_is_carried_at_once_and_into_any_host() {
    let (mut host, slots) = slots(4);
    let mut elastic = Elastic::new(Rate::mbit(100), ElasticConfig::default());
    // Nothing was divided yet, so there is nothing to carry.
    let set = |elastic: &mut Elastic, slot: Slot| {
        elastic.set(slot, host.entitlement(slot, Direction::Ingress));
    };
    slots.iter().for_each(|s| set(&mut elastic, *s));
    assert_eq!(elastic.apply_to(&mut host.clone(), Direction::Ingress), 0);
    // Who wants much changes with every step; none of them is carried.
    for hungry in 0..4 {
        let use_ = |i: usize| Usage {
            sent: Rate::mbit(if i == hungry { 60 } else { 1 }),
            backlog: if i == hungry { 1_000_000 } else { 0 },
            overlimits: 0,
        };
        let usage: Vec<Usage> = (0..4).map(use_).collect();
        elastic.step(SECOND, &usage);
    }
    let mut kernel = KernelModel::new();
    host.device_names()
        .into_iter()
        .for_each(|n| kernel.put_device(n, netshape::Device::new()));
    elastic.apply_to(&mut host, Direction::Ingress);
    kernel.apply_all(&diff(kernel.state(), &host)).unwrap();
    for slot in &slots {
        let name = host.device(*slot, Direction::Ingress).unwrap();
        let ceil = kernel.device(&name).unwrap().classes()[0].htb.ceil;
        let given = elastic.allocation(*slot).unwrap();
        assert_eq!(ceil.bytes_per_second, given.bytes_per_second());
    }
    // A second time there is nothing to say.
    assert_eq!(elastic.apply_to(&mut host, Direction::Ingress), 0);
}
