//! What failed fast is not fast.

use discovery_core::locality::{Balancer, EndpointHealth, Member, PriorityRules};

use super::*;

/// An endpoint that refuses within 1 ms, among others that take 20: what it gets of 20,000 requests.
fn to_the_failing(picker: &mut dyn Picker, outcome: CallOutcome) -> usize {
    let mut under_way = std::collections::VecDeque::new();
    let mut hits = 0;
    for i in 0..20_000u64 {
        let request = at(i);
        while under_way.front().is_some_and(|&(end, _, _)| end <= i) {
            let (_, slot, took) = under_way.pop_front().unwrap();
            let how = if slot == 0 { outcome } else { CallOutcome::Ok };
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
        let fresh = || P2c::new(&vec![100; n], PeakEwma::default(), 5);
        for outcome in [CallOutcome::Error, CallOutcome::Gateway, CallOutcome::Local] {
            let got = to_the_failing(&mut fresh(), outcome);
            assert!(got * 4 < fair, "{n} slots: {got}, fair are {fair}");
        }
        let got = to_the_failing(&mut fresh(), CallOutcome::Ok);
        assert!(
            got > fair,
            "{n} slots: fast and well it has {got} of {fair}"
        );
        // Through a balancer and through shared weights, too.
        let mut b = Balancer::new(PriorityRules::default(), 1, |seed| {
            P2c::new(&[], PeakEwma::default(), seed)
        });
        let healthy = Member {
            priority: 0,
            base: 100,
            weight: 100,
            health: EndpointHealth::Healthy,
        };
        (0..n).for_each(|slot| b.set(slot, Some(healthy)));
        struct Fed<B>(B);
        impl<F: Fn(u64) -> P2c> Picker for Fed<Balancer<P2c, F>> {
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
            fn ended(
                &mut self,
                slot: usize,
                now: Timestamp,
                latency: Duration,
                outcome: CallOutcome,
            ) {
                self.0.ended(slot, now, latency, outcome);
            }
        }
        let got = to_the_failing(&mut Fed(b), CallOutcome::Error);
        assert!(got * 4 < fair, "{n} slots: {got}, fair are {fair}");
        let mut shared = SharedWeights::new(n);
        (0..n).for_each(|slot| assert!(shared.set_weight(slot, 100)));
        let mut follower = shared.follow(|w| P2c::new(w, PeakEwma::default(), 5));
        let got = to_the_failing(&mut follower, CallOutcome::Error);
        assert!(got * 4 < fair, "{n} slots: {got}, fair are {fair}");
    }
}

/// A call that fails now and then is no reason to leave an endpoint alone.
#[test]
fn a_rare_failure_costs_little() {
    let mut p2c = P2c::new(&[100; 10], PeakEwma::default(), 5);
    let mut hits = 0;
    for i in 0..100_000u64 {
        let slot = p2c.pick(&at(i)).unwrap();
        hits += u64::from(slot == 0);
        let how = if slot == 0 && hits % 100 == 0 {
            CallOutcome::Error
        } else {
            CallOutcome::Ok
        };
        p2c.ended(slot, at(i).now, Duration::from_millis(20), how);
    }
    assert!((4_000..10_500).contains(&hits), "{hits} of a fair 10,000");
}
