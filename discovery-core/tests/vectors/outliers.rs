//! Who is ejected, by what the callers of a whole engine report.

use core::time::Duration;
use std::collections::BTreeMap;

use discovery_core::endpoint::WarmUpStart;
use discovery_core::health::{
    CallOutcome, FailurePercentageEjection, Flavour, OutlierDetection, SuccessRateEjection,
    success_rate_threshold,
};
use discovery_core::{EndpointId, EndpointSpec, Engine, Input, ServiceConfig, Timestamp};
use test_support::{Value, field, only, text};

use super::{asserts_nothing, each, integer, integers, near, number, numbers, same, whole};

struct Hosts {
    engine: Engine,
    ids: Vec<EndpointId>,
}

impl Hosts {
    fn new(n: usize, outliers: OutlierDetection) -> Self {
        let mut engine = Engine::new(1);
        let config = ServiceConfig::default().with_outlier_detection(outliers);
        let service = engine.service("s", config).unwrap();
        let spec = EndpointSpec::new(
            service,
            engine.node("n").unwrap(),
            engine.zone("z").unwrap(),
            engine.region("c").unwrap(),
            "10.0.0.1:80".parse().unwrap(),
        )
        .with_base_weight(1)
        .with_warm_up_start(WarmUpStart::Done);
        let mut hosts = Self {
            engine,
            ids: Vec::new(),
        };
        for i in 0..n {
            let name = format!("host{i}");
            hosts.tell(Timestamp::ZERO, Input::Upsert { name: &name, spec });
            hosts.ids.push(hosts.engine.find(&name).unwrap());
        }
        hosts
    }

    fn tell(&mut self, now: Timestamp, input: Input<'_>) {
        self.engine.handle(now, input, &mut Vec::new()).unwrap();
    }

    fn call(&mut self, now: Timestamp, host: usize, outcome: CallOutcome, count: u32) {
        let endpoint = self.ids[host];
        self.tell(
            now,
            Input::CallsEnded {
                endpoint,
                outcome,
                count,
            },
        );
    }

    fn ejected(&self) -> Vec<u64> {
        let out = |id: &EndpointId| self.engine.endpoint(*id).is_some_and(|e| e.ejected);
        (0..)
            .zip(&self.ids)
            .filter(|(_, id)| out(id))
            .map(|(i, _)| i)
            .collect()
    }
}

/// Only rates are judged.
fn rates_only() -> OutlierDetection {
    OutlierDetection::default()
        .with_consecutive_errors(None)
        .with_consecutive_gateway(None)
        .with_consecutive_local(None)
        .with_success_rate(None)
}

pub(crate) fn envoy_outlier_success_rate() {
    let fields = [
        "success_rates",
        "stdev_factor_permille",
        "mean",
        "variance",
        "stdev",
        "threshold",
        "ejected",
    ];
    each("envoy_outlier_success_rate.json", &fields, |case, _| {
        let rates = numbers(case, "success_rates");
        let factor = integer(case, "stdev_factor_permille")? as u32;
        let found = success_rate_threshold(&rates, factor).ok_or("no rates")?;
        let said = [
            ("mean", found.mean),
            ("variance", found.variance),
            ("stdev", found.stdev),
            ("threshold", found.threshold),
        ];
        for (key, got) in said {
            if case.get(key).is_some() {
                near(key, number(case, key)?, got, 0.01)?;
            }
        }
        // The same through an engine: a million calls a host, rates to a ten-thousandth of a percent.
        let rate = SuccessRateEjection::default()
            .with_stdev_factor_permille(factor)
            .with_minimum_hosts(1);
        let outliers = rates_only()
            .with_success_rate(rate)
            .with_max_ejection_percent(100);
        let mut hosts = Hosts::new(rates.len(), outliers);
        for (host, rate) in rates.iter().enumerate() {
            let well = (rate * 10_000.0).round() as u32;
            hosts.call(Timestamp::ZERO, host, CallOutcome::Ok, well);
            hosts.call(Timestamp::ZERO, host, CallOutcome::Error, 1_000_000 - well);
        }
        hosts.tell(Timestamp::from_secs(10), Input::Time);
        expect("ejected", case, &hosts.ejected())?;
        let ejected = hosts.ejected();
        // The ejection lasts its 30 s and not less, with nobody calling.
        for seconds in [20, 30] {
            hosts.tell(Timestamp::from_secs(seconds), Input::Time);
        }
        hosts.tell(Timestamp::from_millis(39_999), Input::Time);
        same("ejected at 39.999 s", &ejected, &hosts.ejected())?;
        hosts.tell(Timestamp::from_secs(40), Input::Time);
        same("ejected at 40 s", &Vec::new(), &hosts.ejected())
    });
}

/// Who is ejected by a case: the list under `key`, or a number of them there or under a key that begins like it
/// (who of several is ejected first may be left open).
fn expect(key: &str, case: &Value, got: &[u64]) -> Result<(), String> {
    if case.get(key).is_some_and(Value::is_array) {
        return same(key, &integers(case, key).as_slice(), &got);
    }
    let fields = case.as_object().into_iter().flatten();
    let count = fields
        .filter(|(k, _)| k.starts_with(key))
        .find_map(|(_, v)| whole(v));
    match count {
        Some(count) => same("number ejected", &count, &(got.len() as u64)),
        None => asserts_nothing(),
    }
}

/// A span of time in words: `interval`, `base_ejection_time` or `max_ejection_time`, and maybe `+1ns`.
fn advance(text: &str, outliers: &OutlierDetection) -> Result<Duration, String> {
    let (name, more) = text.split_once('+').unwrap_or((text, "0ns"));
    let span = match name.trim() {
        "interval" => outliers.interval,
        "base_ejection_time" => outliers.base_ejection,
        "max_ejection_time" => outliers.max_ejection,
        other => return Err(format!("no span of time is called {other}")),
    };
    let nanos = more.trim().strip_suffix("ns").map(str::parse);
    match nanos {
        Some(Ok(nanos)) => Ok(span + Duration::from_nanos(nanos)),
        _ => Err(format!("{text} does not end in nanoseconds")),
    }
}

pub(crate) fn grpc_outlier_detection() {
    let fields = [
        "hosts",
        "total_calls",
        "assignment",
        "interval_s",
        "base_ejection_time_s",
        "max_ejection_time_s",
        "max_ejection_percent",
        "success_rate",
        "failure_percentage",
        "failing_hosts",
        "max_calls",
        "ejected",
        "then",
    ];
    each("grpc_outlier_detection.json", &fields, |case, whole| {
        let defaults = whole.get("defaults").ok_or("no defaults")?.clone();
        // Calls go round robin below.
        let assignment = text(case, "assignment")?;
        if !assignment.starts_with("round robin") {
            return Err(format!("calls are assigned {assignment:?}"));
        }
        let given = |key: &str| integer(case, key).or_else(|_| integer(&defaults, key));
        let seconds = |key: &str| given(key).map(Duration::from_secs);
        let outliers = rates_only()
            .with_flavour(Flavour::Grpc)
            .with_interval(seconds("interval_s")?)
            .with_base_ejection(seconds("base_ejection_time_s")?)
            .with_max_ejection(seconds("max_ejection_time_s")?)
            .with_max_ejection_percent(given("max_ejection_percent")? as u8)
            .with_success_rate(success_rate(case)?)
            .with_failure_percentage(failure_percentage(case)?);
        let n = integer(case, "hosts")? as usize;
        let mut hosts = Hosts::new(n, outliers);
        call_round_robin(case, n, &mut hosts)?;
        let mut now = Timestamp::ZERO.after(outliers.interval);
        hosts.tell(now, Input::Time);
        expect("ejected", case, &hosts.ejected())?;
        let Some(then) = case.get("then") else {
            return Ok(());
        };
        only(then, &["advance", "all_ok", "ejected"])?;
        let outcome = match field(then, "all_ok")?.as_bool() {
            Some(true) => CallOutcome::Ok,
            _ => return Err(format!("what is called then is not told: {then}")),
        };
        now = now.after(advance(text(then, "advance")?, &outliers)?);
        while let Some(due) = hosts.engine.next_deadline().filter(|&t| t <= now) {
            for host in 0..n {
                hosts.call(due, host, outcome, 20);
            }
            hosts.tell(due, Input::Time);
        }
        expect("ejected", then, &hosts.ejected())
    });
}

/// The calls of a case, host by host, each host up to its limit.
fn call_round_robin(case: &Value, n: usize, hosts: &mut Hosts) -> Result<(), String> {
    let failing = integers(case, "failing_hosts");
    let mut most: BTreeMap<usize, u64> = BTreeMap::new();
    if let Some(limits) = case.get("max_calls") {
        let limits = limits.as_object().ok_or("limits that name no hosts")?;
        for (host, limit) in limits {
            let host = host.parse().map_err(|e| format!("{e}"))?;
            most.insert(host, limit.as_u64().ok_or("a limit that is no number")?);
        }
    }
    let mut calls = vec![0u64; n];
    for call in 0..integer(case, "total_calls")? as usize {
        let host = call % n;
        if most.get(&host).is_some_and(|m| calls[host] >= *m) {
            continue;
        }
        calls[host] += 1;
        let outcome = match failing.contains(&(host as u64)) {
            true => CallOutcome::Error,
            false => CallOutcome::Ok,
        };
        hosts.call(Timestamp::ZERO, host, outcome, 1);
    }
    Ok(())
}

/// The numbers of a rate's rule: its limit, and those that both kinds have.
fn rate(case: &Value, key: &str, limit: &str) -> Result<Option<[u32; 4]>, String> {
    let r = match case.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(r) => r,
    };
    let known = [
        limit,
        "minimum_hosts",
        "request_volume",
        "enforcement_percentage",
    ];
    only(r, &known)?;
    let mut numbers = [0; 4];
    for (number, key) in numbers.iter_mut().zip(known) {
        *number = integer(r, key)? as u32;
    }
    Ok(Some(numbers))
}

fn success_rate(case: &Value) -> Result<Option<SuccessRateEjection>, String> {
    let rate = rate(case, "success_rate", "stdev_factor")?;
    Ok(rate.map(|[factor, hosts, volume, enforced]| {
        SuccessRateEjection::default()
            .with_stdev_factor_permille(factor)
            .with_minimum_hosts(hosts)
            .with_request_volume(volume)
            .with_enforcement_percent(enforced as u8)
    }))
}

fn failure_percentage(case: &Value) -> Result<Option<FailurePercentageEjection>, String> {
    let rate = rate(case, "failure_percentage", "threshold")?;
    Ok(rate.map(|[threshold, hosts, volume, enforced]| {
        FailurePercentageEjection::default()
            .with_threshold_percent(threshold)
            .with_minimum_hosts(hosts)
            .with_request_volume(volume)
            .with_enforcement_percent(enforced as u8)
    }))
}
