//! Warm-up on both sides.

use core::time::Duration;

use discovery_core::Timestamp;
use discovery_core::warm_up::{Decision, SentinelWarmUp, WarmUp};
use test_support::{Value, only};

use super::{asserts_nothing, each, integer, list, near, number, or, same, whole};

pub(crate) fn envoy_slow_start_factor() {
    let fields = [
        "window_s",
        "time_in_healthy_s",
        "aggression",
        "min_weight_percent",
        "expected_factor_source_comment",
    ];
    each("envoy_slow_start_factor.json", &fields, |case, _| {
        let seconds = |key| number(case, key).map(Duration::from_secs_f64);
        let shape = WarmUp::Envoy {
            window: seconds("window_s")?,
            aggression: or(case, "aggression", 1.0, Value::as_f64)?,
            least_percent: or(case, "min_weight_percent", 10, whole)? as u8,
        };
        let got = shape.factor(seconds("time_in_healthy_s")?, 1);
        near(
            "factor",
            number(case, "expected_factor_source_comment")?,
            got,
            0.01,
        )
    });
}

pub(crate) fn dubbo_warmup() {
    let fields = ["uptime_ms", "warmup_ms", "weight", "expected"];
    each("dubbo_warmup.json", &fields, |case, _| {
        let signed = |key| {
            case.get(key)
                .and_then(Value::as_i64)
                .ok_or(format!("no {key}"))
        };
        // A start in the future (an uptime below 0) is an age of 0, as a negative weight is none.
        let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let shape = WarmUp::Dubbo {
            window: millis(signed("warmup_ms")?),
        };
        let weight = u32::try_from(signed("weight")?).unwrap_or(0);
        let factor = shape.factor(millis(signed("uptime_ms")?), weight);
        let got = (factor * f64::from(weight)).round() as i64;
        same("weight", &signed("expected")?, &got)
    });
}

pub(crate) fn sentinel_warmup() {
    // What is derived of the others on the way is not compared: only answers are.
    let fields = [
        "count",
        "warmup_s",
        "cold_factor",
        "max_queueing_ms",
        "derived",
        "steps",
    ];
    each("sentinel_warmup.json", &fields, |case, _| {
        let queue = or(case, "max_queueing_ms", None, |ms| whole(ms).map(Some))?;
        let queue = queue.map(Duration::from_millis);
        let warm_up = Duration::from_secs_f64(number(case, "warmup_s")?);
        let (count, cold) = (
            integer(case, "count")? as u32,
            integer(case, "cold_factor")? as u32,
        );
        let mut s = SentinelWarmUp::new(count, warm_up, cold, queue).map_err(|e| e.to_string())?;
        // Any wall-clock time will do: the first request finds the bucket full.
        let mut now_ms = 1_600_000_000_000u64;
        let mut asserted = 0;
        for (i, step) in list(case, "steps").iter().enumerate() {
            let known = [
                "repeat",
                "advance_ms",
                "pass_qps",
                "previous_pass_qps",
                "acquire",
                "expected",
            ];
            only(step, &known)?;
            for _ in 0..or(step, "repeat", 1, whole)? {
                now_ms += or(step, "advance_ms", 0, whole)?;
                let now = Timestamp::from_millis(now_ms);
                // Sentinel cuts its nodes' rates down to whole numbers too.
                let (passed, before) = (
                    number(step, "pass_qps")? as u64,
                    number(step, "previous_pass_qps")? as u64,
                );
                let acquire = or(step, "acquire", 1, whole)? as u32;
                let answer = s.ask(now, passed, before, acquire);
                if let Decision::Wait(wait) = answer {
                    // The caller sleeps; the next step finds the clock moved on.
                    now_ms += wait.as_millis() as u64;
                }
                if let Some(want) = step.get("expected") {
                    let want = want
                        .as_bool()
                        .ok_or("an answer that is neither yes nor no")?;
                    same(&format!("step {i}"), &want, &(answer != Decision::Reject))?;
                    asserted += 1;
                }
            }
        }
        if asserted == 0 {
            return asserts_nothing();
        }
        Ok(())
    });
}
