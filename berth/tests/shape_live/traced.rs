//! The command held up before each request that changes the kernel, so that what happens meanwhile happens at a step that a test chooses.

use crate::place::Place;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitStatus, Stdio};

/// Whether there is an strace.
pub(crate) fn strace() -> Result<(), String> {
    let run = Command::new("strace").arg("-V").output();
    run.map(drop)
        .map_err(|e| format!("no `strace` (Debian's strace): {e}"))
}

/// How long each request waits, in microseconds: enough for what a test does about it.
const HELD: &str = "10000";

/// Runs `berth shape` with these arguments; before the request with a number is done, `meanwhile` is called with the process's number. How the command
/// ended, and how many requests had begun by then.
pub(crate) fn run(
    place: &Place,
    args: &[&str],
    at: usize,
    mut meanwhile: impl FnMut(&str),
) -> (ExitStatus, usize) {
    // It tells netlink's requests apart only from within the namespace.
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &place.host, "strace", "-f", "-qq"]);
    let delay = format!("inject=sendto:delay_enter={HELD}");
    command.args(["-e", "trace=sendto", "-e", &delay]);
    command
        .args([env!("CARGO_BIN_EXE_berth"), "shape"])
        .args(args);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    // A line is there before its request is let go, but for its end.
    let (mut text, mut observed, mut begun) = (Vec::new(), false, 0);
    while said.read_until(b'{', &mut text).unwrap_or(0) > 0 {
        // `[pid 42] sendto(11, [{nlmsg_len=56, nlmsg_type=RTM_NEWQDISC, nlmsg_flags=NLM_F_REQUEST|NLM_F_ACK|0x600, ...`
        let head = String::from_utf8_lossy(&text).into_owned();
        text.clear();
        let _ = said.read_until(b'}', &mut text);
        let request = String::from_utf8_lossy(&text).into_owned();
        text.clear();
        observed |= request.contains("RTM_GETQDISC");
        // What was tried before, in a namespace of its own, is no step of the plan.
        if observed && request.contains("NLM_F_ACK") {
            begun += 1;
            if begun == at {
                let pid = head
                    .rsplit("[pid ")
                    .next()
                    .and_then(|t| t.split(']').next());
                meanwhile(pid.unwrap_or_default().trim());
            }
        }
    }
    (child.wait().unwrap(), begun)
}
