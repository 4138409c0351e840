//! The namespace: devices, our plan carried out by `tc`, and one reading of the kernel for both sides.

use crate::Failure;
use crate::trees::Wanted;
use netshape::plan::{diff, diff_device};
use netshape::{DevName, Device, ObservedState};
use nlink::Route;
use nlink::netlink::config::Snapshot;
use nlink::replay::{Frame, Recorder};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Makes the devices and lets `tc` carry out our plan for them: the classes, which nlink reads, then their leaves.
pub(crate) fn make(
    wanted: &Wanted,
    runtime: &tokio::runtime::Runtime,
) -> Result<(Snapshot, ObservedState), Failure> {
    let mut links = String::new();
    let mut kernel = ObservedState::new();
    for (i, name) in wanted.names().into_iter().enumerate() {
        let dev = &name.dev;
        links += &format!("link add {dev} type veth peer name peer{i}\nlink set {dev} up\n");
        kernel.put_device(name, Device::new());
    }
    feed("ip", &links)?;
    let plan = match &wanted.uplink {
        Some(uplink) => diff_device(&kernel, &wanted.host, uplink),
        None => diff(&kernel, &wanted.host),
    };
    let batch = plan.batch()?;
    let is_leaf = |line: &&str| line.starts_with("qdisc") && line.contains(" parent ");
    let (leaves, classes): (Vec<&str>, Vec<&str>) = batch.lines().partition(is_leaf);
    feed("tc", &(classes.join("\n") + "\n"))?;
    let (theirs, _) = runtime.block_on(read())?;
    feed("tc", &(leaves.join("\n") + "\n"))?;
    let (_, ours) = runtime.block_on(read())?;
    Ok((theirs, ours))
}

/// Takes all devices of the namespace away.
pub(crate) fn clear() -> Result<(), Failure> {
    feed("ip", "link del up0\n")
}

/// `ip -batch -` or `tc -batch -`.
fn feed(program: &str, text: &str) -> Result<(), Failure> {
    let mut child = Command::new(program)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| format!("{program}: {e}"))?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    stdin.write_all(text.as_bytes())?;
    drop(stdin);
    let status = child.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} -batch: {status}").into())
    }
}

/// The kernel's state as nlink keeps it, and as we decode it from the very same datagrams.
async fn read() -> Result<(Snapshot, ObservedState), Failure> {
    let recorder = Recorder::new();
    let conn = recorder.connection::<Route>()?;
    let snapshot = Snapshot::read(&conn).await?;
    let mut bytes = Vec::new();
    for frame in recorder.fixture().frames() {
        if let Frame::Received(datagram) = frame {
            // As a socket gives them: a datagram's last message may lack its padding.
            bytes.extend_from_slice(datagram);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    let mut devices: BTreeMap<i32, Device> = BTreeMap::new();
    netshape::netlink::load(&bytes, &mut devices)?;
    let mut kernel = ObservedState::new();
    for link in snapshot.links() {
        let (Some(name), Ok(number)) = (link.name(), i32::try_from(link.ifindex())) else {
            continue;
        };
        let mut device = devices.remove(&number).unwrap_or_default();
        device.ifindex = Some(number);
        kernel.put_device(DevName::host(name), device);
    }
    Ok((snapshot, kernel))
}
