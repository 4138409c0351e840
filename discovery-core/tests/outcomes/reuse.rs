//! A slot that is used again inherits nothing.

use std::collections::BTreeSet;

use discovery_core::endpoint::WarmUpStart;
use discovery_core::locality::{Balancer, EndpointHealth, Member, PriorityRules};
use discovery_core::rng;
use discovery_core::{Effect, EndpointSpec, Engine, Input, ServiceConfig};
use rand::RngExt as _;

use super::*;

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
    let mut p2c = P2c::new(&weights, PeakEwma::default(), 5);
    hand_over(&mut p2c, &weights, |p, now| {
        p.free(1, now);
        p.set_weight(1, 100);
    });
    assert_eq!([0, 1, 2].map(|s| p2c.under_way(s)), [10, 0, 10]);
    assert_eq!(p2c.pick_except(&at(20), &[0, 2]), Some(1));
    assert_eq!(p2c.pick_except(&at(20), &[0, 2]), Some(1));
    // The former endpoint's calls end: none of them is the new one's.
    (0..9).for_each(|_| p2c.ended(1, at(30).now, late, CallOutcome::Error));
    assert_eq!(p2c.under_way(1), 2);
    p2c.done(1, at(30).now, 10 * MS);
    p2c.done(1, at(31).now, late);
    assert_eq!(p2c.under_way(1), 1);

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
    let mut shared = SharedWeights::new(2);
    (0..2).for_each(|slot| assert!(shared.set_weight(slot, 100)));
    let mut follower = shared.follow(|w| P2c::new(w, PeakEwma::default(), 5));
    for i in 0..100 {
        let slot = follower.pick(&at(i)).unwrap();
        let took = if slot == 1 {
            Duration::from_secs(100)
        } else {
            300 * MS
        };
        follower.ended(slot, at(i).now, took, CallOutcome::Ok);
    }
    let share = |follower: &mut Follower<P2c>, from: u64| {
        let picks = (from..from + 400).map(|i| {
            let slot = follower.pick(&at(i)).unwrap();
            follower.done(slot, at(i).now, 300 * MS);
            slot
        });
        picks.filter(|&slot| slot == 1).count()
    };
    let slow = share(&mut follower, 100);
    assert!(shared.free(1));
    assert!(shared.set_weight(1, 100));
    let fresh = share(&mut follower, 600);
    assert!(slow < 120 && fresh > 150, "{slow}, then {fresh} of 400");
    assert!(!shared.free(2));
}

/// A balancer's slot that is gone, or moves to another priority, starts anew.
#[test]
fn a_balancers_slot_used_again_inherits_nothing() {
    let member = |priority| Member {
        priority,
        base: 100,
        weight: 100,
        health: EndpointHealth::Healthy,
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
    let member = |health| {
        Some(Member {
            priority: 0,
            base: 100,
            weight: 100,
            health,
        })
    };
    let mut b = Balancer::new(PriorityRules::default(), 1, |_| {
        Maglev::new(&[]).bounded(125)
    });
    (0..4).for_each(|slot| b.set(slot, member(EndpointHealth::Healthy)));
    for round in 0..20u64 {
        let from = round * 1_000;
        let mut picked: Vec<usize> = (0..40).map(|i| b.pick(&at(from + i)).unwrap()).collect();
        (1..4).for_each(|slot| b.set(slot, member(EndpointHealth::Failing)));
        assert!(b.loads().panic[0]);
        picked.extend((0..40).map(|i| b.pick(&at(from + 100 + i)).unwrap()));
        picked
            .iter()
            .for_each(|&slot| b.done(slot, at(from + 200).now, MS));
        (1..4).for_each(|slot| b.set(slot, member(EndpointHealth::Healthy)));
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
    let config = ServiceConfig::default().with_hold_percent(100);
    let service = engine.service("web", config).unwrap();
    let spec = EndpointSpec::new(
        service,
        engine.node("n").unwrap(),
        engine.zone("z").unwrap(),
        engine.region("north").unwrap(),
        "10.0.0.1:80".parse().unwrap(),
    )
    .with_base_weight(10)
    .with_warm_up_start(WarmUpStart::Done);
    let mut p2c = P2c::new(&[], PeakEwma::default(), 1);
    let mut slots = std::collections::BTreeMap::new();
    let mut rng = rng::stream(3, "slots");
    for step in 0..2_000u64 {
        let (now, mut out) = (at(step).now, Vec::new());
        let name = format!("e{}", rng.random_range(0..12));
        let input = match rng.random_range(0..3) {
            0 => Input::Remove { name: &name },
            1 => Input::Upsert {
                name: &name,
                spec: spec.with_base_weight(rng.random_range(0..3) as u32),
            },
            _ => Input::Upsert { name: &name, spec },
        };
        engine.handle(now, input, &mut out).unwrap();
        // Nothing but the effects is needed to keep a picker up to date.
        for effect in out {
            match effect {
                Effect::Register { endpoint, slot, .. } => {
                    assert_eq!(p2c.under_way(slot), 0, "inherited");
                    assert!(slots.insert(endpoint, slot).is_none());
                }
                Effect::SetWeight {
                    endpoint,
                    slot,
                    weight,
                    ..
                } => {
                    assert_eq!(slots[&endpoint], slot);
                    p2c.set_weight(slot, weight);
                }
                Effect::Update { endpoint, slot, .. } => assert_eq!(slots[&endpoint], slot),
                Effect::Deregister { endpoint, slot, .. } => {
                    assert_eq!(slots.remove(&endpoint), Some(slot));
                    p2c.free(slot, now);
                }
                _ => {}
            }
        }
        for slot in 0..engine.slots(service) {
            let weight = engine
                .endpoint_at(service, slot)
                .map_or(0, |id| engine.weight(id));
            assert_eq!(p2c.weight(slot), weight);
        }
        if let Some(slot) = p2c.pick(&at(step)) {
            assert!(engine.endpoint_at(service, slot).is_some());
        }
    }
}
