# `just` lists the recipes; each is one command that also works without `just`.

default:
    @just --list

# The main job: a day through all four cores.
run *ARGS:
    cargo run --release -- {{ARGS}}

# The tests that the README names.
test:
    cargo test --workspace --all-features

# All that a change must pass.
ci:
    .ci/run

# The public APIs as text, compared with the committed ones; --update writes them anew.
api *ARGS:
    .ci/api {{ARGS}}

# What takes hours; parts can be named.
deep *PARTS:
    .ci/deep {{PARTS}}

# Figures beside peers, into benches/SCORECARD.md.
scorecard *ARGS:
    cargo run --release -p benches --bin scorecard -- {{ARGS}}

# Each core's main calls, compared with the last run.
bench *ARGS:
    cargo bench -p benches {{ARGS}}

# Licences, bans, packages, features, minimal versions.
publish *PARTS:
    .ci/publish {{PARTS}}
