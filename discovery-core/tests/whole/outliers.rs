//! Passive checks through a whole engine.

use core::time::Duration;

use crate::bench::{Bench, secs};
use discovery_core::health::{
    CallOutcome, CheckKind, FailurePercentageEjection, HealthCheck, OutlierDetection,
    SuccessRateEjection,
};
use discovery_core::{Input, ServiceConfig};

fn engine(outliers: OutlierDetection) -> Bench {
    let outliers = Some(outliers);
    let mut b = Bench::new(ServiceConfig::default().with_outlier_detection(outliers));
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        b.put(name, |_| {});
    }
    b
}

fn call(b: &mut Bench, name: &str, outcome: CallOutcome, count: u32) {
    let endpoint = b.id(name);
    b.tell(Input::CallsEnded {
        endpoint,
        outcome,
        count,
    });
}

fn ejected(b: &Bench) -> String {
    let out = |n: &&str| b.engine.endpoint(b.id(n)).unwrap().ejected;
    ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
        .into_iter()
        .filter(out)
        .collect()
}

#[test]
fn runs_of_errors_eject_and_a_success_ends_a_run() {
    let mut b = engine(OutlierDetection::default().with_max_ejection_percent(30));
    call(&mut b, "a", CallOutcome::Error, 4);
    call(&mut b, "a", CallOutcome::Ok, 1);
    call(&mut b, "a", CallOutcome::Gateway, 4);
    assert_eq!(ejected(&b), "");
    call(&mut b, "a", CallOutcome::Error, 1);
    call(&mut b, "b", CallOutcome::Local, 5);
    assert_eq!(
        (ejected(&b).as_str(), b.weight("a"), b.weight("c")),
        ("ab", 0, 100_000)
    );
}

#[test]
fn ejections_grow_and_shrink() {
    let mut b = engine(OutlierDetection::default());
    let mut lengths = Vec::new();
    for _ in 0..3 {
        call(&mut b, "a", CallOutcome::Error, 5);
        let from = b.now;
        while !ejected(&b).is_empty() {
            b.now = b.now.after(Duration::from_secs(1));
            b.tell(Input::Time);
        }
        lengths.push(b.now.since(from).as_secs());
    }
    // 30, 60 and 90 s, each ended by the next interval of 10 s.
    assert_eq!(lengths, [30, 60, 90]);
    b.run_until(b.now.after(Duration::from_secs(100)));
    call(&mut b, "a", CallOutcome::Error, 5);
    let from = b.now;
    b.run_until(from.after(Duration::from_secs(30)));
    assert_eq!(
        ejected(&b),
        "",
        "well for long enough: the first length again"
    );
}

#[test]
fn ejection_cap_counts_each_region_apart() {
    let mut b = engine(OutlierDetection::default().with_max_ejection_percent(20));
    let south = b.engine.region("south").unwrap();
    for name in ["f", "g", "h", "i", "j"] {
        b.put(name, |s| s.region = south);
    }
    for name in ["a", "b", "f", "g"] {
        call(&mut b, name, CallOutcome::Error, 5);
    }
    assert_eq!(ejected(&b), "af", "one of five in each");
}

#[test]
fn a_cap_below_one_endpoint_ejects_nobody_unless_told() {
    let mut b = engine(OutlierDetection::default().with_max_ejection_percent(5));
    call(&mut b, "a", CallOutcome::Error, 5);
    assert_eq!(ejected(&b), "");
    let always = OutlierDetection::default()
        .with_max_ejection_percent(5)
        .with_always_one(true);
    let mut b = engine(always);
    call(&mut b, "a", CallOutcome::Error, 5);
    call(&mut b, "b", CallOutcome::Error, 5);
    assert_eq!(ejected(&b), "a");
}

#[test]
fn rates_are_judged_each_interval() {
    let rate = SuccessRateEjection::default();
    let mut b = engine(
        OutlierDetection::default()
            .with_max_ejection_percent(100)
            .with_consecutive_errors(None)
            .with_success_rate(rate),
    );
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        call(
            &mut b,
            name,
            CallOutcome::Error,
            if name == "j" { 50 } else { 2 },
        );
        call(
            &mut b,
            name,
            CallOutcome::Ok,
            if name == "j" { 50 } else { 98 },
        );
    }
    b.run_until(secs(9));
    assert_eq!(ejected(&b), "");
    b.run_until(secs(10));
    assert_eq!(ejected(&b), "j");
}

#[test]
fn a_pass_of_the_active_check_ends_an_ejection() {
    let mut b = engine(OutlierDetection::default());
    let mut config = b.engine.config(b.service).unwrap().clone();
    config.health = Some(HealthCheck::new(CheckKind::Tcp));
    let service = b.service;
    b.tell(Input::Configure {
        service,
        config: &config,
    });
    b.run_until(secs(2));
    call(&mut b, "a", CallOutcome::Error, 5);
    assert_eq!(ejected(&b), "a");
    b.run_until(secs(10));
    assert_eq!(ejected(&b), "");
}

#[test]
fn a_newcomer_in_an_old_slot_has_no_past() {
    let mut b = engine(OutlierDetection::default());
    call(&mut b, "a", CallOutcome::Error, 4);
    b.tell(Input::Remove { name: "a" });
    b.put("a", |_| {});
    call(&mut b, "a", CallOutcome::Error, 4);
    assert_eq!(ejected(&b), "");
}

fn rates() -> OutlierDetection {
    OutlierDetection::default()
        .with_consecutive_errors(None)
        .with_consecutive_local(None)
        .with_max_ejection_percent(100)
}

/// One interval in which `bad` fails half of its calls and the others none.
fn interval(b: &mut Bench, bad: &str) {
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        let errors = if name == bad { 100 } else { 0 };
        call(b, name, CallOutcome::Error, errors);
        call(b, name, CallOutcome::Ok, 200 - errors);
    }
    b.run_until(b.now.after(Duration::from_secs(10)));
}

#[test]
fn an_interval_that_ends_in_an_ejection_is_no_step_back() {
    let mut b = engine(rates());
    let mut lengths = Vec::new();
    for _ in 0..3 {
        interval(&mut b, "a");
        assert_eq!(ejected(&b), "a");
        let from = b.now;
        while !ejected(&b).is_empty() {
            interval(&mut b, "");
        }
        lengths.push(b.now.since(from).as_secs());
    }
    assert_eq!(
        lengths,
        [30, 60, 90],
        "bad again in the first interval back"
    );
}

#[test]
fn ejections_stop_growing_one_beyond_the_longest() {
    let mut b = engine(OutlierDetection::default().with_max_ejection(Duration::from_secs(60)));
    for _ in 0..9 {
        call(&mut b, "a", CallOutcome::Error, 5);
        while !ejected(&b).is_empty() {
            b.run_until(b.now.after(Duration::from_secs(1)));
        }
    }
    // Envoy counts to (60 + 30) / 30; each interval well takes one back, so that two leave one.
    b.run_until(b.now.after(Duration::from_secs(20)));
    call(&mut b, "a", CallOutcome::Error, 5);
    b.run_until(b.now.after(Duration::from_secs(59)));
    assert_eq!(ejected(&b), "a");
    b.run_until(b.now.after(Duration::from_secs(1)));
    assert_eq!(ejected(&b), "");
}

#[test]
fn a_run_that_was_refused_leaves_the_others_going() {
    let mut b = engine(OutlierDetection::default().with_consecutive_gateway(Some(3)));
    call(&mut b, "b", CallOutcome::Error, 5);
    // The cap of one in ten refuses this one, by its gateway errors.
    call(&mut b, "a", CallOutcome::Gateway, 3);
    b.run_until(secs(30));
    assert_eq!(ejected(&b), "");
    call(&mut b, "a", CallOutcome::Error, 2);
    assert_eq!(
        ejected(&b),
        "a",
        "five errors in a row, whatever was refused"
    );
}

#[test]
fn two_kinds_of_outlier_are_drawn_for_apart() {
    let failures = FailurePercentageEjection::default()
        .with_threshold_percent(40)
        .with_request_volume(100)
        .with_enforcement_percent(50);
    let mut b = engine(
        rates()
            .with_base_ejection(Duration::from_secs(1))
            .with_success_rate(SuccessRateEjection::default().with_enforcement_percent(50))
            .with_failure_percentage(failures),
    );
    let mut hits = 0;
    for _ in 0..400 {
        interval(&mut b, "a");
        hits += u32::from(ejected(&b) == "a");
        // Back before it is judged again.
        b.run_until(b.now.after(Duration::from_secs(120)));
        assert_eq!(ejected(&b), "");
    }
    assert!(
        (260..340).contains(&hits),
        "{hits} of 400, not three in four"
    );
}
