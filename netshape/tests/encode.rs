//! Messages into buffers of all kinds: the same bytes, or nothing.

use std::borrow::Cow;

use netshape::netlink::{
    BufferTooSmall, Message, ObjectKind, Options, REQUEST, TcMessage, Verb, decode,
};
use netshape::tc::{IfIndexes, TickRounding, parse_line};

/// One line of each form that the encoder has a branch for.
const LINES: [&str; 9] = [
    "qdisc add dev d0 root handle 1: htb default 10 direct_qlen 7",
    "qdisc add dev d0 root handle 1: stab mtu 2047 tsize 512 mpu 64 overhead 10 linklayer atm htb default 1",
    "class add dev d0 parent 1: classid 1:10 htb rate 50mbit ceil 100gbit burst 64k prio 3",
    "qdisc add dev d0 parent 1:10 handle 10: tbf rate 40gbit burst 1m limit 3000000",
    "qdisc add dev d0 parent 1:10 handle 10: fq_codel limit 1000 flows 64 target 5ms ecn",
    "qdisc add dev d0 parent 1:10 handle 10: bfifo limit 65536",
    "qdisc add dev d0 clsact",
    "filter add dev d0 parent 1: protocol ip prio 1 u32 match ip dst 10.0.0.7/32 flowid 1:10",
    "filter add dev d0 parent ffff: protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev d1",
];

fn messages() -> Vec<TcMessage<'static>> {
    let devices: IfIndexes = [("d0".to_owned(), 2), ("d1".to_owned(), 3)].into();
    let parse = |line| parse_line(line, TickRounding::Ceil, &devices);
    let parsed = LINES.map(|line| parse(line).unwrap_or_else(|e| panic!("{line}: {e}")));
    parsed.into_iter().flatten().collect()
}

#[test]
fn every_buffer_gets_the_same_bytes_wherever_they_begin() {
    for message in messages() {
        let bytes = message.to_bytes();
        assert_eq!(bytes.len(), message.encoded_len());
        // Behind something that is not aligned.
        let mut grown = vec![0xff; 3];
        message.encode(&mut grown).unwrap();
        assert_eq!(grown[3..], bytes);
        let mut exact = vec![0; bytes.len()];
        let mut rest = exact.as_mut_slice();
        message.encode(&mut rest).unwrap();
        assert!(rest.is_empty());
        assert_eq!(exact, bytes);
    }
}

#[test]
fn lengths_of_nests_are_right_so_that_what_is_read_is_what_was_written() {
    for message in messages() {
        let bytes = message.to_bytes();
        let mut read = decode(&bytes);
        assert_eq!(read.next(), Some(Ok(Message::Tc(Box::new(message)))));
        assert_eq!(read.next(), None);
    }
}

#[test]
fn a_buffer_that_is_too_small_is_left_as_it_was() {
    for message in messages() {
        let needed = message.encoded_len();
        for remaining in [0, 3, needed - 1] {
            let mut small = vec![0xaa; remaining];
            let error = message.encode(&mut small.as_mut_slice()).unwrap_err();
            assert_eq!((error.needed, error.remaining), (needed, remaining));
            assert!(small.iter().all(|b| *b == 0xaa));
        }
    }
    let error: BufferTooSmall = messages()[0]
        .encode(&mut [0; 3].as_mut_slice())
        .unwrap_err();
    assert!(error.to_string().ends_with("room for 3: give it more"));
}

#[test]
fn decoded_kind_and_untyped_options_are_slices_of_the_bytes() {
    let mut sent = TcMessage::new(ObjectKind::Qdisc, Verb::New, REQUEST);
    sent.kind = Some("cake".into());
    sent.options = Some(Options::Raw(vec![7; 40].into()));
    let owned = {
        let bytes = sent.to_bytes();
        let Some(Ok(Message::Tc(message))) = decode(&bytes).next() else {
            panic!("one message was written");
        };
        let (Some(Cow::Borrowed(kind)), Some(Options::Raw(Cow::Borrowed(options)))) =
            (&message.kind, &message.options)
        else {
            panic!("copied: {message:?}");
        };
        assert!(bytes.as_ptr_range().contains(&kind.as_ptr()));
        assert!(bytes.as_ptr_range().contains(&options.as_ptr()));
        message.into_owned()
    };
    assert_eq!(owned, sent, "it outlives the bytes");
}
