//! The reader of the challenge's format: what is written comes back with the rules' own verdicts and costs, and
//! whatever is done to a file is refused where it was done.

mod facts;

use facts::{Draw, Facts, draw};
use scheduler_core::rng::{Xoshiro256PlusPlus, stream};
use scheduler_core::testing::Uniform as _;
use scheduler_core::{NodeId, Placement, roadef};

fn drawn(rng: &mut Xoshiro256PlusPlus, feasible: bool) -> Facts {
    let (tasks, nodes) = (2 + rng.below(7), 2 + rng.below(4));
    draw(
        rng,
        Draw {
            tasks,
            nodes,
            slack: 10,
            feasible,
        },
    )
}

#[test]
fn verdicts_and_costs_are_those_of_the_rules_with_every_rule_broken_often() {
    let mut rng = stream(1, "verdicts");
    let (mut broken, mut parts, mut sound) = ([0_u32; 5], [0_u32; 5], 0);
    for round in 0..2_000 {
        let facts = drawn(&mut rng, round % 2 == 0);
        let model = roadef::read_model(facts.text().as_bytes()).unwrap();
        let change = |rng: &mut Xoshiro256PlusPlus| -> Vec<usize> {
            let to = |rng: &mut Xoshiro256PlusPlus, n: usize| {
                if rng.below(3) == 0 {
                    rng.below(facts.nodes.len())
                } else {
                    n
                }
            };
            facts.at.iter().map(|n| to(rng, *n)).collect()
        };
        let (home, at) = (change(&mut rng), change(&mut rng));
        let text = roadef::write_assignment(&Facts::ids(&at));
        let read = roadef::read_assignment(&model, text.as_bytes()).unwrap();
        let p = Placement::moved(&model, &Facts::ids(&home), &read).unwrap();
        let (v, c) = (p.violations(&model), p.cost_by_part(&model));
        let (rules, costs) = (facts.broken(&home, &at), facts.cost(&home, &at));
        assert_eq!(
            [v.capacity, v.transient, v.conflict, v.spread, v.dependency],
            rules,
            "round {round}"
        );
        assert_eq!(v.is_empty(), rules == [0; 5]);
        let by_part = [
            c.load,
            c.balance,
            c.process_move,
            c.service_move,
            c.machine_move,
        ];
        assert_eq!(by_part, costs, "round {round}");
        assert_eq!(p.cost(&model), costs.iter().sum::<i64>());
        for i in 0..5 {
            broken[i] += u32::from(rules[i] > 0);
            parts[i] += u32::from(costs[i] > 0);
        }
        sound += u32::from(v.is_empty());
    }
    assert!(
        broken.iter().chain(&parts).all(|n| *n > 100) && sound > 100,
        "{broken:?} {parts:?} {sound}"
    );
}

/// Each token with its line and column, both from 1.
fn tokens(text: &str) -> Vec<(usize, usize, usize, usize)> {
    let mut found = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let base = line.as_ptr() as usize - text.as_ptr() as usize;
        let mut at = 0;
        while let Some(start) = line[at..].find(|c: char| c != ' ').map(|s| s + at) {
            let end = line[start..].find(' ').map_or(line.len(), |e| e + start);
            found.push((i + 1, start + 1, base + start, base + end));
            at = end;
        }
    }
    found
}

#[test]
fn a_token_that_is_no_number_is_refused_where_it_stands() {
    let mut rng = stream(2, "tokens");
    let wrong = [
        "-1",
        "x",
        "1.5",
        "1e3",
        "+4",
        "0x1",
        "99999999999999999999999",
        "18446744073709551615",
        "\u{661}",
    ];
    for _ in 0..40 {
        let text = drawn(&mut rng, true).text();
        for (line, column, start, end) in tokens(&text) {
            let bad = wrong[rng.below(wrong.len())];
            let changed = format!("{}{bad}{}", &text[..start], &text[end..]);
            let error = roadef::read_model(changed.as_bytes()).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{bad}: {error}");
            assert!(
                error.given.contains(bad) && !error.want.is_empty(),
                "{error}"
            );
        }
    }
}

#[test]
fn a_file_that_ends_early_or_goes_on_is_refused() {
    let mut rng = stream(3, "ends");
    for _ in 0..60 {
        let text = drawn(&mut rng, true).text();
        for (_, _, start, _) in tokens(&text) {
            let error = roadef::read_model(&text.as_bytes()[..start]).unwrap_err();
            // A count of machines that the file cannot hold is refused at the count.
            assert!(
                error.given == "the end of the file" || error.want.contains("rows"),
                "{error}"
            );
        }
        let error = roadef::read_model(format!("{text} 7").as_bytes()).unwrap_err();
        assert_eq!(error.given, "`7`");
        assert!(error.want.contains("end of the file"));
        let other_blanks = text.replace(' ', "\t").replace('\n', "\r\n");
        assert!(roadef::read_model(other_blanks.trim_end().as_bytes()).is_ok());
    }
}

#[test]
fn a_token_more_or_less_or_another_count_never_panics_and_is_nearly_always_refused() {
    let mut rng = stream(4, "shifted");
    let (mut tried, mut refused) = (0, 0);
    for _ in 0..60 {
        let text = drawn(&mut rng, true).text();
        for (_, _, start, end) in tokens(&text) {
            let token = &text[start..end];
            let more: u64 = token.parse::<u64>().unwrap() + 1 + rng.below(3) as u64;
            let huge = [u64::from(u32::MAX), 1 << 31, (1 << 31) - 2, 1 << 40, 4096][rng.below(5)];
            for new in [
                String::new(),
                format!("{token} {token}"),
                more.to_string(),
                huge.to_string(),
            ] {
                let changed = format!("{}{new}{}", &text[..start], &text[end..]);
                tried += 1;
                match roadef::read_model(changed.as_bytes()) {
                    Err(error) => {
                        refused += 1;
                        assert!(error.line <= text.lines().count() + 1, "{error}");
                    }
                    Ok(model) => {
                        assert!(model.tasks() <= text.len() && model.nodes() <= text.len());
                    }
                }
            }
        }
    }
    // An amount may be another one; a token more or less never fits, nor does a count.
    assert!(refused * 2 > tried, "{refused} of {tried}");
}

#[test]
fn huge_counts_are_refused_without_reserving_for_them() {
    for text in [
        "2147483646 1 1",
        "4096 ",
        "1\n0 1\n2147483646\n0 0 1 1 0",
        "1\n0 1\n65535\n0 0 1 1 0",
        "1\n0 1\n1\n0 0 1 1 0\n2147483646\n0 0",
        "1\n0 1\n1\n0 0 1 1 0\n1\n0 2147483646 0",
        "1\n0 1\n1\n0 0 1 1 0\n1\n2147483646 0\n2147483646\n0 1 1",
        "1\n0 1\n1\n0 0 1 1 0\n1\n0 0\n1\n0 1 1\n2147483646\n0 0 1 1",
    ] {
        assert!(roadef::read_model(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn sizes_and_references_that_do_not_fit_are_named() {
    let model = |text: &str| roadef::read_model(text.as_bytes()).map_err(|e| e.to_string());
    let good = "1\n1 10\n2\n0 0 20 5 0 1\n1 1 20 30 1 0\n2\n0 0\n0 1 0\n2\n0 8 1\n1 4 1\n1\n0 0 1 1\n1 10 100\n";
    assert!(model(good).is_ok());
    for (from, to, says) in [
        (
            "1\n1 10",
            "1\n2 10",
            "line 2, column 1: `2` where whether the resource is transient",
        ),
        (
            "0 1 0\n",
            "0 1 2\n",
            "line 8, column 5: `2` where a service that service 1 depends on",
        ),
        (
            "1 4 1",
            "2 4 1",
            "line 11, column 1: `2` where the process's service",
        ),
        (
            "0 0 1 1\n",
            "0 1 1 1\n",
            "line 13, column 3: `1` where the second resource",
        ),
        (
            "0 0 20 5 0 1",
            "0 0 20 5 0 4294967296",
            "`4294967296` where a cost of moving to a machine",
        ),
        (
            "1 10 100",
            "1099511627776 10 1099511627777",
            "`1099511627777` where the weight of machine moves",
        ),
    ] {
        assert!(good.contains(from));
        let error = model(&good.replace(from, to)).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    // Costs that together pass what an i64 can hold are refused when the file has been read.
    let vast = good
        .replace("1 10\n2", "1 1099511627776\n2")
        .replace("0 8 1", "0 1099511627776 1");
    assert!(
        model(&vast).unwrap_err().contains("the cost could reach"),
        "{:?}",
        model(&vast)
    );
}

#[test]
fn an_assignment_must_fit_its_model() {
    let mut rng = stream(5, "assignments");
    for _ in 0..200 {
        let facts = drawn(&mut rng, true);
        let model = facts.model();
        let text = roadef::write_assignment(&Facts::ids(&facts.at));
        let read = |t: &str| roadef::read_assignment(&model, t.as_bytes());
        assert_eq!(read(&text).unwrap(), Facts::ids(&facts.at));
        for (_, column, start, end) in tokens(&text) {
            for bad in [
                facts.nodes.len().to_string(),
                "-1".to_owned(),
                "a".to_owned(),
                "4294967295".to_owned(),
            ] {
                let error = read(&format!("{}{bad}{}", &text[..start], &text[end..])).unwrap_err();
                assert_eq!((error.line, error.column), (1, column), "{error}");
            }
            assert!(read(&text[..start]).is_err());
        }
        assert!(read(&format!("{text} 0")).is_err());
        let astray = vec![NodeId(facts.nodes.len() as u32); facts.tasks.len()];
        assert!(Placement::new(&model, &astray).is_err());
        assert!(Placement::moved(&model, &Facts::ids(&facts.at), &astray).is_err());
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut rng = stream(6, "bytes");
    for _ in 0..3_000 {
        let mut bytes = drawn(&mut rng, true).text().into_bytes();
        for _ in 0..=rng.below(4) {
            let at = rng.below(bytes.len());
            match rng.below(3) {
                0 => bytes[at] = rng.below(256) as u8,
                1 => bytes[at] = b"0123456789 \n-"[rng.below(13)],
                _ => bytes.truncate(at + 1),
            }
        }
        if let Ok(model) = roadef::read_model(&bytes) {
            let at = vec![NodeId(0); model.tasks()];
            if let Ok(p) = Placement::new(&model, &at) {
                p.check_invariants(&model).unwrap();
            }
        }
    }
}
