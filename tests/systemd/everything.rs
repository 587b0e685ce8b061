//! Every call of both services, answered by the daemon inside its sandbox; and then a search for the secrets of all of them in whatever the machine
//! keeps: the journal, the files of the daemon, and what the system shows of its process.

use std::collections::BTreeSet;
use std::io::Write;

use hallpass_client::admin::{AdminClient, AuditTail};
use hallpass_client::{
    ChangePassword, Client, Context, Grant, GrantedTokens, ListSessions, Login, Needs, OpenSession, Password,
    Reauthenticate, RedeemCode, Refresh, Revoke, SessionKind, Token, UserRef, VerifierReport, Verify,
    new_attempt,
};

use crate::machine::Machine;
use crate::{SHOP, machine};

/// Passwords that stand in nothing else.
const PASSWORDS: [&str; 4] = [
    "canary one of a green machine",
    "canary two of a green machine",
    "canary three of a green machine",
    "canary four of a green machine",
];

/// The calls of an administrator, each with a command that makes it. PW0 to PW3 are the passwords above, given as a line of stdin.
const ADMINISTRATOR: [(&str, &str); 26] = [
    ("status", "hallpass status --json"),
    ("metrics", "hallpass metrics && hallpass top --once"),
    ("user_add", "PW3 | hallpass user add bob --role editor --password-stdin"),
    ("user_list user_show", "hallpass user list && hallpass user show bob"),
    ("user_set_roles", "hallpass user roles bob --set editor,owner"),
    ("user_set_attributes", "hallpass user set bob team=blue"),
    ("user_rename", "hallpass user rename bob robert"),
    ("user_disable user_enable", "hallpass user disable robert && hallpass user enable robert"),
    ("user_set_password", "PW2 | hallpass user passwd robert --password-stdin"),
    ("user_code", "hallpass user code robert --out /srv/code-of-robert"),
    (
        "export_begin export_page export_end",
        "umask 077 && hallpass user export >/srv/users && hallpass user export --with-hashes >/srv/users-with-hashes",
    ),
    ("user_remove", "hallpass user remove robert --yes"),
    (
        "user_import",
        "grep robert /srv/users-with-hashes >/srv/robert && hallpass user import --dry-run /srv/robert && hallpass user import /srv/robert",
    ),
    ("session_list", "hallpass session list --user alice --json >/srv/sessions"),
    ("session_show", "hallpass session show $(SESSION) && hallpass session show $(SESSION) --json"),
    ("revoke", "hallpass session revoke $(SESSION)"),
    ("revocation_list", "hallpass revocation list"),
    ("key_list key_jwks", "hallpass key list && hallpass key jwks"),
    (
        "key_rotate",
        "hallpass key rotate && hallpass key rotate --mac && hallpass key rotate --mac --emergency --yes",
    ),
    ("key_retire", "hallpass key retire $(KID) --yes"),
    (
        "key_reseal",
        "head -c 32 /dev/urandom >/srv/next && chmod 600 /srv/next && hallpass key reseal --new-key /srv/next",
    ),
    ("backup_begin backup_page backup_end", "hallpass backup /srv/copy && hallpass check /srv/copy"),
    // What the command asks for is found by what it says, so another program makes this one.
    (
        "audit_tail",
        "HALLPASS_EVERYTHING=1 /mnt/app everything::an_administrator_reads_the_end_of_the_chain --exact",
    ),
    ("audit_find", "hallpass audit tail --user alice --event login && hallpass audit export >/srv/audit"),
    (
        "audit_verify",
        "hallpass audit verify && journalctl -u hallpassd -o export | hallpass audit verify --against -",
    ),
    ("clock_accept", "hallpass clock accept --yes"),
];

/// The names of a service's calls, as its trait has them.
fn calls(service: &'static str) -> BTreeSet<&'static str> {
    service
        .lines()
        .filter_map(|line| line.trim().strip_prefix("async fn "))
        .filter_map(|line| line.split_once('(').map(|(name, _)| name))
        .collect()
}

#[test]
fn every_call_is_in_the_table() {
    let listed: BTreeSet<_> = ADMINISTRATOR.iter().flat_map(|(names, _)| names.split(' ')).collect();
    assert_eq!(listed, calls(include_str!("../../protocol/src/admin.rs")));
}

#[test]
fn every_call_works_in_the_sandbox_and_leaves_no_secret_behind() {
    let Some(machine) = machine("everything") else { return };
    let machine = machine.with_hallpass();
    machine.does("printf 'rights = [\"login\", \"verify\", \"refresh\", \"revoke\", \"list\", \"vouch\", \"service_token\"]\\n' >>/etc/hallpass/hallpass.toml");
    machine.does("sed -i 's/^level = \"info\"/level = \"trace\"/' /etc/hallpass/hallpass.toml && systemctl reload hallpassd");
    machine.does(&with_passwords("PW0 | hallpass user passwd alice --password-stdin"));
    machine.does("hallpass user code alice --out /srv/code && chown shop /srv/code");

    let said = machine.does(&format!(
        "{SHOP} env HALLPASS_EVERYTHING=1 /mnt/app everything::an_app_calls_everything --exact --nocapture --test-threads=1"
    ));
    let after = |word: &str| said.lines().filter_map(|line| line.strip_prefix(word)).collect::<BTreeSet<_>>();
    assert_eq!(after("did "), calls(include_str!("../../protocol/src/auth.rs")), "{said}");
    for (names, command) in ADMINISTRATOR {
        let command = with_passwords(command)
            .replace("$(SESSION)", "$(sed -n 's/.*\"session_id\":\"\\([^\"]*\\)\".*/\\1/p' /srv/sessions | head -n 1)")
            .replace("$(KID)", "$(hallpass key list --json | grep signing | grep active | sed 's/.*\"kid\":\"\\([^\"]*\\)\".*/\\1/')");
        let said = machine.tries(&command);
        assert_eq!(said.code, 0, "{names}: {command}\n{}", said.text);
    }
    measures_and_looks(&machine);

    let tokens: Vec<_> = after("canary ").into_iter().collect();
    assert!(tokens.len() > 10, "{said}");
    leaves_nothing(&machine, &[&PASSWORDS[..], &tokens].concat());
    comes_back_from_a_backup(&machine);
}

fn with_passwords(command: &str) -> String {
    PASSWORDS.iter().enumerate().fold(command.to_owned(), |command, (number, password)| {
        command.replace(&format!("PW{number} |"), &format!("printf '{password}\\n' |"))
    })
}

fn measures_and_looks(machine: &Machine) {
    machine.does(&with_passwords(&format!(
        "PW2 | {SHOP} hallpass login alice --password-stdin --json | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/' >/srv/access"
    )));
    machine.does(&format!("{SHOP} hallpass bench --running - --seconds 1 </srv/access"));
    machine.does("hallpass config check && hallpass config show && hallpass doctor");
}

/// Looks for all of them in all that is left of what was done. That it can find something is seen last.
fn leaves_nothing(machine: &Machine, secrets: &[&str]) {
    machine.does(": >/srv/canaries && chmod 600 /srv/canaries");
    for secret in secrets {
        machine.does(&format!("printf '%s\\n' '{secret}' >>/srv/canaries"));
    }
    machine.does("cat /srv/code /srv/code-of-robert >>/srv/canaries");
    let journal = "journalctl --no-pager -o export | grep -aFf /srv/canaries";
    machine.comes_to("journalctl --no-pager -u hallpassd -o cat | grep -q 'was answered'");
    for search in [
        journal,
        "grep -aFf /srv/canaries -r /var/lib/hallpass /run/hallpass /var/log/dpkg.log",
        "grep -aFf /srv/canaries /proc/$(systemctl show -P MainPID hallpassd.service)/cmdline",
        "grep -aFf /srv/canaries /proc/$(systemctl show -P MainPID hallpassd.service)/environ",
        "grep -aFf /srv/canaries /srv/copy /srv/users /srv/users-with-hashes /srv/audit",
    ] {
        let said = machine.tries(search);
        assert!(said.code == 1 && said.text.is_empty(), "{search}\n{}", said.text);
    }
    machine.does("head -n 1 /srv/canaries | systemd-cat -t elsewhere");
    machine.comes_to(journal);
}

/// Without the daemon: its database is put back from the backup, shrunk and checked, and it serves again from its own sandbox.
fn comes_back_from_a_backup(machine: &Machine) {
    machine.does("systemctl stop hallpassd.socket hallpassd-admin.socket hallpassd.service");
    let said = machine.tries("hallpass restore /srv/copy --yes");
    assert!(said.code == 2 && said.text.contains("--config /etc/hallpass/hallpass.toml"), "{}", said.text);
    let as_its_user = |command: &str| {
        format!(
            "setpriv --reuid=hallpass --regid=hallpass --clear-groups hallpass {command} --config /etc/hallpass/hallpass.toml"
        )
    };
    let said = machine.tries(&as_its_user("restore /srv/copy --yes"));
    assert!(said.code == 77 && said.text.contains("install -o USER"), "{}", said.text);
    machine.does("install -o hallpass -m 600 /srv/copy /var/lib/hallpass/backup.redb");
    for command in ["restore /var/lib/hallpass/backup.redb --yes", "compact", "check"] {
        machine.does(&as_its_user(command));
    }
    machine.does("systemctl start hallpassd.socket hallpassd-admin.socket");
    machine.does("hallpass status && hallpass user show alice");
    assert_eq!(
        machine.does("hallpass session list --user alice --json"),
        "",
        "every session of before is over"
    );
    machine.does(&with_passwords(&format!("PW2 | {SHOP} hallpass login alice --password-stdin")));
}

/// Tells the test outside.
fn say(word: &str, what: &str) {
    writeln!(std::io::stdout(), "{word} {what}").expect("a pipe");
}

/// The token that a session is shown by; every token of the grant is one to look for.
fn shown(grant: &Grant) -> (Token, Option<Token>) {
    match &grant.tokens {
        GrantedTokens::Cookie { session_token } => {
            say("canary", session_token.expose());
            (session_token.clone(), None)
        }
        GrantedTokens::Token { access_token, refresh_token, .. } => {
            say("canary", access_token.expose());
            say("canary", refresh_token.expose());
            (access_token.clone(), Some(refresh_token.clone()))
        }
    }
}

fn password(number: usize) -> Password {
    Password::new(PASSWORDS[number].to_owned())
}

fn proof(token: Token) -> Reauthenticate {
    Reauthenticate { token, password: password(1), audience: None, context: Context::default() }
}

/// Not a test of its own: another one runs it inside a machine, as an app's user.
#[tokio::test]
async fn an_app_calls_everything() {
    if std::env::var_os("HALLPASS_EVERYTHING").is_none() {
        return;
    }
    // The line that the test harness has begun is none of ours.
    writeln!(std::io::stdout()).expect("a pipe");
    let client = Client::connect_default().await.expect("the group lets us in");
    client.hello().await.expect("an app");
    say("did", "hello");
    // Before anything else: another password takes the code back.
    let code = std::fs::read_to_string("/srv/code").expect("a code").trim().to_owned();
    let redeem = RedeemCode {
        name: "alice".to_owned(),
        code: Token::new(code),
        new_password: password(1),
        kind: SessionKind::Cookie,
        audience: None,
        context: Context::default(),
    };
    shown(&client.redeem_code(redeem).await.expect("her code"));
    say("did", "redeem_code");
    let login = |kind| Login {
        name: "alice".to_owned(),
        password: password(1),
        kind,
        audience: None,
        device_token: None,
        context: Context { device_label: Some("a green machine".into()), ..Context::default() },
    };
    let grant = client.login(login(SessionKind::Token)).await.expect("her password");
    grant.device_token.iter().for_each(|token| say("canary", token.expose()));
    let user = grant.user_id;
    say("did", "login");
    let (access, refresh_token) = shown(&grant);
    let refresh = Refresh {
        token: refresh_token.expect("tokens were asked for"),
        attempt: Some(new_attempt().expect("randomness")),
        audience: None,
        context: Context::default(),
    };
    shown(&client.refresh(refresh).await.expect("it is the current one"));
    say("did", "refresh");
    client.verify(access.clone(), Needs::default()).await.expect("it stands");
    say("did", "verify");
    let verify = Verify { token: access.clone(), needs: Needs::default(), context: None };
    client.verify_many(vec![verify]).await.expect("an app that verifies");
    say("did", "verify_many");
    client.report(VerifierReport::default()).await.expect("an app that verifies");
    say("did", "report");
    client.jwks().await.expect("they are public");
    say("did", "jwks");
    client.sessions(ListSessions { user, after: None }).await.expect("an app that lists");
    say("did", "sessions");
    let (again, _) = shown(&client.reauthenticate(proof(access)).await.expect("her password"));
    say("did", "reauthenticate");
    let change = ChangePassword { proof: proof(again), new_password: password(2) };
    let (changed, _) = shown(&client.change_password(change).await.expect("her password"));
    say("did", "change_password");
    client.revoke(Revoke::Token(changed)).await.expect("it is hers");
    say("did", "revoke");
    say("canary", client.service_token(None).await.expect("a token of its own").token.expose());
    say("did", "service_token");
    let open = OpenSession {
        user: UserRef::Id(user),
        kind: SessionKind::Cookie,
        audience: None,
        amr: vec!["hwk".to_owned()],
        context: Context::default(),
    };
    shown(&client.open_session(open).await.expect("an app that vouches"));
    say("did", "open_session");
}

/// Not a test of its own: another one runs it inside a machine, as root.
#[tokio::test]
async fn an_administrator_reads_the_end_of_the_chain() {
    if std::env::var_os("HALLPASS_EVERYTHING").is_none() {
        return;
    }
    let admin = AdminClient::connect_default().await.expect("root administers");
    let tail = admin.audit_tail(AuditTail { after: None, count: 5 }).await.expect("an administrator");
    assert_eq!(tail.len(), 5);
}
