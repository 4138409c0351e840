//! Weights that are far apart.

use super::*;

#[test]
fn percentages_hold_however_far_apart_weights_are() {
    for good in [1, 7, 100, 1_000_000] {
        for degraded in [1, 7, 100, 1_000_000] {
            let service = Service::new(&[
                ("good", "north", good, PASS, WarmUpStart::Done),
                ("slow", "south", degraded, DEGRADED, WarmUpStart::Done),
            ]);
            assert_eq!(service.percent(named(&["good"])), 100.0);
            // In one region the good one carries 70, the degraded one what is left.
            let service = Service::new(&[
                ("good", "north", good, PASS, WarmUpStart::Done),
                ("slow", "north", degraded, DEGRADED, WarmUpStart::Done),
            ]);
            let percent = service.percent(named(&["slow"]));
            assert!(
                (percent - 30.0).abs() < 0.5,
                "{good} good, {degraded} degraded: {percent}"
            );
        }
    }
}

#[test]
fn a_panicking_region_carries_what_its_healthy_ones_would_however_light_they_are() {
    for light in [1, 100, 1_000_000] {
        let service = Service::new(&[
            ("ok", "north", light, PASS, WarmUpStart::Done),
            ("bad1", "north", 1_000_000, FAIL, WarmUpStart::Done),
            ("bad2", "north", 1_000_000, FAIL, WarmUpStart::Done),
            ("bad3", "north", 1_000_000, FAIL, WarmUpStart::Done),
            ("bad4", "north", 1_000_000, FAIL, WarmUpStart::Done),
            ("other", "south", 1, PASS, WarmUpStart::Done),
            ("worse", "south", 1, FAIL, WarmUpStart::Done),
        ]);
        let north = f64::from(light) / f64::from(light + 1) * 100.0;
        let percent = service.percent(|n| n == "ok" || n.starts_with("bad"));
        assert_eq!(service.mode(), Mode::Panic);
        assert!(
            (percent - north).abs() < 2.0,
            "{light}: {percent}, not {north}"
        );
    }
}
