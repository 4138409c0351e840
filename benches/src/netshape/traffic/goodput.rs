//! How much of a ceiling arrives, and how much more than it in the first second.

use super::super::kernel::Outcome;
use super::stand::{By, FORMS, Form, Stand, burst, each, has_iperf};
use crate::measure::median;
use crate::{Figure, Limit, Measured};
use netshape::Rate;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Bytes of a full frame on the wire for each that arrives: 1448 in 1514.
const WIRE: f64 = 1514.0 / 1448.0;

/// Id, what is measured, how.
type Row = (&'static str, &'static str, fn() -> Outcome<Measured>);

const ROWS: [Row; 12] = [
    (
        "netshape/kernel/goodput/1m-in",
        "goodput of TCP out of the ceiling of 1 Mbit/s towards a container, offloads on, without the first second (`iperf3 -O 1`), 60 s, median of 3 (peer: the CNI bandwidth plugin with our burst)",
        goodput::<1, 0>,
    ),
    (
        "netshape/kernel/goodput/1m-netns",
        "the same from it, shaped in its namespace",
        goodput::<1, 1>,
    ),
    (
        "netshape/kernel/goodput/1m-ifb",
        "the same from it, shaped on an ifb (peer: the plugin)",
        goodput::<1, 2>,
    ),
    (
        "netshape/kernel/goodput/10m-in",
        "the same with 10 Mbit/s, 20 s, towards a container",
        goodput::<10, 0>,
    ),
    (
        "netshape/kernel/goodput/10m-netns",
        "from it, in its namespace",
        goodput::<10, 1>,
    ),
    (
        "netshape/kernel/goodput/10m-ifb",
        "from it, on an ifb",
        goodput::<10, 2>,
    ),
    (
        "netshape/kernel/goodput/100m-in",
        "the same with 100 Mbit/s, towards a container",
        goodput::<100, 0>,
    ),
    (
        "netshape/kernel/goodput/100m-netns",
        "from it, in its namespace",
        goodput::<100, 1>,
    ),
    (
        "netshape/kernel/goodput/100m-ifb",
        "from it, on an ifb",
        goodput::<100, 2>,
    ),
    (
        "netshape/kernel/goodput/1g-in",
        "the same with 1 Gbit/s, towards a container",
        goodput::<1_000, 0>,
    ),
    (
        "netshape/kernel/goodput/1g-netns",
        "from it, in its namespace",
        goodput::<1_000, 1>,
    ),
    (
        "netshape/kernel/goodput/1g-ifb",
        "from it, on an ifb",
        goodput::<1_000, 2>,
    ),
];

pub(super) fn figures(base: Figure) -> Vec<Figure> {
    let base = Figure {
        unit: "%",
        must: Limit::Within(93.0, 96.5),
        aim: Limit::Within(94.5, 95.7),
        ..base
    };
    let row = |(id, what, run): Row| Figure {
        id,
        what,
        run,
        ..base
    };
    let mut figures: Vec<Figure> = ROWS.into_iter().map(row).collect();
    figures.extend(first_seconds(base));
    figures
}

/// What comes in the first second, beyond what may.
fn first_seconds(base: Figure) -> [Figure; 2] {
    [
        Figure {
            id: "netshape/kernel/first-second",
            what: "bytes on the wire in a flow's first second over ceiling and burst of the default plan, the worst of 10, 100 and 1,000 Mbit/s, each way and on an ifb (peer: the plugin with the burst that Kubernetes asks for)",
            must: Limit::AtMost(1.05),
            aim: Limit::None,
            unit: "share",
            long: false,
            run: || first_second(&[10, 100, 1_000]),
            ..base
        },
        Figure {
            id: "netshape/kernel/first-second-1m",
            what: "the same with 1 Mbit/s, where the last GSO packet that HTB lets go on its last token is more than 5 %",
            must: Limit::AtMost(1.05),
            aim: Limit::None,
            unit: "share",
            long: false,
            run: || first_second(&[1]),
            ..base
        },
    ]
}

fn goodput<const MBIT: u64, const FORM: usize>() -> Outcome<Measured> {
    has_iperf()?;
    let form = FORMS.get(FORM).copied().ok_or("no such form")?;
    let rate = Rate::mbit(MBIT);
    let seconds = if MBIT == 1 { 60 } else { 20 };
    let by = match form {
        Form::Netns => vec![By::Us; 3],
        Form::Ingress | Form::Ifb => [By::Us, By::Plugin(Some(burst(rate)))].repeat(3),
    };
    // Slow ones hardly load the machine, and run side by side.
    let got = each(&by, MBIT <= 10, |by| {
        let stand = Stand::shaped(form, rate, *by)?;
        let said = stand.iperf(seconds, 1)?;
        let bits = said["end"]["sum_received"]["bits_per_second"].as_f64();
        bits.map(|bits| 100.0 * bits / rate.bits() as f64)
            .ok_or_else(|| "iperf3 said nothing".to_owned())
    })?;
    eprintln!("  {by:?}: {got:.2?}");
    let of = |us: bool| {
        let mine = by.iter().zip(&got).filter(|(by, _)| (**by == By::Us) == us);
        mine.map(|(_, share)| *share).collect::<Vec<f64>>()
    };
    match form {
        Form::Netns => Ok(Measured::alone(median(of(true)))),
        Form::Ingress | Form::Ifb => Ok(Measured::beside(median(of(true)), median(of(false)))),
    }
}

fn first_second(mbit: &[u64]) -> Outcome<Measured> {
    let mut worst = [0.0_f64; 2];
    for mbit in mbit {
        let rate = Rate::mbit(*mbit);
        for form in FORMS {
            let ours = exceeded(form, rate, By::Us)?;
            let theirs = match form {
                Form::Netns => 0.0,
                Form::Ingress | Form::Ifb => exceeded(form, rate, By::Plugin(None))?,
            };
            eprintln!("  {mbit} Mbit/s {form:?}: {ours:.3}, plugin {theirs:.3}");
            worst = [worst[0].max(ours), worst[1].max(theirs)];
        }
    }
    let [ours, theirs] = worst;
    Ok(Measured::beside(ours, theirs))
}

/// Bytes on the wire in the first second of a flow, over what ceiling and burst allow.
fn exceeded(form: Form, rate: Rate, by: By) -> Outcome<f64> {
    let stand = Stand::shaped(form, rate, by)?;
    let [from, at] = form.ends();
    let listener = stand.inside(at, || listen(form.receiver()))?;
    let to = listener.local_addr().map_err(|e| e.to_string())?;
    let received = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| in_a_second(&listener));
        let sent = stand.inside(from, || send(to));
        let received = receiver.join().map_err(|_| "it panicked".to_owned())?;
        sent.and(received)
    })?;
    let allowed = rate.bytes_per_second().saturating_add(burst(rate));
    Ok(received as f64 * WIRE / allowed as f64)
}

fn listen(address: &str) -> Outcome<TcpListener> {
    TcpListener::bind((address, 0)).map_err(|e| e.to_string())
}

/// Bytes that arrive in the second from the first one on; the flow ends then.
fn in_a_second(listener: &TcpListener) -> Outcome<u64> {
    let (mut stream, _) = listener.accept().map_err(|e| e.to_string())?;
    let (mut buffer, mut bytes) = (vec![0; 1 << 20], 0);
    let mut end = None;
    loop {
        let more = stream.read(&mut buffer).map_err(|e| e.to_string())?;
        let now = Instant::now();
        if more == 0 || now > *end.get_or_insert(now + Duration::from_secs(1)) {
            return Ok(bytes);
        }
        bytes += more as u64;
    }
}

/// Sends until nobody receives any more.
fn send(to: std::net::SocketAddr) -> Outcome<()> {
    let mut stream = TcpStream::connect(to).map_err(|e| format!("{to}: {e}"))?;
    let buffer = vec![0; 1 << 18];
    while stream.write_all(&buffer).is_ok() {}
    Ok(())
}
