//! The `berth` binary. See `berth --help` and the repository's README.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    berth::cli::main()
}
