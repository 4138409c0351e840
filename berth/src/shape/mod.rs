//! `berth shape`: plans, encodes and decodes traffic shaping from files alone; shows and applies it on the kernel that this runs on.

#[cfg(target_os = "linux")]
mod apply;
mod decode;
mod encode;
mod forms;
#[cfg(target_os = "linux")]
mod live;
mod message;
mod named;
mod plan;
mod policy;
#[cfg(target_os = "linux")]
mod show;
#[cfg(target_os = "linux")]
mod watch;

use crate::answer::{Answer, Failure, escaped};
use clap::{Args, Subcommand, ValueEnum};
use netshape::tc::TickRounding;
use std::path::{Path, PathBuf};

/// What an alias begins with by which `berth-bandwidth` marks the devices that it shapes: both use the same reserved numbers, and each leaves the
/// other's alone by this.
pub const BANDWIDTH_MARK: &str = "berth-bandwidth ";

/// Bandwidth shaping: from a declared policy to the exact tree.
#[derive(Debug, Args)]
pub struct ShapeArgs {
    #[command(subcommand)]
    command: ShapeCommand,
}

#[derive(Debug, Subcommand)]
enum ShapeCommand {
    /// Say what would be done to get from the observed state to the declared policy.
    Plan(plan::PlanArgs),
    /// Make the kernel as the declared policy says: all steps, or none. What earlier policies left in network namespaces with names (`ip netns`)
    /// goes: these are taken to be this host's.
    #[cfg(target_os = "linux")]
    Apply(apply::ApplyArgs),
    /// Show what is on the devices of this host and its network namespaces, with counters.
    #[cfg(target_os = "linux")]
    Show(show::ShowArgs),
    /// Make the kernel as the declared policy says, then divide the uplink anew each second among those who use it, until told to end.
    #[cfg(target_os = "linux")]
    Watch(watch::WatchArgs),
    /// Write the netlink messages that tc sends for a batch, as text.
    Encode(encode::EncodeArgs),
    /// Read netlink messages in that text form.
    Decode(decode::DecodeArgs),
}

/// Which tc rounds the bursts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum EraArg {
    /// iproute2 up to 6.14.
    #[default]
    #[value(name = "6.1")]
    Truncating,
    /// iproute2 from 6.15 on.
    #[value(name = "7.1")]
    Ceil,
}

impl From<EraArg> for TickRounding {
    fn from(era: EraArg) -> Self {
        match era {
            EraArg::Truncating => Self::Truncating,
            EraArg::Ceil => Self::Ceil,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Bad input or files that can't be read.
pub fn run(args: &ShapeArgs, json: bool) -> Result<Answer, Failure> {
    let answer = match &args.command {
        ShapeCommand::Plan(args) => plan::run(args),
        #[cfg(target_os = "linux")]
        ShapeCommand::Apply(args) => apply::run(args),
        #[cfg(target_os = "linux")]
        ShapeCommand::Show(args) => show::run(args),
        #[cfg(target_os = "linux")]
        ShapeCommand::Watch(args) => watch::run(args, json),
        ShapeCommand::Encode(args) => encode::run(args),
        ShapeCommand::Decode(args) => decode::run(args),
    };
    // Kinds, names and commands from the files may stand in it.
    answer.map(|a| Answer {
        text: escaped(&a.text),
        ..a
    })
}

/// Greatest file that is read, 64 MiB.
const FILE_MOST: u64 = 64 << 20;

/// A text file of bounded size; `-` is standard input.
fn read(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let place = path.display().to_string();
    let io = |e: std::io::Error| Failure::io(&e, place.clone());
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(FILE_MOST + 1)
            .read_to_end(&mut bytes)
            .map_err(io)?;
    } else {
        let file = std::fs::File::open(path).map_err(io)?;
        file.take(FILE_MOST + 1)
            .read_to_end(&mut bytes)
            .map_err(io)?;
    }
    if bytes.len() as u64 > FILE_MOST {
        return Err(Failure::input(format!("over {FILE_MOST} bytes"), place));
    }
    String::from_utf8(bytes).map_err(|e| Failure::input(e.to_string(), path.display().to_string()))
}

/// A file given on the command line.
type FileArg = PathBuf;
