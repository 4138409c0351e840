//! The samples of each JSON answer: every key there, of the same type.

use crate::world::World;
use serde_json::Value;

fn sample(text: &str) -> Value {
    serde_json::from_str(text).expect("a sample is JSON")
}

/// Whether every key of a sample is there with the same type; of lists the first entry is compared.
fn alike(sample: &Value, given: &Value, path: &str) {
    match (sample, given) {
        (Value::Object(sample), Value::Object(given)) => {
            for (key, value) in sample {
                let there = given
                    .get(key)
                    .unwrap_or_else(|| panic!("no {path}.{key}: {given:?}"));
                alike(value, there, &format!("{path}.{key}"));
            }
        }
        (Value::Array(sample), Value::Array(given)) => {
            if let (Some(sample), Some(given)) = (sample.first(), given.first()) {
                alike(sample, given, &format!("{path}[0]"));
            }
        }
        (sample, given) => assert_eq!(
            std::mem::discriminant(sample),
            std::mem::discriminant(given),
            "{path}: {sample} {given}"
        ),
    }
}

pub(crate) fn answers_have_the_keys_of_their_samples() {
    let world = World::new(3);
    world.source(&world.web(&world.endpoints(), 0.2));
    let driver = world.start("stdout", &[]);
    world.until_weight("web-0", 100.0);
    let drained = world.done(&["drain", "--region", "south", "--over", "1s"]);
    alike(
        &sample(include_str!("samples/drain.json")),
        &drained,
        "drain",
    );
    let undrained = world.done(&["undrain", "--region", "south"]);
    alike(
        &sample(include_str!("samples/drain.json")),
        &undrained,
        "undrain",
    );
    let confirmed = world.done(&["confirm", "web"]);
    alike(
        &sample(include_str!("samples/confirm.json")),
        &confirmed,
        "confirm",
    );
    world.done(&["drain", "--endpoint", "web-0"]);
    alike(
        &sample(include_str!("samples/show.json")),
        &world.done(&["show"]),
        "show",
    );
    let (status, error) = world.ask(&["drain", "--endpoint", "none"]);
    assert_eq!(status, Some(1));
    alike(&sample(include_str!("samples/error.json")), &error, "error");
    let output = driver.end("TERM");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<Value> = text.lines().map(sample).collect();
    for expected in include_str!("samples/run.jsonl").lines().map(sample) {
        let found = lines.iter().find(|line| line["event"] == expected["event"]);
        let found = found.unwrap_or_else(|| panic!("no line like {expected}"));
        alike(&expected, found, "run");
    }
}
