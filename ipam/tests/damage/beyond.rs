//! Counts and times beyond what can be.

use super::*;

#[test]
fn counts_that_nobody_can_have_counted_are_refused() {
    let mut store = store();
    let all = entries(&mut store);
    let mut tried = 0;
    for (key, value) in all.iter().filter(|(key, _)| !key.starts_with("q/")) {
        let mut record = Record::decode(key, value).expect("a record");
        let altered = match &mut record {
            Record::Claim { sequence, .. } => {
                *sequence = u64::MAX;
                true
            }
            Record::Block { generation, .. } => {
                *generation = u64::MAX - 1;
                true
            }
            _ => false,
        };
        if !altered {
            continue;
        }
        tried += 1;
        let mut store = store.clone();
        write(&mut store, key, record.encode());
        let replica = open(store, NOW);
        assert_eq!(replica.rejected().len(), 1, "`{key}`");
        assert!(replica.ipam().sequence() < 1 << 32, "`{key}`");
    }
    assert!(tried >= 8, "{tried}");
}

#[test]
fn a_time_a_day_ahead_holds_and_is_set_to_now_by_repair() {
    let mut store = store();
    let far = NOW.after(Duration::from_secs(48 * 3600));
    let all = entries(&mut store).into_iter();
    for (key, value) in all.filter(|(key, _)| !key.starts_with("q/")) {
        let mut record = Record::decode(&key, &value).expect("a record");
        match &mut record {
            Record::Claim { touched, .. } => *touched = far,
            Record::Block { released, .. } => released.iter_mut().for_each(|r| r.at = far),
            _ => continue,
        }
        write(&mut store, &key, record.encode());
    }
    let taken = taken(&store);
    let ahead = |r: &Memory| {
        let found = r.ipam().fsck(Duration::from_secs(900), r.rejected());
        found.into_iter().filter(|p| p.kind == "future").count()
    };
    let mut replica = open(store, NOW);
    assert!(ahead(&replica) >= 6, "{}", ahead(&replica));
    let quarantined = |r: &Memory| -> u32 { r.ipam().pools().map(|p| p.usage().quarantined).sum() };
    let before = quarantined(&replica);
    assert!(before > 0);
    let later = NOW.after(Duration::from_secs(3600));
    ready(replica.catch_up(later)).unwrap().expect("a read");
    assert_eq!(quarantined(&replica), before, "its time has not come");
    assert!(ready(replica.rebuild(later)).unwrap().is_ok_and(|n| n >= 6));
    assert_eq!(ahead(&replica), 0);
    let later = later.after(Duration::from_secs(61));
    ready(replica.catch_up(later)).unwrap().expect("a read");
    assert_eq!(quarantined(&replica), 0);
    exhaust(replica.into_store(), &taken, later);
}
