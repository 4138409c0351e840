//! Transcripts: `tests/scenarios/*.txt` hold a model, an assignment and commands, a line of dashes, and what
//! must come out. `BERTH_BLESS=1` is not offered on purpose: what comes out is checked by eye and written by hand.

use scheduler_core::order::{OrderLimits, order_moves};
use scheduler_core::search::relieve;
use scheduler_core::{Model, NodeId, Placement, TaskId, roadef};
use std::fmt::Write as _;

struct World {
    model: Model,
    placement: Placement,
}

fn run(input: &str) -> String {
    let mut lines = input.lines().map(|l| l.split('#').next().unwrap().trim());
    let mut world: Option<World> = None;
    let mut model = String::new();
    let mut out = String::new();
    while let Some(line) = lines.next() {
        let mut words = line.split_whitespace();
        let Some(command) = words.next() else {
            continue;
        };
        let numbers: Vec<u32> = words.filter_map(|w| w.parse().ok()).collect();
        match command {
            "model" => {
                for l in lines.by_ref().take_while(|l| *l != "end") {
                    model.push_str(l);
                    model.push('\n');
                }
            }
            "assignment" => match roadef::read_model(model.as_bytes()) {
                Ok(model) => {
                    let at: Vec<NodeId> = numbers.iter().map(|n| NodeId(*n)).collect();
                    let placement = Placement::new(&model, &at).unwrap();
                    world = Some(World { model, placement });
                }
                Err(e) => writeln!(out, "{e}").unwrap(),
            },
            _ => command_line(
                command,
                &numbers,
                world.as_mut().expect("a model"),
                &mut out,
            ),
        }
    }
    out
}

fn command_line(command: &str, numbers: &[u32], world: &mut World, out: &mut String) {
    let World { model, placement } = world;
    match (command, numbers) {
        ("move", [task, node]) => match placement.try_shift(model, TaskId(*task), NodeId(*node)) {
            Ok(delta) => writeln!(out, "moved, cost {delta:+}").unwrap(),
            Err(constraint) => writeln!(out, "refused: {constraint}").unwrap(),
        },
        ("broken", _) => writeln!(out, "{:?}", placement.violations(model)).unwrap(),
        ("cost", _) => writeln!(out, "{:?}", placement.cost_by_part(model)).unwrap(),
        ("order", target) => {
            let target: Vec<NodeId> = target.iter().map(|n| NodeId(*n)).collect();
            let at = placement.assignment();
            let order = order_moves(model, &at, &target, OrderLimits::default()).unwrap();
            for (i, wave) in order.waves.iter().enumerate() {
                for s in wave {
                    let wait = if s.staging { " to wait" } else { "" };
                    let (task, from, to, why) = (s.task, s.from, s.to, &s.reason);
                    writeln!(out, "{i}: {task} from {from} to {to}{wait}: {why}").unwrap();
                }
            }
            let given: Vec<u32> = order.given_up.iter().map(|t| t.0).collect();
            writeln!(out, "given up {given:?}").unwrap();
        }
        ("relieve", [node, most]) => {
            let answer = relieve(model, placement, NodeId(*node), *most as usize);
            out.push_str(&answer.explain());
        }
        _ => panic!("unknown command {command} {numbers:?}"),
    }
}

#[test]
fn transcripts_come_out_as_written() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut ran = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (input, expected) = text.split_once("\n----\n").expect("a line of dashes");
        assert_eq!(run(input).trim(), expected.trim(), "{}", path.display());
        ran += 1;
    }
    assert!(ran >= 6, "{ran} transcripts");
}
