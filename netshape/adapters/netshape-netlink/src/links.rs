//! Network devices: which there are, and ifbs to be made and removed.

use crate::socket::{Connection, Unanswered};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use std::io;

/// Bytes of a message's head and of `struct ifinfomsg`.
const HEADS: usize = 16 + 16;
/// Where the device's number is in a message: behind the head, `ifi_family`, padding and `ifi_type`.
const INDEX: std::ops::Range<usize> = 20..24;
/// `IFLA_IFNAME`, `IFLA_LINKINFO`, `IFLA_LINK`, `IFLA_IFALIAS`, `IFLA_GSO_MAX_SIZE`, and `IFLA_INFO_KIND` in the second.
const NAME: u16 = 3;
const INFO: u16 = 18;
const PEER: u16 = 5;
const ALIAS: u16 = 20;
const GSO_MAX_SIZE: u16 = 41;
const KIND: u16 = 1;

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// Its number.
    pub ifindex: i32,
    /// Its name.
    pub name: String,
    /// Its kind where it has one (`veth`, `ifb`, `bridge`); a real card has none.
    pub kind: Option<String>,
    /// The number of the device that it leads to: of a veth its other end, in that one's namespace.
    pub peer: Option<i32>,
    /// What somebody wrote on it (`ip link set alias`).
    pub alias: Option<String>,
    /// Largest GSO packet, bytes.
    pub gso_max_size: Option<u32>,
}

/// All devices of the connection's namespace.
pub(crate) fn links(connection: &mut Connection) -> Result<Vec<Link>, Unanswered> {
    let request = |sequence| {
        let message = RouteNetlinkMessage::GetLink(LinkMessage::default());
        bytes(message, NLM_F_REQUEST | NLM_F_DUMP, sequence)
    };
    let found = connection.dump(request)?;
    let mut links = Vec::new();
    let mut rest = &*found;
    while let Some(length) = rest
        .first_chunk::<4>()
        .map(|l| u32::from_ne_bytes(*l) as usize)
    {
        let (Some(message), true) = (rest.get(..length), length >= HEADS) else {
            return Err(io::Error::other(format!("a device's message of {length} bytes")).into());
        };
        links.extend(link(message));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(links)
}

/// Reads the attributes that matter here: one that nobody knows yet must not hide a device.
fn link(message: &[u8]) -> Option<Link> {
    let ifindex = message
        .get(INDEX)?
        .first_chunk()
        .map(|i| i32::from_ne_bytes(*i))?;
    let mut link = Link {
        ifindex,
        ..Link::default()
    };
    for attribute in NlasIterator::new(message.get(HEADS..)?) {
        let Ok(attribute) = attribute else { break };
        let value = attribute.value();
        match attribute.kind() {
            NAME => link.name = text(value),
            PEER => link.peer = value.first_chunk().map(|v| i32::from_ne_bytes(*v)),
            ALIAS => link.alias = Some(text(value)),
            GSO_MAX_SIZE => link.gso_max_size = value.first_chunk().map(|v| u32::from_ne_bytes(*v)),
            INFO => {
                let within = NlasIterator::new(value).filter_map(Result::ok);
                let mut kinds = within.filter(|a| a.kind() == KIND);
                link.kind = kinds.next().map(|a| text(a.value()));
            }
            _ => {}
        }
    }
    Some(link).filter(|l| !l.name.is_empty())
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(&[])).into_owned()
}

/// Makes an ifb and sets it up. One of that name that is there already is set up as it is, if it is an ifb.
pub(crate) fn create_ifb(connection: &mut Connection, name: &str) -> Result<(), Unanswered> {
    let mut message = LinkMessage::default();
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_owned()));
    let mut made = message.clone();
    let kind = LinkInfo::Kind(InfoKind::Ifb);
    made.attributes.push(LinkAttribute::LinkInfo(vec![kind]));
    let create = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    match ask(connection, RouteNetlinkMessage::NewLink(made), create) {
        Err(Unanswered::Refused { errno, .. }) if errno == nix::libc::EEXIST => {
            let set = RouteNetlinkMessage::NewLink(message);
            ask(connection, set, NLM_F_REQUEST | NLM_F_ACK)
        }
        answer => answer,
    }
}

/// Writes an alias on a device.
pub(crate) fn set_alias(
    connection: &mut Connection,
    ifindex: i32,
    alias: &str,
) -> Result<(), Unanswered> {
    let mut message = LinkMessage::default();
    message.header.index = ifindex.cast_unsigned();
    let alias = LinkAttribute::IfAlias(alias.to_owned());
    message.attributes.push(alias);
    let set = RouteNetlinkMessage::SetLink(message);
    ask(connection, set, NLM_F_REQUEST | NLM_F_ACK)
}

/// Removes a device by its number.
pub(crate) fn remove(connection: &mut Connection, ifindex: i32) -> Result<(), Unanswered> {
    let mut message = LinkMessage::default();
    message.header.index = ifindex.cast_unsigned();
    let remove = RouteNetlinkMessage::DelLink(message);
    ask(connection, remove, NLM_F_REQUEST | NLM_F_ACK)
}

fn ask(
    connection: &mut Connection,
    message: RouteNetlinkMessage,
    flags: u16,
) -> Result<(), Unanswered> {
    let sequence = connection.next_sequence();
    connection.request(&bytes(message, flags, sequence), sequence)
}

fn bytes(message: RouteNetlinkMessage, flags: u16, sequence: u32) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}
