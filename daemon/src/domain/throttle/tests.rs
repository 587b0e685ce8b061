//! What failures cost, where counts go when there is no room for more, and how many guesses an attacker has.

use std::collections::HashMap;
use std::convert::Infallible;

use super::*;
use crate::domain::fixture::{START, throttle, user};

#[test]
fn waits_grow_and_are_forgotten() {
    let (policy, start) = (throttle(), Millis::from_u64(1_000_000));
    let mut failures = Failures::default();
    let mut waits = Vec::new();
    for _ in 0..22 {
        failures = failures.counted(start);
        waits.push(failures.wait(&policy, start).as_secs());
    }
    assert_eq!(waits, [vec![0; 9], vec![1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]].concat());
    assert_eq!(failures.wait(&policy, start.plus(Duration::from_secs(899))), Duration::from_secs(1));
    assert_eq!(failures.wait(&policy, start.plus(policy.longest)), Duration::ZERO);
    assert_eq!(failures.counted(start.plus(FORGOTTEN)).count, 1);
    assert_eq!(failures.counted_for_good(start.plus(FORGOTTEN)).count, 23, "a credential forgets nothing");
}

#[test]
fn what_a_source_may_have_comes_back_evenly() {
    let mut failures = Failures { count: 0, last: START };
    let mut now = START;
    for _ in 0..60 {
        assert_eq!(failures.room(60, now), Duration::ZERO);
        failures = failures.one_more(60, now);
    }
    assert_eq!(failures.room(60, now), Duration::from_mins(1), "one an hour for each of sixty");
    now = now.plus(Duration::from_secs(59));
    assert_eq!(failures.room(60, now), Duration::from_secs(1));
    now = now.plus(Duration::from_secs(1));
    assert_eq!(failures.room(60, now), Duration::ZERO);
    failures = failures.one_more(60, now);
    assert_eq!(failures.room(60, now), Duration::from_mins(1));
    assert_eq!(failures.one_less(60, now).room(60, now), Duration::ZERO, "a success takes itself back");
    assert_eq!(failures.drained(60, now.plus(Duration::from_mins(30))).count, 30);
    assert_eq!(failures.drained(60, now.plus(HOUR)).count, 0);
    assert_eq!(failures.drained(60, Millis::from_u64(0)).count, 60, "a clock that is behind drains nothing");
}

/// Counts in memory, as many as there is room for.
#[derive(Default)]
struct Counts {
    rows: HashMap<ThrottleKey, Failures>,
}

impl Counts {
    /// One failure of a name from an address of an app.
    fn fail(
        &mut self,
        name: &str,
        address: &str,
        owner: Option<&User>,
        policy: &ThrottlePolicy,
        now: Millis,
    ) {
        let source = Source { app: "shop".into(), address: address.into() };
        let login = Login { name: name.into(), source, device: None, session: None };
        let is_full = self.rows.len() as u64 >= policy.rows;
        let read = |key: &ThrottleKey| Ok::<_, Infallible>(self.rows.get(key).copied());
        let Ok(tried) = login.tried(owner, policy, is_full, read);
        if tried.wait(&login.source, policy, now).is_zero() {
            self.rows.extend(tried.one_more(&login.source, policy, now).counts);
        }
    }
}

#[test]
fn d3_a_flood_of_names_takes_all_room_and_moves_no_count_that_is_there() {
    let policy = ThrottlePolicy { rows: 2000, ..throttle() };
    let mut counts = Counts::default();
    let victim = user();
    for _ in 0..9 {
        counts.fail("alice", "192.0.2.1", Some(&victim), &policy, START);
    }
    let before: Vec<_> = counts
        .rows
        .iter()
        .filter(|(key, _)| matches!(key, ThrottleKey::Name(name, _) if name == "alice"))
        .map(|(key, count)| (key.clone(), *count))
        .collect();
    assert_eq!(before.iter().map(|(_, failures)| failures.count).collect::<Vec<_>>(), [9]);
    let mut now = START;
    for number in 0..100_000_u32 {
        now = now.plus(Duration::from_millis(100));
        counts.fail(&format!("name{number}"), &format!("2001:db8:{number:x}::/64"), None, &policy, now);
    }
    // Besides what there was room for: counts of nobody, of crowds, of this app, and the victim's credential.
    let most = policy.rows + u64::from(NOBODIES) + u64::from(CROWDS) + 4;
    assert!(counts.rows.len() as u64 <= most, "{}", counts.rows.len());
    for (key, failures) in before {
        assert_eq!(counts.rows.get(&key), Some(&failures), "the victim's count is where it was");
    }
    assert_eq!(counts.rows[&ThrottleKey::Credential(victim.id)].count, 9);
    // With all room taken a user's credential is still counted, and new sources share what they may have.
    for number in 0..30 {
        counts.fail("alice", &format!("198.51.100.{number}"), Some(&victim), &policy, now.plus(HOUR * 24));
    }
    assert_eq!(counts.rows[&ThrottleKey::Credential(victim.id)].count, 39);
    let crowds = counts.rows.keys().filter(|key| matches!(key, ThrottleKey::Crowd(..))).count();
    assert!((1..=usize::from(CROWDS)).contains(&crowds), "{crowds}");
}

#[test]
fn a_known_device_and_a_session_have_budgets_of_their_own_until_those_are_used_up() {
    let (policy, owner) = (throttle(), user());
    let device = DeviceId::from_bytes([5; 16]);
    let session = SessionId::from_bytes([6; 16]);
    let source = Source { app: "shop".into(), address: String::new() };
    let login = Login {
        name: "alice".into(),
        source,
        device: Some((owner.id, device)),
        session: Some((owner.id, session)),
    };
    let of_session = ThrottleKey::Session(owner.id, session, 1);
    let of_device = ThrottleKey::Device(owner.id, device, 1);
    let mut rows = HashMap::new();
    let key = |rows: &HashMap<ThrottleKey, Failures>, owner: &User| {
        let read = |key: &ThrottleKey| Ok::<_, Infallible>(rows.get(key).copied());
        let Ok(tried) = login.tried(Some(owner), &policy, true, read);
        (tried.strangers.is_none(), tried.own.map(|(key, _)| key))
    };
    assert_eq!(key(&rows, &owner), (true, Some(of_session.clone())));
    rows.insert(of_session, Failures { count: 100, last: START });
    assert_eq!(key(&rows, &owner), (true, Some(of_device.clone())));
    rows.insert(of_device, Failures { count: 100, last: START });
    assert_eq!(key(&rows, &owner), (false, None), "it is a stranger now, and there is no room for its name");
    let renewed = User { credential_version: 2, ..owner.clone() };
    assert_eq!(
        key(&rows, &renewed),
        (true, Some(ThrottleKey::Session(owner.id, session, 2))),
        "a new password"
    );
    let other = User { id: UserId::from_bytes([9; 16]), ..owner };
    assert!(!key(&rows, &other).0, "known to somebody else");
}
