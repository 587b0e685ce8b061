//! Which entries fit what somebody wants to see.

use super::*;

#[test]
fn an_event_is_wanted_with_all_that_go_on_behind_it() {
    let record = |event: &str| AuditRecord {
        stamp: Stamp(1),
        event: event.into(),
        outcome: "ok".into(),
        uid: 0,
        pid: 1,
        app: "shop".into(),
        user: Some(UserId::from_bytes([1; 16])),
        session: None,
        detail: String::new(),
        hash: [0; 32],
    };
    let event = |event: &str| Wanted { event: Some(event.into()), ..Wanted::default() };
    assert!(event("login").fits(&record("login")) && event("login").fits(&record("login.locked")));
    assert!(!event("login").fits(&record("logins")) && !event("login.locked").fits(&record("login")));
    let app = |app: &str| Wanted { app: Some(app.into()), ..Wanted::default() };
    assert!(app("shop").fits(&record("login")) && !app("blog").fits(&record("login")));
    let user = |byte| Wanted { user: Some(UserId::from_bytes([byte; 16])), ..Wanted::default() };
    assert!(user(1).fits(&record("login")) && !user(2).fits(&record("login")));
    assert!(Wanted::default().fits(&record("anything")));
}

#[test]
fn a_walk_goes_on_where_it_was() {
    let walk = Walk { begun: true, number: 7, gone: Some((3, [4; 32])), ..Walk::default() };
    let bytes = hallpass_protocol::codec::encode(&walk).unwrap();
    assert_eq!(hallpass_protocol::codec::decode::<Walk>(&bytes).unwrap(), walk);
}
