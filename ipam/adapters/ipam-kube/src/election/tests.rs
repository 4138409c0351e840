use super::*;

const AT: fn(u64) -> Timestamp = Timestamp::from_secs;

fn record(version: u32, holder: &str) -> Record {
    Record {
        version: version.to_string(),
        holder: holder.to_owned(),
        duration: Some(Duration::from_secs(15)),
        transitions: 3,
    }
}

fn leader(now: Timestamp) -> Election {
    let mut election = Election::new("me".into(), Timing::default(), 7);
    assert_eq!(election.act(now), Act::Read);
    election.read(now, None);
    let Act::Write(wish) = election.act(now) else {
        panic!("a lease that is not there is made");
    };
    assert_eq!(
        (wish.version, wish.transitions, wish.taken),
        (None, 0, true)
    );
    election.wrote(now, now, Written::Done(record(1, "me")));
    election
}

#[test]
fn leader_may_write_until_its_deadline_counted_from_when_it_sent() {
    let mut election = leader(AT(100));
    assert!(election.leads(AT(109)));
    assert!(!election.leads(AT(110)));
    assert_eq!(election.act(AT(101)), Act::Wait(AT(102)));
    let Act::Write(wish) = election.act(AT(102)) else {
        panic!("it renews");
    };
    assert_eq!((wish.version.as_deref(), wish.taken), (Some("1"), false));
    // The answer takes long.
    election.wrote(AT(102), AT(109), Written::Done(record(2, "me")));
    assert_eq!(election.until(), Some(AT(112)));
}

#[test]
fn candidate_waits_until_it_has_seen_the_lease_unchanged_for_its_duration() {
    let mut election = Election::new("me".into(), Timing::default(), 7);
    let mut taken = None;
    for tenth in 0..400 {
        let now = Timestamp::from_millis(100_000 + tenth * 100);
        match election.act(now) {
            Act::Wait(_) => {}
            // Renewed up to five seconds from the beginning.
            Act::Read => {
                let version = 10 + (tenth as u32).min(50) / 10;
                election.read(now, Some(record(version, "other")));
            }
            Act::Write(wish) => {
                taken = Some((now, wish));
                break;
            }
        }
    }
    let (at, wish) = taken.unwrap();
    assert!(at >= AT(120) && at < AT(123), "{at:?}");
    assert_eq!(
        (wish.version.as_deref(), wish.transitions, wish.taken),
        (Some("15"), 4, true)
    );
}

#[test]
fn leader_that_cannot_renew_stops_before_another_begins() {
    let mut election = leader(AT(100));
    let mut now = AT(102);
    while election.leads(now) {
        match election.act(now) {
            Act::Wait(until) => now = until,
            _ => election.failed(now),
        }
    }
    assert!(now >= AT(110) && now < AT(115));
    // It asks again, and is told that another took it.
    assert_eq!(election.act(now.after(Duration::from_secs(5))), Act::Read);
    election.read(AT(120), Some(record(9, "other")));
    assert!(matches!(election.act(AT(120)), Act::Wait(_)));
    assert!(!election.leads(AT(120)));
}

#[test]
fn write_that_was_lost_on_its_way_back_is_found_by_reading() {
    let mut election = leader(AT(100));
    assert!(matches!(election.act(AT(102)), Act::Write(_)));
    election.failed(AT(103));
    let now = AT(106);
    assert_eq!(election.act(now), Act::Read);
    election.read(now, Some(record(2, "me")));
    assert_eq!(
        election.until(),
        Some(AT(110)),
        "a renewal counts only once it is answered"
    );
    let Act::Write(wish) = election.act(now) else {
        panic!("it renews");
    };
    assert_eq!(wish.version.as_deref(), Some("2"));
    election.wrote(now, now, Written::Done(record(3, "me")));
    assert!(election.leads(AT(115)));
}

#[test]
fn conflict_with_another_holder_ends_leading_at_once() {
    let mut election = leader(AT(100));
    assert!(matches!(election.act(AT(102)), Act::Write(_)));
    election.wrote(AT(102), AT(102), Written::Conflict);
    assert_eq!(election.act(AT(102)), Act::Read);
    election.read(AT(102), Some(record(7, "other")));
    assert!(!election.leads(AT(102)));
}

#[test]
fn lease_of_nobody_is_taken_at_once_and_absurd_durations_end() {
    let mut election = Election::new("me".into(), Timing::default(), 7);
    election.read(AT(100), Some(record(1, "")));
    assert!(matches!(election.act(AT(100)), Act::Write(_)));

    let mut election = Election::new("me".into(), Timing::default(), 7);
    let absurd = Record {
        duration: Some(Duration::MAX),
        ..record(1, "other")
    };
    election.read(AT(100), Some(absurd.clone()));
    election.read(AT(3699), Some(absurd.clone()));
    assert!(matches!(election.act(AT(3699)), Act::Wait(_)));
    election.read(AT(3701), Some(absurd));
    assert!(matches!(election.act(AT(3702)), Act::Write(_)));
}

#[test]
fn leader_that_ends_gives_the_lease_up() {
    let mut election = leader(AT(100));
    let wish = election.resign().unwrap();
    assert_eq!((&*wish.holder, wish.version.as_deref()), ("", Some("1")));
    assert!(!election.leads(AT(100)));
    assert_eq!(election.resign(), None);
}
