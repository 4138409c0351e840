//! What a caller tells a picker beside weights: how calls ended, what a retry has tried, that a slot's endpoint is gone.

use core::time::Duration;
use std::collections::BTreeSet;

use discovery_core::{
    Alias, Balancer, Board, Choices, Conditions, Edf, Effect, EndpointSpec, Engine, Fare, Follower,
    Golden, Input, Maglev, Member, Outcome, PeakEwma, Picker, PriorityRules, Request, Rng,
    ServiceConfig, Smooth, Stride, Timestamp, Warmth,
};

type Boxed = Box<dyn Picker>;

fn named(weights: &[u32]) -> Vec<(u64, u32)> {
    (0..)
        .map(|i| i * 77 + 5)
        .zip(weights.iter().copied())
        .collect()
}

fn all(weights: &[u32]) -> Vec<(&'static str, Boxed)> {
    let real: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    let mut board = Board::new(weights.len());
    for (slot, &w) in weights.iter().enumerate() {
        board.set_weight(slot, w);
    }
    let follower: Follower<Boxed> = board.follow(|w| Box::new(Golden::new(w, 4)) as Boxed);
    vec![
        ("edf", Box::new(Edf::new(&real))),
        ("edf seeded", Box::new(Edf::seeded(&real, 4))),
        ("golden", Box::new(Golden::new(weights, 4))),
        ("smooth", Box::new(Smooth::new(weights))),
        ("stride", Box::new(Stride::new(&real, 3))),
        ("alias", Box::new(Alias::new(weights, 4))),
        (
            "choices",
            Box::new(Choices::new(weights, PeakEwma::default(), 4)),
        ),
        ("maglev", Box::new(Maglev::new(&named(weights)))),
        (
            "bounded",
            Box::new(Maglev::new(&named(weights)).bounded(125)),
        ),
        ("follower", Box::new(follower)),
    ]
}

fn at(ms: u64) -> Request {
    Request {
        key: ms.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        now: Timestamp::from_millis(1_000 + ms),
    }
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_retry_never_meets_what_was_tried_and_finds_what_is_left() {
    let mut rng = Rng::new(1, "retries");
    for round in 0..60 {
        let n = 1 + rng.below(40) as usize;
        let weight = |rng: &mut Rng| [0, 1, 7, 1_000_000_000][rng.below(4) as usize];
        let weights: Vec<u32> = (0..n).map(|_| weight(&mut rng)).collect();
        for (name, mut picker) in all(&weights) {
            let mut tried = Vec::new();
            for i in 0..=n as u64 {
                let left = (0..n).any(|s| weights[s] > 0 && !tried.contains(&s));
                let picked = picker.pick_except(&at(i), &tried);
                assert_eq!(
                    picked.is_some(),
                    left,
                    "{name}, round {round}: {tried:?} of {weights:?}"
                );
                let Some(slot) = picked else { break };
                assert!(
                    weights[slot] > 0 && !tried.contains(&slot),
                    "{name}: {slot} after {tried:?}"
                );
                tried.push(slot);
                picker.ended(slot, at(i).now, MS, Outcome::Local);
            }
            assert_eq!(
                picker.pick(&at(99)).is_some(),
                weights.iter().any(|&w| w > 0)
            );
        }
    }
}

/// Among the others retries go by weight, however heavy what was tried, and however many retries there are.
#[test]
fn retries_share_by_weight_among_the_others() {
    let weights = [1_000_000, 10, 20, 30, 40];
    for (name, mut picker) in all(&weights) {
        let mut counts = [0u32; 5];
        for i in 0..20_000 {
            let slot = picker.pick_except(&at(i), &[0]).unwrap();
            counts[slot] += 1;
            picker.ended(slot, at(i).now, MS, Outcome::Ok);
        }
        assert_eq!(counts[0], 0, "{name}");
        // Stride lifts light weights to a tenth of the mean, and a hash table of 1,021 places has none to spare for them.
        if !["stride", "maglev", "bounded"].contains(&name) {
            for (slot, count) in counts.iter().enumerate().skip(1) {
                let fair = 20_000 * weights[slot] / 100;
                assert!(count.abs_diff(fair) < 500, "{name}: {counts:?}");
            }
        }
    }
    // Retries in between leave the shares of ordinary picks alone.
    for (name, mut picker) in all(&[10, 20, 30, 40]) {
        let (mut counts, mut with_retries) = ([0i64; 4], [0i64; 4]);
        for i in 0..10_000 {
            let first = picker.pick(&at(i)).unwrap();
            counts[first] += 1;
            let retry = picker.pick_except(&at(i), &[first]).unwrap();
            [first, retry]
                .iter()
                .for_each(|&slot| with_retries[slot] += 1);
            picker.ended(first, at(i).now, MS, Outcome::Ok);
            picker.ended(retry, at(i).now, MS, Outcome::Ok);
        }
        for (slot, (count, both)) in counts.iter().zip(with_retries).enumerate() {
            let fair = (slot as i64 + 1) * 1_000;
            let off = match name {
                // Here a retry is one of the turns that a slot has: all of them together go by weight.
                "edf" | "edf seeded" | "stride" => (both - 2 * fair).abs(),
                _ => (count - fair).abs(),
            };
            let most =
                if name.starts_with("edf") || ["golden", "follower", "smooth"].contains(&name) {
                    3
                } else {
                    800
                };
            assert!(off < most, "{name}: {counts:?} {with_retries:?}");
        }
    }
}

/// Somebody's own picker need not know of retries.
#[test]
fn a_picker_of_ones_own_retries_by_picking_again() {
    struct Turns(usize);
    impl Picker for Turns {
        fn pick(&mut self, _: &Request) -> Option<usize> {
            self.0 += 1;
            Some(self.0 % 3)
        }
        fn set_weight(&mut self, _: usize, _: u32) {}
        fn weight(&self, slot: usize) -> u32 {
            u32::from(slot < 3)
        }
        fn slots(&self) -> usize {
            3
        }
    }
    let mut picker = Turns(0);
    for _ in 0..9 {
        let mut borrowed = &mut picker;
        assert_eq!(Picker::pick_except(&mut borrowed, &at(0), &[0, 2]), Some(1));
    }
    assert_eq!(picker.pick_except(&at(0), &[0, 1, 2]), None);
}

/// An endpoint that refuses within 1 ms, among others that take 20: what it gets of 20,000 requests.
fn to_the_failing(picker: &mut dyn Picker, outcome: Outcome) -> usize {
    let mut under_way = std::collections::VecDeque::new();
    let mut hits = 0;
    for i in 0..20_000u64 {
        let request = at(i);
        while under_way.front().is_some_and(|&(end, _, _)| end <= i) {
            let (_, slot, took) = under_way.pop_front().unwrap();
            let how = if slot == 0 { outcome } else { Outcome::Ok };
            picker.ended(slot, request.now, Duration::from_millis(took), how);
        }
        let slot = picker.pick(&request).unwrap();
        hits += usize::from(slot == 0);
        let took = if slot == 0 { 1 } else { 20 };
        let place = under_way.partition_point(|&(end, _, _)| end <= i + took);
        under_way.insert(place, (i + took, slot, took));
    }
    hits
}

#[test]
fn a_fast_failure_does_not_attract_traffic() {
    for n in [2, 3, 10, 100] {
        let fair = 20_000 / n;
        let fresh = || Choices::new(&vec![100; n], PeakEwma::default(), 5);
        for outcome in [Outcome::Error, Outcome::Gateway, Outcome::Local] {
            let got = to_the_failing(&mut fresh(), outcome);
            assert!(got * 4 < fair, "{n} slots: {got}, fair are {fair}");
        }
        let got = to_the_failing(&mut fresh(), Outcome::Ok);
        assert!(
            got > fair,
            "{n} slots: fast and well it has {got} of {fair}"
        );
        // Through a balancer and through a board, too.
        let mut b = Balancer::new(PriorityRules::default(), 1, |seed| {
            Choices::new(&[], PeakEwma::default(), seed)
        });
        let healthy = Member {
            priority: 0,
            base: 100,
            weight: 100,
            fare: Fare::Healthy,
        };
        (0..n).for_each(|slot| b.set(slot, Some(healthy)));
        struct Fed<B>(B);
        impl<F: Fn(u64) -> Choices> Picker for Fed<Balancer<Choices, F>> {
            fn pick(&mut self, request: &Request) -> Option<usize> {
                self.0.pick(request)
            }
            fn set_weight(&mut self, _: usize, _: u32) {}
            fn weight(&self, _: usize) -> u32 {
                1
            }
            fn slots(&self) -> usize {
                0
            }
            fn ended(&mut self, slot: usize, now: Timestamp, latency: Duration, outcome: Outcome) {
                self.0.ended(slot, now, latency, outcome);
            }
        }
        let got = to_the_failing(&mut Fed(b), Outcome::Error);
        assert!(got * 4 < fair, "{n} slots: {got}, fair are {fair}");
        let mut board = Board::new(n);
        (0..n).for_each(|slot| assert!(board.set_weight(slot, 100)));
        let mut follower = board.follow(|w| Choices::new(w, PeakEwma::default(), 5));
        let got = to_the_failing(&mut follower, Outcome::Error);
        assert!(got * 4 < fair, "{n} slots: {got}, fair are {fair}");
    }
}

/// A call that fails now and then is no reason to leave an endpoint alone.
#[test]
fn a_rare_failure_costs_little() {
    let mut choices = Choices::new(&[100; 10], PeakEwma::default(), 5);
    let mut hits = 0;
    for i in 0..100_000u64 {
        let slot = choices.pick(&at(i)).unwrap();
        hits += u64::from(slot == 0);
        let how = if slot == 0 && hits % 100 == 0 {
            Outcome::Error
        } else {
            Outcome::Ok
        };
        choices.ended(slot, at(i).now, Duration::from_millis(20), how);
    }
    assert!((4_000..10_500).contains(&hits), "{hits} of a fair 10,000");
}

/// Three slots with ten requests under way each; slot 1's endpoint goes, and another is given the slot.
fn hand_over(
    picker: &mut dyn Picker,
    weights: &[u32],
    free: impl FnOnce(&mut dyn Picker, Timestamp),
) {
    for slot in 0..weights.len() {
        let others: Vec<usize> = (0..weights.len()).filter(|&s| s != slot).collect();
        for i in 0..10 {
            assert_eq!(picker.pick_except(&at(i), &others), Some(slot));
        }
    }
    free(picker, at(10).now);
}

#[test]
fn a_slot_used_again_inherits_no_requests_under_way() {
    let weights = [100, 100, 100];
    let late = Duration::from_secs(1);
    let mut choices = Choices::new(&weights, PeakEwma::default(), 5);
    hand_over(&mut choices, &weights, |p, now| {
        p.free(1, now);
        p.set_weight(1, 100);
    });
    assert_eq!([0, 1, 2].map(|s| choices.under_way(s)), [10, 0, 10]);
    assert_eq!(choices.pick_except(&at(20), &[0, 2]), Some(1));
    assert_eq!(choices.pick_except(&at(20), &[0, 2]), Some(1));
    // The former endpoint's calls end: none of them is the new one's.
    (0..9).for_each(|_| choices.ended(1, at(30).now, late, Outcome::Error));
    assert_eq!(choices.under_way(1), 2);
    choices.done(1, at(30).now, 10 * MS);
    choices.done(1, at(31).now, late);
    assert_eq!(choices.under_way(1), 1);

    // Bounded Maglev: everything went to whoever had nothing under way.
    let mut bounded = Maglev::new(&named(&weights)).bounded(125);
    hand_over(&mut bounded, &weights, |p, now| {
        p.free(1, now);
        p.set_weight(1, 100);
    });
    let mut counts = [0; 3];
    for i in 20..80 {
        counts[bounded.pick(&at(i)).unwrap()] += 1;
    }
    // 20 under way and 60 more: at most 34 each, so 24, 24 and 12 at least.
    assert!(
        counts[0] <= 24 && counts[2] <= 24 && (12..=34).contains(&counts[1]),
        "{counts:?}"
    );
    for i in 0..10 {
        bounded.done(1, at(90 + i).now, late);
    }
    let more = (0..200)
        .filter(|&i| bounded.pick(&at(100 + i)) == Some(1))
        .count();
    assert!(
        more <= 120 - counts[1] as usize,
        "late ends made room for {more}"
    );

    // A new name for the slot says the same.
    let mut bounded = Maglev::new(&named(&weights)).bounded(125);
    hand_over(&mut bounded, &weights, |_, _| {});
    bounded.rename(1, 99);
    let counts = (20..80).map(|i| bounded.pick(&at(i)).unwrap());
    let ones = counts.filter(|&s| s == 1).count();
    assert!(ones >= 12, "{ones}");
}

#[test]
fn a_slot_used_again_inherits_no_latency() {
    let mut board = Board::new(2);
    (0..2).for_each(|slot| assert!(board.set_weight(slot, 100)));
    let mut follower = board.follow(|w| Choices::new(w, PeakEwma::default(), 5));
    for i in 0..100 {
        let slot = follower.pick(&at(i)).unwrap();
        let took = if slot == 1 {
            Duration::from_secs(100)
        } else {
            300 * MS
        };
        follower.ended(slot, at(i).now, took, Outcome::Ok);
    }
    let share = |follower: &mut Follower<Choices>, from: u64| {
        let picks = (from..from + 400).map(|i| {
            let slot = follower.pick(&at(i)).unwrap();
            follower.done(slot, at(i).now, 300 * MS);
            slot
        });
        picks.filter(|&slot| slot == 1).count()
    };
    let slow = share(&mut follower, 100);
    assert!(board.free(1));
    assert!(board.set_weight(1, 100));
    let fresh = share(&mut follower, 600);
    assert!(slow < 120 && fresh > 150, "{slow}, then {fresh} of 400");
    assert!(!board.free(2));
}

/// A balancer's slot that is gone, or moves to another priority, starts anew.
#[test]
fn a_balancers_slot_used_again_inherits_nothing() {
    let member = |priority| Member {
        priority,
        base: 100,
        weight: 100,
        fare: Fare::Healthy,
    };
    for leave in [None, Some(member(1))] {
        let make = |_| Maglev::new(&[]).bounded(125);
        let mut b = Balancer::new(PriorityRules::default(), 1, make);
        (0..3).for_each(|slot| b.set(slot, Some(member(0))));
        let picked: Vec<usize> = (0..300).map(|i| b.pick(&at(i)).unwrap()).collect();
        b.set(1, leave);
        b.set(1, Some(member(0)));
        // 100 each; slot 1 starts at none and has its share of the next 300.
        let ones = (300..600).filter(|&i| b.pick(&at(i)) == Some(1)).count();
        assert!((100..=209).contains(&ones), "{ones}");
        picked
            .iter()
            .for_each(|&slot| b.done(slot, at(700).now, Duration::from_secs(1)));
        let rest = (700..800)
            .filter_map(|i| b.pick(&at(i)))
            .collect::<BTreeSet<_>>();
        assert_eq!(rest.len(), 3);
    }
}

/// Requests given out before a panic end in the picker that counted them.
#[test]
fn panic_leaves_counts_right() {
    let member = |fare| {
        Some(Member {
            priority: 0,
            base: 100,
            weight: 100,
            fare,
        })
    };
    let mut b = Balancer::new(PriorityRules::default(), 1, |_| {
        Maglev::new(&[]).bounded(125)
    });
    (0..4).for_each(|slot| b.set(slot, member(Fare::Healthy)));
    for round in 0..20u64 {
        let from = round * 1_000;
        let mut picked: Vec<usize> = (0..40).map(|i| b.pick(&at(from + i)).unwrap()).collect();
        (1..4).for_each(|slot| b.set(slot, member(Fare::Failing)));
        assert!(b.loads().panic[0]);
        picked.extend((0..40).map(|i| b.pick(&at(from + 100 + i)).unwrap()));
        picked
            .iter()
            .for_each(|&slot| b.done(slot, at(from + 200).now, MS));
        (1..4).for_each(|slot| b.set(slot, member(Fare::Healthy)));
    }
    // Idle again: the bound is what it was at first.
    let counts = (0..40).fold([0; 4], |mut counts, i| {
        counts[b.pick(&at(50_000 + i)).unwrap()] += 1;
        counts
    });
    assert!(counts.iter().all(|&n| n <= 13), "{counts:?}");
}

#[test]
fn effects_carry_the_slot_and_deregistering_frees_it() {
    let mut engine = Engine::new(1);
    let config = ServiceConfig {
        hold_percent: 100,
        ..ServiceConfig::default()
    };
    let service = engine.service("web", config).unwrap();
    let spec = EndpointSpec {
        service,
        node: engine.node("n").unwrap(),
        zone: engine.zone("z").unwrap(),
        centre: engine.centre("north").unwrap(),
        address: "10.0.0.1:80".parse().unwrap(),
        weight: 10,
        conditions: Conditions::READY,
        started_at: Timestamp::ZERO,
        warmth: Warmth::Warm,
    };
    let mut choices = Choices::new(&[], PeakEwma::default(), 1);
    let mut slots = std::collections::BTreeMap::new();
    let mut rng = Rng::new(3, "slots");
    for step in 0..2_000u64 {
        let (now, mut out) = (at(step).now, Vec::new());
        let name = format!("e{}", rng.below(12));
        let input = match rng.below(3) {
            0 => Input::Remove { name: &name },
            1 => Input::Upsert {
                name: &name,
                spec: EndpointSpec {
                    weight: rng.below(3) as u32,
                    ..spec
                },
            },
            _ => Input::Upsert { name: &name, spec },
        };
        engine.handle(now, input, &mut out).unwrap();
        // Nothing but the effects is needed to keep a picker up to date.
        for effect in out {
            match effect {
                Effect::Register { endpoint, slot, .. } => {
                    assert_eq!(choices.under_way(slot), 0, "inherited");
                    assert!(slots.insert(endpoint, slot).is_none());
                }
                Effect::SetWeight {
                    endpoint,
                    slot,
                    weight,
                    ..
                } => {
                    assert_eq!(slots[&endpoint], slot);
                    choices.set_weight(slot, weight);
                }
                Effect::Update { endpoint, slot, .. } => assert_eq!(slots[&endpoint], slot),
                Effect::Deregister { endpoint, slot, .. } => {
                    assert_eq!(slots.remove(&endpoint), Some(slot));
                    choices.free(slot, now);
                }
                _ => {}
            }
        }
        for slot in 0..engine.slots(service) {
            let weight = engine.at(service, slot).map_or(0, |id| engine.weight(id));
            assert_eq!(choices.weight(slot), weight);
        }
        if let Some(slot) = choices.pick(&at(step)) {
            assert!(engine.at(service, slot).is_some());
        }
    }
}
