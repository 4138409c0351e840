//! The command line: one variant per command, each parsed into its module's own arguments.

use crate::answer::{self, Answer, Failure};
use crate::discover::{self, DiscoverArgs};
use crate::examples;
use crate::ipam::{self, IpamArgs};
use crate::place::{self, PlaceArgs};
use crate::replay::{self, ReplayArgs};
use crate::shape::{self, ShapeArgs};
use clap::error::ContextKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

/// What `berth --help` ends with: a command of each group.
const EXAMPLES: &str = "\
Examples:
  berth                                            replay a generated day through all four cores
  berth replay --trace DIR --format planetlab --out out
  berth ipam --store redb:addresses.redb claim --owner c1/eth0
  berth shape plan --desired policy.toml --format batch
  berth discover run --source file:services.json --sink envoy-file:eds.json
  berth place solve --model m.txt --assignment a.txt --seconds 10
  berth completions bash > /etc/bash_completion.d/berth
  berth man > berth.1

Exit status: 0 done, 1 the answer is no, 2 bad usage or input, 3 reading or writing failed.";

/// A container platform's decisions, as commands.
#[derive(Debug, Parser)]
#[command(name = "berth", version, about, long_about = None, after_help = EXAMPLES)]
struct Cli {
    /// Print one JSON document on standard output and nothing else there.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay a day of load through all four cores (the default).
    Replay(ReplayArgs),
    /// Addresses: pools, claims, collection, routes.
    Ipam(Box<IpamArgs>),
    /// Bandwidth shaping: plan, encode, decode.
    Shape(ShapeArgs),
    /// Discovery: endpoints checked, weighed, and written where traffic is divided.
    Discover(DiscoverArgs),
    /// Place tasks: solve, check and order reassignments.
    Place(PlaceArgs),
    /// Print the completion script of a shell.
    Completions {
        /// The shell to print it for.
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff) of the binary or of one of its commands.
    Man {
        /// The command to describe, such as `ipam claim`; none describes the binary.
        command: Vec<String>,
    },
}

/// Parses the process's arguments, runs the command, prints, and returns the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match parsed(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let outcome = match cli
        .command
        .unwrap_or_else(|| Command::Replay(ReplayArgs::default()))
    {
        Command::Replay(args) => replay::run(&args),
        Command::Ipam(args) => ipam::run(&args),
        Command::Shape(args) => shape::run(&args, cli.json),
        Command::Discover(args) => discover::run(&args, cli.json),
        Command::Place(args) => place::run(&args),
        Command::Completions { shell } => Ok(completions(shell)),
        Command::Man { command } => man(&command),
    };
    ExitCode::from(answer::print(outcome, cli.json))
}

/// The whole command line, examples included.
fn command() -> clap::Command {
    examples::added(Cli::command())
}

fn parsed(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = command();
    let mut matches = command.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// The completion script.
fn completions(shell: clap_complete::Shell) -> Answer {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command(), "berth", &mut text);
    document("completions", &text)
}

/// The manual page of the command that `path` leads to.
fn man(path: &[String]) -> Result<Answer, Failure> {
    let mut command = command();
    command.build();
    let mut name = String::from("berth");
    for part in path {
        let known: Vec<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        let known = known.join(", ");
        let Some(found) = command.find_subcommand(part) else {
            let message = format!("{part:?} is no command of `{name}`; it has: {known}");
            return Err(Failure::input(message, "man"));
        };
        command = found.clone();
        name = format!("{name} {part}");
    }
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command);
    page.render(&mut text).map_err(|e| Failure::io(&e, "man"))?;
    Ok(document("man", &text))
}

/// A generated text as an answer: as it is for people, under `key` in JSON.
fn document(key: &str, text: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(text).into_owned();
    let json = serde_json::json!({ key: text });
    Answer::done(text, json)
}

/// Help and version go to standard output with status 0; bad usage is status 2, as JSON when asked for.
fn usage(error: &clap::Error) -> ExitCode {
    let asked = !error.use_stderr();
    if !asked && std::env::args_os().any(|a| a == "--json") {
        let failure = usage_failure(error);
        return ExitCode::from(answer::print(Err(failure), true));
    }
    // Nothing is left to do when the terminal is gone.
    let _ = match quoted(std::env::args_os()).as_slice() {
        _ if asked => error.print(),
        [] => error.print(),
        given => {
            let text = unquoted(error.render().to_string(), given);
            std::io::stderr().write_all(text.as_bytes())
        }
    };
    ExitCode::from(if asked { 0 } else { 2 })
}

/// Of the arguments, or what stands in them after `=`, those that a terminal would act on.
fn quoted(args: impl Iterator<Item = OsString>) -> Vec<String> {
    let texts = args.flat_map(|arg| {
        let text = arg.to_string_lossy().into_owned();
        let value = text.split_once('=').map(|(_, value)| value.to_owned());
        [Some(text), value].into_iter().flatten()
    });
    let mut acting: Vec<String> = texts
        .filter(|text| text.chars().any(char::is_control))
        .collect();
    // What stands in another one comes after it.
    acting.sort_by_key(|text| std::cmp::Reverse(text.len()));
    acting
}

/// A message without raw control characters, also where it quotes arguments that hold line ends.
fn unquoted(mut message: String, given: &[String]) -> String {
    for text in given {
        // Other control characters may be gone from the quotation.
        let parts = text.split(|c: char| c.is_control() && c != '\n');
        for part in parts.filter(|part| part.contains('\n') && part.len() > 1) {
            message = message.replace(part, &part.replace('\n', r"\u{a}"));
        }
    }
    answer::escaped(&message)
}

/// Everything that clap knows of the mistake: what was given, what would be right, tips; `where` is the argument.
fn usage_failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim);
    // The usage and the hint at --help say nothing about this mistake.
    let about = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty());
    let message = about.collect::<Vec<_>>().join("; ").replace(":; ", ": ");
    let argument = error
        .get(ContextKind::InvalidArg)
        .map(ToString::to_string)
        .unwrap_or_default();
    Failure {
        kind: "usage".into(),
        ..Failure::input(message.trim_start_matches("error: "), argument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn usage_errors_keep_what_would_be_right() {
        let error = Cli::try_parse_from(["berth", "replay", "--protect", "maybe"]);
        let failure = usage_failure(&error.expect_err("no such value"));
        assert_eq!((failure.kind.as_str(), failure.status()), ("usage", 2));
        assert!(failure.message.contains("'maybe'"), "{failure}");
        assert!(failure.message.contains("on, off, both"), "{failure}");
        assert!(failure.place.contains("--protect"), "{failure}");
        let error = Cli::try_parse_from(["berth", "replay", "--protec", "on"]);
        let failure = usage_failure(&error.expect_err("no such option"));
        assert!(failure.message.contains("--protect"), "{failure}");
    }

    #[test]
    fn every_command_has_a_manual_page() {
        fn walk(path: &[String], command: &clap::Command) {
            let page = man(path).expect("a page").text;
            assert!(
                page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"),
                "{path:?}"
            );
            for inner in command.get_subcommands() {
                let name = inner.get_name().to_owned();
                walk(&[path, &[name]].concat(), inner);
            }
        }
        walk(&[], &command());
        assert_eq!(man(&["nothing".into()]).expect_err("unknown").status(), 2);
    }

    /// The arguments of an example's commands, from `berth` on; what a pipe or a redirection adds is left out.
    fn commands_of(line: &str) -> Vec<Vec<OsString>> {
        let parts = line.split(" | ").filter(|part| part.starts_with("berth"));
        let words = |part: &str| {
            let words = part.split(" > ").next().unwrap_or_default();
            words.split_whitespace().map(OsString::from).collect()
        };
        parts.map(words).collect()
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        fn walk(command: &clap::Command, path: &str) {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_else(|| panic!("no example: {path}"));
            let lines = help.lines().filter(|line| line.contains("berth"));
            let mut parts = lines.flat_map(|line| commands_of(line.trim())).peekable();
            assert!(parts.peek().is_some(), "{path}: {help}");
            for args in parts.filter(|_| path != "berth") {
                if let Err(error) = parsed(args.clone()) {
                    panic!("{path}: {args:?}: {error}");
                }
            }
            for inner in command.get_subcommands() {
                walk(inner, &format!("{path} {}", inner.get_name()));
            }
        }
        walk(&command(), "berth");
    }

    #[test]
    fn required_arguments_are_named_in_one_sentence() {
        let error = parsed(["berth", "ipam", "claim"].map(OsString::from)).expect_err("no owner");
        let failure = usage_failure(&error);
        let wanted = "the following required arguments were not provided: --owner <OWNER>";
        assert_eq!(failure.message, wanted);
    }
}
