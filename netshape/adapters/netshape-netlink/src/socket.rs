//! A `NETLINK_ROUTE` socket in the network namespace that its thread was in when it was opened.

use netlink_packet_core::{NetlinkBuffer, NetlinkHeader, Parseable as _};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use netshape::netlink::{Message, decode};
use nix::errno::Errno;
use nix::libc::MSG_DONTWAIT;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::AsFd as _;

/// Bytes of a buffer for answers. The kernel fills 32 KiB at the most for one dump's piece (`NLMSG_GOODSIZE`, `netlink_dump`).
const ANSWER: usize = 64 << 10;
/// Most bytes of one dump, 256 MiB: a million classes with their counters.
const DUMP_MOST: usize = 256 << 20;
/// How long the kernel may take for an answer, 10 s. It works requests off while they are sent, so that the answer is there.
const PATIENCE: u16 = 10_000;
/// A message's head, `struct nlmsghdr`.
const HEAD: usize = 16;
/// `NLM_F_DUMP_INTR`: what is dumped changed meanwhile.
const INTERRUPTED: u16 = 0x10;
/// `NLMSG_NOOP`.
const NOOP: u16 = 1;
/// `NLMSG_ERROR` and `NLMSG_DONE`: the end of a dump, with an errno.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// How often a dump begins anew that was changed under way.
const ATTEMPTS: usize = 5;

/// What came back instead of an acknowledgement.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The kernel says no: a positive errno, and its own words where it has some.
    Refused { errno: i32, text: Option<String> },
    /// The socket does not work.
    Socket(io::Error),
}

impl From<io::Error> for Unanswered {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens one in the namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Kernels before 4.12 and 4.20 have no such options; without them there is no text, and dumps are filtered by who reads them.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Self {
            socket,
            sequence: 0,
            buffer: Vec::with_capacity(ANSWER),
        })
    }

    /// A number for the next request.
    pub(crate) const fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends one request, whose number is `sequence`, and waits until it is acknowledged.
    pub(crate) fn request(&mut self, bytes: &[u8], sequence: u32) -> Result<(), Unanswered> {
        self.send(bytes)?;
        loop {
            self.receive()?;
            for message in decode(&self.buffer) {
                match message.map_err(io::Error::other)? {
                    Message::Answer { seq, errno: 0, .. } if seq == sequence => return Ok(()),
                    Message::Answer { seq, errno, text } if seq == sequence => {
                        return Err(Unanswered::Refused {
                            errno: errno.saturating_abs(),
                            text: text.map(Into::into),
                        });
                    }
                    // An answer to what was given up, or an echo.
                    _ => {}
                }
            }
        }
    }

    /// The messages of a dump, heads included, padded to 4 bytes each. Begins anew where what is dumped changes under way; the last attempt is
    /// taken as it is, since whoever plans from it plans again.
    pub(crate) fn dump(&mut self, request: impl Fn(u32) -> Vec<u8>) -> Result<Vec<u8>, Unanswered> {
        for attempt in 1..=ATTEMPTS {
            let sequence = self.next_sequence();
            self.send(&request(sequence))?;
            let (bytes, whole) = self.dumped(sequence)?;
            if whole || attempt == ATTEMPTS {
                return Ok(bytes);
            }
        }
        Ok(Vec::new())
    }

    /// The messages of a dump, and whether nothing changed under way.
    fn dumped(&mut self, sequence: u32) -> Result<(Vec<u8>, bool), Unanswered> {
        let (mut found, mut whole) = (Vec::new(), true);
        loop {
            self.receive()?;
            let mut rest = &*self.buffer;
            while let Some((header, message)) = split(&mut rest)? {
                if header.sequence_number != sequence {
                    continue;
                }
                whole &= header.flags & INTERRUPTED == 0;
                match header.message_type {
                    NOOP => {}
                    DONE | ERROR => return ended(message).map(|()| (found, whole)),
                    _ if found.len() + message.len() > DUMP_MOST => {
                        let why = format!("a dump of over {DUMP_MOST} bytes");
                        return Err(io::Error::other(why).into());
                    }
                    _ => {
                        found.extend_from_slice(message);
                        found.resize(found.len().next_multiple_of(4), 0);
                    }
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.socket.send(bytes, 0)?;
        match sent == bytes.len() {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "{sent} of {} bytes sent",
                bytes.len()
            ))),
        }
    }

    /// Fills the buffer with what the kernel says next.
    fn receive(&mut self) -> io::Result<()> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, MSG_DONTWAIT) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                Err(e) => return Err(e),
            }
        }
    }

    /// Waits until there is something to read.
    fn wait(&self) -> io::Result<()> {
        let mut at = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut at, PollTimeout::from(PATIENCE)) {
            Ok(0) => Err(io::ErrorKind::TimedOut.into()),
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Takes the next message, head included, off the front of what was received.
fn split<'a>(rest: &mut &'a [u8]) -> io::Result<Option<(NetlinkHeader, &'a [u8])>> {
    if rest.is_empty() {
        return Ok(None);
    }
    let head = NetlinkBuffer::new_checked(*rest).and_then(|head| NetlinkHeader::parse(&head));
    let header = head.map_err(|e| io::Error::other(e.to_string()))?;
    let length = header.length as usize;
    let Some(message) = rest.get(..length).filter(|m| m.len() >= HEAD) else {
        let why = format!("a message of {length} bytes where {} are left", rest.len());
        return Err(io::Error::other(why));
    };
    *rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    Ok(Some((header, message)))
}

/// How a dump ended, by its last message.
fn ended(message: &[u8]) -> Result<(), Unanswered> {
    let errno = message.get(HEAD..).and_then(|body| body.first_chunk());
    match errno.map_or(0, |bytes| i32::from_ne_bytes(*bytes)) {
        0 => Ok(()),
        errno => Err(Unanswered::Refused {
            errno: errno.saturating_abs(),
            text: None,
        }),
    }
}
