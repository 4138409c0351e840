//! Hints narrow a caller's endpoints down to its zone, when all have them.

use crate::bench::{Bench, secs};
use discovery_core::endpoint::ZoneId;
use discovery_core::{Engine, Input, InputError, ServiceConfig};

fn usable(b: &Bench, zone: ZoneId) -> Vec<&str> {
    let used = b.engine.usable_from(b.service, zone);
    used.iter()
        .filter_map(|(id, _)| b.engine.endpoint(*id))
        .map(|e| e.name)
        .collect()
}

#[test]
fn hints_count_when_all_have_them_and_survive_a_restart() {
    let mut b = Bench::new(ServiceConfig::default());
    let zones = ["a", "b", "c"].map(|z| b.engine.zone(z).unwrap());
    ["x", "y"].iter().for_each(|n| b.put(n, |_| {}));
    let (x, y) = (b.id("x"), b.id("y"));
    b.tell(Input::Hints {
        endpoint: x,
        zones: &zones[..1],
    });
    assert_eq!(usable(&b, zones[0]), ["x", "y"], "y has none");
    b.tell(Input::Hints {
        endpoint: y,
        zones: &zones[1..2],
    });
    let all = |b: &Bench| zones.map(|z| usable(b, z).join(""));
    assert_eq!(all(&b), ["x", "y", "xy"]);
    b.engine = Engine::restore(&b.engine.snapshot(), secs(0)).unwrap();
    b.tell(Input::Time);
    assert_eq!(all(&b), ["x", "y", "xy"]);
    let x = b.id("x");
    b.tell(Input::Hints {
        endpoint: x,
        zones: &[],
    });
    assert_eq!(all(&b), ["xy", "xy", "xy"]);
    b.tell(Input::Remove { name: "y" });
    b.tell(Input::Confirm { service: b.service });
    b.put("y", |_| {});
    assert_eq!(all(&b), ["xy", "xy", "xy"], "a newcomer has none");
    let (y, many) = (b.id("y"), [zones[0]; 65]);
    let told = b.engine.handle(
        secs(0),
        Input::Hints {
            endpoint: y,
            zones: &many,
        },
        &mut Vec::new(),
    );
    assert_eq!(told, Err(InputError::Hints { given: 65 }));
}
