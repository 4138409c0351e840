//! What a change of a rate does to traffic that flows: how soon it follows, and whether anything is lost by it.

use super::super::kernel::Outcome;
use super::stand::{By, FORMS, Form, Stand, each};
use crate::measure::median;
use crate::{Figure, Limit, Measured};
use netshape::Rate;
use nix::sys::socket::{setsockopt, sockopt};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The rates that are changed to and fro, Mbit/s.
const RATES: [u64; 2] = [20, 100];
/// Bytes of a full frame on the wire for each of TCP's that arrives: 1448 in 1514.
const WIRE: f64 = 1514.0 / 1448.0;
/// What is looked at at a time.
const WINDOW: Duration = Duration::from_millis(100);

pub(super) fn figures(base: Figure) -> Vec<Figure> {
    vec![
        Figure {
            id: "netshape/kernel/follow",
            what: "time from a change of the ceiling, 100 to 20 Mbit/s and back, to the first 100 ms in which TCP has the new one within 10 %: median of 6, the worse way, the worst of both ways and on an ifb",
            unit: "s",
            must: Limit::AtMost(0.3),
            aim: Limit::AtMost(0.1),
            long: false,
            run: follow,
            ..base
        },
        Figure {
            id: "netshape/kernel/gaps",
            what: "datagrams missing of a UDP flow with a standing queue while its ceiling changes 40 times, beyond those that are missing where it does not, both ways and on an ifb",
            unit: "packets",
            must: Limit::AtMost(0.0),
            aim: Limit::AtMost(0.0),
            long: false,
            run: gaps,
            ..base
        },
    ]
}

fn follow() -> Outcome<Measured> {
    let times = each(&FORMS, true, |form| followed(*form))?;
    eprintln!("  {FORMS:?}, down and up: {times:.3?} s");
    Ok(Measured::alone(
        times.into_iter().flatten().fold(0.0, f64::max),
    ))
}

/// Seconds until a flow follows, down and up.
fn followed(form: Form) -> Outcome<[f64; 2]> {
    let stand = Stand::shaped(form, Rate::mbit(RATES[1]), By::Us)?;
    let [from, at] = form.ends();
    let listener = stand.inside(at, || {
        TcpListener::bind((form.receiver(), 0)).map_err(|e| e.to_string())
    })?;
    let to = listener.local_addr().map_err(|e| e.to_string())?;
    let end = AtomicBool::new(false);
    let changed = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| arrivals(&listener, &end));
        let sender = scope.spawn(|| {
            stand.inside(from, || {
                let mut stream = TcpStream::connect(to).map_err(|e| e.to_string())?;
                let buffer = vec![0; 1 << 18];
                while stream.write_all(&buffer).is_ok() {}
                Ok(())
            })
        });
        let changed = change_now_and_then(&stand);
        end.store(true, Ordering::Relaxed);
        let log = receiver.join().map_err(|_| "it panicked".to_owned())??;
        sender.join().map_err(|_| "it panicked".to_owned())??;
        changed.map(|changed| (changed, log))
    });
    let (changes, log) = changed?;
    let mut times = [Vec::new(), Vec::new()];
    for (i, (when, rate)) in changes.iter().enumerate() {
        times[i % 2].push(until_followed(&log, *when, *rate)?);
    }
    Ok(times.map(median))
}

/// Changes the ceiling down and up six times each; when, and to what.
fn change_now_and_then(stand: &Stand) -> Outcome<Vec<(Instant, Rate)>> {
    let mut changes = Vec::new();
    for rate in RATES.repeat(6) {
        std::thread::sleep(Duration::from_millis(1_200));
        let rate = Rate::mbit(rate);
        let mut host = stand.policy(rate)?;
        changes.push((Instant::now(), rate));
        stand.shape(&mut host)?;
    }
    std::thread::sleep(Duration::from_millis(1_200));
    Ok(changes)
}

/// When how many bytes had arrived.
fn arrivals(listener: &TcpListener, end: &AtomicBool) -> Outcome<Vec<(Instant, u64)>> {
    let (mut stream, _) = listener.accept().map_err(|e| e.to_string())?;
    let (mut buffer, mut bytes, mut log) = (vec![0; 1 << 18], 0, Vec::new());
    while !end.load(Ordering::Relaxed) {
        let more = stream.read(&mut buffer).map_err(|e| e.to_string())?;
        bytes += more as u64;
        log.push((Instant::now(), bytes));
    }
    Ok(log)
}

/// Seconds from a change to the first window in which as much arrives as there should.
fn until_followed(log: &[(Instant, u64)], change: Instant, rate: Rate) -> Outcome<f64> {
    let at = |when: Instant| {
        let before = log.partition_point(|(time, _)| *time <= when);
        log.get(before.saturating_sub(1))
            .map_or(0, |(_, bytes)| *bytes)
    };
    let due = rate.bytes_per_second() as f64 * WINDOW.as_secs_f64();
    for step in 0..110_u32 {
        let start = change + Duration::from_millis(10) * step;
        let arrived = at(start + WINDOW).saturating_sub(at(start)) as f64 * WIRE;
        if (0.9..=1.1).contains(&(arrived / due)) {
            return Ok(f64::from(step) / 100.0);
        }
    }
    // As long as it was looked at.
    Ok(1.2)
}

/// Bytes of a datagram, its number in front.
const DATAGRAM: usize = 1_400;
const SENDING: Duration = Duration::from_secs(4);

fn gaps() -> Outcome<Measured> {
    let cases: Vec<(Form, bool)> = FORMS
        .iter()
        .flat_map(|f| [(*f, true), (*f, false)])
        .collect();
    let missing = each(&cases, true, |(form, changing)| missing(*form, *changing))?;
    eprintln!("  {cases:?}: {missing:?}");
    let beyond = missing.chunks(2).map(|pair| match pair {
        [changed, control] => changed.saturating_sub(*control),
        _ => 0,
    });
    Ok(Measured::alone(beyond.sum::<u64>() as f64))
}

/// Datagrams that are missing of a flow which always has some waiting in the queue: its socket's buffer holds less than the queue does, so
/// that it waits for room and the queue never overflows.
fn missing(form: Form, changing: bool) -> Outcome<u64> {
    let stand = Stand::shaped(form, Rate::mbit(RATES[0]), By::Us)?;
    let [from, at] = form.ends();
    let receiver = stand.inside(at, || {
        let socket = UdpSocket::bind((form.receiver(), 0)).map_err(|e| e.to_string())?;
        setsockopt(&socket, sockopt::RcvBufForce, &(64 << 20)).map_err(|e| e.to_string())?;
        socket
            .set_read_timeout(Some(Duration::from_secs(1)))
            .map_err(|e| e.to_string())?;
        Ok(socket)
    })?;
    let to = receiver.local_addr().map_err(|e| e.to_string())?;
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            let (mut buffer, mut received) = ([0; DATAGRAM], 0);
            // A second of nothing is the end, once all were sent.
            loop {
                match receiver.recv(&mut buffer) {
                    Ok(_) => received += 1,
                    Err(_) if ended.load(Ordering::Relaxed) => return received,
                    Err(_) => {}
                }
            }
        });
        let sender = scope.spawn(|| {
            stand.inside(from, || {
                let socket = UdpSocket::bind(("0.0.0.0", 0)).map_err(|e| e.to_string())?;
                setsockopt(&socket, sockopt::SndBuf, &(24 << 10)).map_err(|e| e.to_string())?;
                let (end, mut sent) = (Instant::now() + SENDING, 0_u64);
                while Instant::now() < end {
                    socket
                        .send_to(&[0; DATAGRAM], to)
                        .map_err(|e| e.to_string())?;
                    sent += 1;
                }
                Ok(sent)
            })
        });
        let mut failed = Ok(());
        for step in 0..40_usize {
            std::thread::sleep(SENDING / 42);
            let rate = RATES
                .get((step + 1) % 2)
                .filter(|_| changing && failed.is_ok());
            if let Some(rate) = rate {
                failed = stand
                    .policy(Rate::mbit(*rate))
                    .and_then(|mut host| stand.shape(&mut host));
            }
        }
        let sent = sender.join();
        ended.store(true, Ordering::Relaxed);
        let sent = sent.map_err(|_| "it panicked".to_owned())??;
        let received = counting.join().map_err(|_| "it panicked".to_owned())?;
        failed?;
        if sent < 1_000 {
            return Err(format!("only {sent} datagrams were sent"));
        }
        Ok(sent.saturating_sub(received))
    })
}
