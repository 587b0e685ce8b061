//! The table says yes to what it names and to nothing else, and the one in the documentation says the same.

use super::*;

pub(crate) fn app(name: &str, rights: &[Right]) -> Arc<Principal> {
    let app =
        App { name: name.into(), rights: rights.to_vec(), audiences: vec![name.into(), "shared".into()] };
    Arc::new(Principal { uid: 1000, pid: 1, role: Role::App(Arc::new(app)) })
}

fn some(role: Role) -> Arc<Principal> {
    Arc::new(Principal { uid: 0, pid: 1, role })
}

fn allowed(principal: &Arc<Principal>) -> Vec<Operation> {
    Operation::ALL.iter().copied().filter(|operation| admit(principal, *operation).is_ok()).collect()
}

#[test]
fn e2_nothing_is_allowed_that_the_table_does_not_name() {
    let always = [Operation::Connect, Operation::Hello, Operation::Jwks];
    let by_right: [(Right, &[Operation]); 7] = [
        (
            Right::Login,
            &[Operation::Login, Operation::Reauthenticate, Operation::ChangePassword, Operation::RedeemCode],
        ),
        (Right::Verify, &[Operation::Verify, Operation::Report]),
        (Right::Refresh, &[Operation::Refresh]),
        (Right::Revoke, &[Operation::Revoke]),
        (Right::List, &[Operation::Sessions]),
        (Right::Vouch, &[Operation::OpenSession]),
        (Right::ServiceToken, &[Operation::ServiceToken]),
    ];
    assert_eq!(allowed(&some(Role::Admin)), [Operation::Administer]);
    assert_eq!(allowed(&some(Role::Stranger)), []);
    assert_eq!(allowed(&some(Role::Daemon)), [], "what the daemon does, nobody can ask for");
    assert_eq!(allowed(&app("a", &[])), always);
    for (right, operations) in by_right {
        assert_eq!(allowed(&app("a", &[right])), [&always, operations].concat(), "{right:?}");
    }
    let told = always.len() + by_right.iter().map(|(_, operations)| operations.len()).sum::<usize>() + 1;
    assert_eq!(told, Operation::ALL.len(), "every operation is told of here");
    assert!(!Right::USUAL.contains(&Right::Vouch) && !Right::USUAL.contains(&Right::ServiceToken));
}

/// What the documentation says, made by asking.
fn matrix() -> String {
    let word = |right: Right| {
        let word = serde_json::to_value(right).unwrap();
        format!("`{}`", word.as_str().unwrap())
    };
    let mut callers = vec![("an app without rights".to_owned(), app("a", &[]))];
    callers.extend(Right::ALL.map(|right| (word(right), app("a", &[right]))));
    callers.push(("administrator".to_owned(), some(Role::Admin)));
    callers.push(("anybody else".to_owned(), some(Role::Stranger)));
    let line = |first: &str, cells: Vec<&str>| format!("| {first} | {} |\n", cells.join(" | "));
    let mut text = line("", callers.iter().map(|(name, _)| name.as_str()).collect());
    text += "|---|";
    text += &"---|".repeat(callers.len());
    text += "\n";
    for operation in Operation::ALL {
        let cell = |(_, caller): &(String, Arc<Principal>)| {
            if admit(caller, *operation).is_ok() { "yes" } else { "" }
        };
        text += &line(&format!("`{}`", operation.as_str()), callers.iter().map(cell).collect());
    }
    text
}

#[test]
fn the_documented_matrix_is_the_table() {
    let page = include_str!("../../../../SECURITY.md");
    let matrix = matrix();
    assert!(page.contains(&matrix), "SECURITY.md is to say under \"Who may call what\":\n\n{matrix}");
}

#[test]
fn apps_wait_for_administrators_and_only_the_daemon_is_the_daemon() {
    let what = |permit: Permit| (permit.is_urgent(), permit.is_the_daemon());
    assert_eq!(what(admit(&app("shop", &[]), Operation::Hello).unwrap()), (false, false));
    assert_eq!(what(admit(&some(Role::Admin), Operation::Administer).unwrap()), (true, false));
    assert_eq!(what(admit_daemon(0, 1)), (true, true));
    assert_eq!(what(admit_refused(&some(Role::Stranger))), (false, false));
}

#[test]
fn an_app_has_its_own_audiences_and_sessions_only() {
    let permit = admit(&app("shop", &[]), Operation::Hello).unwrap();
    assert_eq!(permit.audience(None).unwrap(), "shop");
    assert_eq!(permit.audience(Some("shared")).unwrap(), "shared");
    assert_eq!(permit.audience(Some("other")).unwrap_err().code, ErrorCode::AudienceForbidden);
    assert!(permit.reaches("shop") && !permit.reaches("blog"));
    assert!(!admit_refused(&some(Role::Stranger)).reaches(""));
}
