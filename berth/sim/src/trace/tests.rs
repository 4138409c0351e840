use super::*;
use crate::error::ErrorKind;
use std::fs;
use std::path::PathBuf;

/// A folder of this test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("berth-trace-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a temporary folder");
    dir
}

#[test]
fn the_slice_is_the_last_two_parts_with_two_exceptions() {
    let service = planetlab::service;
    assert_eq!(
        service("146-179_surfsnel_dsl_internl_net_colostate_557"),
        "colostate_557"
    );
    assert_eq!(service("a_b_net_root"), "root");
    assert_eq!(service("146-179_surfsnel_net_rnp_dcc_ufjf"), "rnp_dcc_ufjf");
    assert_eq!(service("planet6_cs_ucsb_edu_ rnp_dcc_ufjf"), "rnp_dcc_ufjf");
    assert_eq!(
        service("chimay_infonet_fundp_ac_be_ uofathens_zoi"),
        "uofathens_zoi"
    );
    assert_eq!(service("alone"), "alone");
}

#[test]
fn a_planetlab_folder_is_read_in_sorted_order() {
    let dir = scratch("sorted");
    fs::write(dir.join("h2_x_y"), "3\n4\n").expect("write");
    fs::write(dir.join("h1_x_y"), " 1\n2\r\n\n").expect("write");
    let trace = read(&dir, Format::Planetlab).expect("a trace");
    let names: Vec<&str> = trace.containers.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["h1_x_y", "h2_x_y"]);
    assert_eq!(trace.services, ["x_y"]);
    assert_eq!(trace.containers[0].samples, [1.0, 2.0]);
    assert_eq!((trace.interval, trace.seconds()), (300, 600));
}

#[test]
fn a_bad_line_is_named() {
    let dir = scratch("bad");
    for (text, wants) in [
        ("1\nx\n", "'x' is no integer"),
        ("1\n-3\n", "-3 is no CPU load"),
        ("1\n99999\n", "99999 is no CPU load"),
        ("1\n99999999999999999999\n", "is no integer"),
        ("", "empty"),
    ] {
        let file = dir.join("h_x_y");
        fs::write(&file, text).expect("write");
        let failure = read(&dir, Format::Planetlab).expect_err(text);
        assert_eq!(failure.kind, ErrorKind::Input);
        assert!(failure.message.contains(wants), "{failure}");
        assert!(failure.place.contains("h_x_y"), "{failure}");
        if !text.is_empty() {
            assert!(failure.place.ends_with(":2"), "{failure}");
        }
    }
    let missing = read(&dir.join("nowhere"), Format::Planetlab).expect_err("missing");
    assert_eq!(missing.kind, ErrorKind::Io);
}

#[test]
fn our_own_format_is_read_and_its_faults_are_named() {
    let dir = scratch("berth");
    let file = dir.join("t.jsonl");
    let head = r#"{"berth_trace": 1, "name": "tuesday", "interval_seconds": 60}"#;
    let row = r#"{"container": "a", "service": "s", "cpu_percent": [12, 13.5, 250]}"#;
    let short = r#"{"container": "b", "service": "r", "cpu_percent": [1]}"#;
    fs::write(&file, format!("{head}\n{row}\n\n{short}\n")).expect("write");
    let trace = read(&file, Format::Berth).expect("a trace");
    assert_eq!((trace.name.as_str(), trace.seconds()), ("tuesday", 180));
    assert_eq!(trace.services, ["r", "s"]);
    assert_eq!(trace.containers[1].samples, [1.0, 1.0, 1.0]);
    for (text, line, wants) in [
        (String::new(), "", "empty"),
        ("{}".to_owned(), ":1", "berth_trace"),
        (head.replace("1,", "2,"), ":1", "reads version 1"),
        (head.replace("60", "0"), ":1", "want 1 to"),
        (format!("{head}\n{row}\n{row}"), ":3", "stands twice"),
        (
            format!("{head}\n{}", row.replace("250", "1e9")),
            ":2",
            "is no CPU load",
        ),
        (
            format!("{head}\n{}", row.replace("12, 13.5, 250", "")),
            ":2",
            "is empty",
        ),
        (format!("{head}\n{{\"container\": 3}}"), ":2", "want {"),
        (
            format!("{head}\n{}", row.replace("\"a\"", "\"\"")),
            ":2",
            "container is no name",
        ),
        (
            format!("{head}\n{}", row.replace("\"s\"", "\"a\\u0007\"")),
            ":2",
            "service is no name",
        ),
        (head.to_owned(), "", "no container"),
    ] {
        fs::write(&file, &text).expect("write");
        let failure = read(&file, Format::Berth).expect_err(&text);
        assert_eq!(failure.kind, ErrorKind::Input, "{text}");
        assert!(failure.message.contains(wants), "{failure} for {text}");
        assert!(failure.place.ends_with(line), "{failure} for {text}");
    }
}

#[test]
fn the_generated_day_meets_the_published_figures_for_every_seed() {
    for seed in [0, 7, 12_345] {
        let trace = generate(seed);
        assert!(trace.generated);
        assert_eq!((trace.containers.len(), trace.services.len()), (1_052, 57));
        assert_eq!(trace.seconds(), 86_400);
        let (mean, deviation) = trace.moments();
        assert!((mean - 12.31).abs() < 0.25, "seed {seed}: mean {mean}");
        assert!(
            (deviation - 17.09).abs() < 0.35,
            "seed {seed}: deviation {deviation}"
        );
        assert_eq!(trace, generate(seed));
    }
    assert_ne!(generate(1), generate(2));
}
