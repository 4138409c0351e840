//! How long a packet waits behind bulk flows of its own container.

use super::super::kernel::Outcome;
use super::stand::{By, FORMS, Stand, each, has_iperf, ping};
use crate::{Figure, Limit, Measured};
use netshape::Rate;

pub(super) fn figures(base: Figure) -> Vec<Figure> {
    let base = Figure { unit: "ms", ..base };
    vec![
        Figure {
            id: "netshape/kernel/ping-one",
            what: "average ping beside one TCP flow at 10 Mbit/s, default plan, the worst of both ways and on an ifb",
            must: Limit::AtMost(40.0),
            aim: Limit::AtMost(27.0),
            run: || under(1),
            ..base
        },
        Figure {
            id: "netshape/kernel/ping-eight",
            what: "the same beside eight TCP flows",
            must: Limit::AtMost(80.0),
            aim: Limit::AtMost(60.0),
            run: || under(8),
            ..base
        },
    ]
}

fn under(flows: u32) -> Outcome<Measured> {
    has_iperf()?;
    let waits = each(&FORMS, true, |form| {
        let stand = Stand::shaped(*form, Rate::mbit(10), By::Us)?;
        std::thread::scope(|scope| {
            let load = scope.spawn(|| stand.iperf(14, flows));
            // The flows are at their rate.
            std::thread::sleep(std::time::Duration::from_secs(3));
            let [from, _] = form.ends();
            let average = ping(&stand.lab, from, form.receiver());
            load.join().map_err(|_| "it panicked".to_owned())??;
            average
        })
    })?;
    eprintln!("  {FORMS:?}: {waits:.1?} ms");
    Ok(Measured::alone(waits.into_iter().fold(0.0, f64::max)))
}
