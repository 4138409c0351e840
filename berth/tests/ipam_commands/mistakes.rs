//! Mistakes of whoever types.

use super::*;

#[test]
fn what_is_written_must_be_kept_somewhere() {
    let writing: [&[&str]; 9] = [
        &["pool", "add", "p", "10.0.0.0/24"],
        &["pool", "rm", "p"],
        &["claim", "--owner", "a"],
        &["release", "--owner", "a"],
        &["reserve", "--workload", "w", "--address", "10.0.0.1"],
        &["host", "set", "h"],
        &["gc"],
        &["fsck", "--repair"],
        &["move", "abort", "--workload", "w"],
    ];
    for args in writing {
        assert_eq!(berth(args).status.code(), Some(2), "{args:?}");
        // A store without a name, or a name without a store.
        for store in [&["--store="][..], &["--store=redb:"], &["--store=claim"]] {
            let with = [store, args].concat();
            assert_eq!(berth(&with).status.code(), Some(2), "{with:?}");
        }
    }
    assert_eq!(berth(&["show", "--store"]).status.code(), Some(2));
    assert_eq!(berth(&["show"]).status.code(), Some(0));
    let kept = berth(&["--store", "memory", "pool", "add", "p", "10.0.0.0/24"]);
    assert_eq!(kept.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&kept.stderr).contains("memory is gone"));
}

#[test]
fn mistakes_that_are_alike_have_the_same_status() {
    let store = filled("alike");
    let status = |args: &[&str], wanted: i32| {
        let (status, json) = store.run(args);
        assert_eq!(status, wanted, "{args:?}: {json}");
    };
    let long = "x".repeat(254);
    for name in ["", "a\nb", &long] {
        for args in [
            &["claim", "--owner", name][..],
            &["claim", "--owner", "n", "--host", name],
            &["claim", "--owner", "n", "--workload", name],
            &["explain", "--owner", name],
            &["release", "--owner", name],
            &["release", "--host", name],
            &["renew", "--owner", name, "--sequence", "1"],
            &["renew", "--workload", name],
            &["show", "--owner", name],
            &["routes", "--host", name],
            &["host", "set", name],
            &["reserve", "--workload", name, "--address", "10.9.0.7"],
            &[
                "move",
                "begin",
                "--workload",
                "shop/w",
                "--from",
                "h1",
                "--to",
                name,
            ],
            &["move", "abort", "--workload", name],
            &["pool", "add", name, "10.8.0.0/24"],
            &["pool", "rm", name],
        ] {
            status(args, 2);
        }
    }
    for args in [
        &["release", "--owner", "nobody"][..],
        &["renew", "--owner", "nobody", "--sequence", "1"],
        &["show", "--owner", "nobody"],
        &["release", "--host", "nobody"],
        &["move", "abort", "--workload", "nobody"],
        &["reserve", "--workload", "nobody", "--remove"],
        &["routes", "--host", "nobody"],
    ] {
        status(args, 1);
    }
    for args in [
        &["pool", "add", "z", "127.0.0.0/24"][..],
        &["pool", "add", "z", "224.0.0.0/24"],
        &["pool", "add", "z", "169.254.0.0/24"],
        &["pool", "add", "z", "::ffff:10.0.0.0/120"],
    ] {
        status(args, 2);
    }
    status(&["pool", "add", "z", "169.254.0.0/24", "--link-local"], 0);
}

#[test]
fn unknown_pools_are_told_apart_from_addresses_of_no_pool() {
    let store = filled("kinds");
    for args in [
        &["pool", "rm", "nope"][..],
        &["pool", "drain", "nope"],
        &["pool", "grow", "nope", "10.0.0.0/8"],
        &["pool", "change", "nope", "--no-gateway"],
        &["claim", "--owner", "n", "--pool", "nope"],
        &["explain", "--owner", "n", "--pool", "nope"],
    ] {
        let (code, json) = store.run(args);
        assert_eq!(
            (code, &json["error"]["kind"]),
            (2, &"unknown_pool".into()),
            "{args:?}"
        );
    }
    for args in [
        &["who", "10.1.0.1"][..],
        &["claim", "--owner", "n", "--address", "10.1.0.1"],
        &[
            "claim",
            "--owner",
            "n",
            "--workload",
            "v",
            "--fixed",
            "10.1.0.1",
        ],
        &["reserve", "--workload", "v", "--address", "10.1.0.1"],
    ] {
        let (code, json) = store.run(args);
        assert_eq!(
            (code, &json["error"]["kind"]),
            (2, &"no_pool".into()),
            "{args:?}"
        );
    }
}
