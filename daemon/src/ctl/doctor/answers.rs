//! What the daemon itself has to say, where it answers.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use hallpass_client::admin::{AdminClient, KeyInfo, Status, VerifyAudit};
use hallpass_client::{Client, Error};
use hallpass_protocol::auth::{BoardPlace, Hello};
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::time::Millis;

use super::files::{Member, member};
use super::report::Finding;
use super::subject::Subject;
use crate::ctl::render::text::{distance, moment};
use crate::daemon::DaemonError;
use crate::verify::verify_offline;

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the audit chain is walked.
const WALK: Duration = Duration::from_secs(5);
/// How late a key may rotate before somebody should look: the daemon sees to it every half minute.
const LATE: Duration = Duration::from_hours(1);

/// What was answered on each socket.
pub(super) struct Answers {
    hello: Result<Hello, Error>,
    admin: Result<AdminClient, Error>,
    status: Result<Status, Error>,
    keys: Option<Vec<KeyInfo>>,
}

impl Answers {
    /// Asks on both sockets at the same time.
    pub(super) async fn ask(subject: &Subject) -> Self {
        let hello = async { Client::connect(&subject.socket).await?.with_deadline(PATIENCE).hello().await };
        let admin = async {
            let admin = AdminClient::connect(&subject.admin_socket).await?.with_deadline(PATIENCE);
            let status = admin.status().await;
            let keys = admin.key_list().await.ok();
            Ok((admin, status, keys))
        };
        let (hello, asked) = tokio::join!(hello, admin);
        match asked {
            Ok((admin, status, keys)) => Self { hello, admin: Ok(admin), status, keys },
            Err(error) => {
                let error: Error = error;
                Self { hello, admin: Err(error.clone()), status: Err(error), keys: None }
            }
        }
    }

    /// Whether a daemon answers at all.
    pub(super) fn is_up(&self) -> bool {
        let forbidden = |error: &Error| matches!(error, Error::SentAway { code: ErrorCode::Forbidden, .. });
        self.hello.as_ref().map_or_else(forbidden, |_| true) || self.status.is_ok()
    }

    /// What an administrator is told.
    pub(super) fn status(&self) -> Option<&Status> {
        self.status.as_ref().ok()
    }

    /// What an app is told.
    pub(super) fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref().ok()
    }

    /// Where the daemon says that its board is.
    pub(super) fn board(&self) -> Option<&BoardPlace> {
        self.hello().and_then(|hello| hello.board.as_ref())
    }

    /// Whether it answers, to whom, and which version it is.
    pub(super) fn of_calls(&self, subject: &Subject) -> Vec<Finding> {
        let mut findings = vec![self.of_daemon(subject), self.of_caller(subject)];
        let version =
            self.hello().map(|hello| &hello.version).or(self.status().map(|status| &status.version));
        findings.extend(version.map(|version| of_version(version, env!("CARGO_PKG_VERSION"))));
        findings
    }

    fn of_daemon(&self, subject: &Subject) -> Finding {
        if let Some(status) = self.status() {
            return Finding::ok(
                "daemon",
                format!("answers, process {}, since {}", status.pid, moment(status.started)),
            );
        }
        match &self.hello {
            Ok(_) => Finding::ok("daemon", "answers"),
            Err(error) => of_silence(error, subject),
        }
    }

    fn of_caller(&self, subject: &Subject) -> Finding {
        let user = nix::unistd::geteuid();
        if self.status.is_ok() {
            let app = self.hello().map_or_else(|| "no app".to_owned(), |hello| format!("app {}", hello.app));
            return Finding::ok("caller", format!("user id {user} is an administrator, and {app}"));
        }
        match &self.hello {
            Ok(hello) => {
                Finding::ok("caller", format!("user id {user} is app {}, and no administrator", hello.app))
            }
            Err(Error::SentAway { code: ErrorCode::Forbidden, .. }) => Finding::problem(
                "caller",
                format!("user id {user} belongs to no app that the daemon knows"),
                format!(
                    "add uids = [{user}] to an [[app]] of hallpass.toml, and: systemctl reload hallpassd"
                ),
            ),
            Err(error) if is_shut(error) => of_member(&member(&subject.socket)),
            Err(_) => {
                Finding::unknown("caller", "who may call cannot be told while the daemon does not answer")
            }
        }
    }

    /// How the keys are, and when the next comes.
    pub(super) fn of_keys(&self, subject: &Subject, now: Millis) -> Finding {
        let every = subject.settings().map(|config| config.keys.rotate_every.0);
        match &self.keys {
            Some(keys) => of_keys(keys, every, now),
            None => Finding::unknown(
                "keys",
                "only an administrator can ask for them, and only while the daemon answers",
            ),
        }
    }

    /// Whether the audit chain is what the daemon wrote.
    pub(super) async fn of_audit(&self, subject: &Subject) -> Finding {
        if let Ok(admin) = &self.admin {
            return walked(admin).await;
        }
        let Ok(parts) = &subject.parts else {
            return Finding::unknown("audit", "where the database lies cannot be told");
        };
        if parts.state_dir.read_dir().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
            return Finding::unknown("audit", "the database is out of reach of this user");
        }
        match verify_offline(Some(parts), None, &[], &mut |_, _| ()) {
            Ok(found) => {
                let (entries, faults, doubts) = (found.entries, found.faults, found.doubts);
                let verify = format!("hallpass audit verify --state-dir {}", parts.state_dir.display());
                of_chain(&Walked { entries, faults, doubts, is_whole: true }, &verify)
            }
            Err(DaemonError::Store(error)) => {
                Finding::unknown("audit", format!("it cannot be read here: {error}"))
            }
            Err(error) => Finding::unknown("audit", error.to_string()),
        }
    }
}

/// What a walk over the audit chain has come to.
#[derive(Default)]
struct Walked {
    entries: u64,
    faults: Vec<String>,
    doubts: Vec<String>,
    /// Whether it came to the end.
    is_whole: bool,
}

async fn walked(admin: &AdminClient) -> Finding {
    let (begun, mut walked) = (Instant::now(), Walked::default());
    let mut ask = VerifyAudit { place: Vec::new(), checkpoints: Vec::new() };
    loop {
        let stretch = match admin.audit_verify(ask).await {
            Ok(stretch) => stretch,
            Err(error) => return Finding::unknown("audit", format!("it could not be verified: {error}")),
        };
        (walked.entries, walked.is_whole) = (stretch.entries, stretch.done);
        walked.faults.extend(stretch.faults);
        walked.doubts.extend(stretch.doubts);
        if !walked.faults.is_empty() || walked.is_whole || begun.elapsed() > WALK {
            return of_chain(&walked, "hallpass audit verify");
        }
        ask = VerifyAudit { place: stretch.place, checkpoints: Vec::new() };
    }
}

/// `verify` is the command that says all of it.
fn of_chain(walked: &Walked, verify: &str) -> Finding {
    let entries = walked.entries;
    // What was noticed last is what somebody may not know yet.
    match (walked.faults.first(), walked.doubts.last()) {
        (Some(fault), _) => Finding::problem(
            "audit",
            format!("the chain is not what the daemon wrote: {fault}"),
            format!(
                "keep a copy of the state directory and of the log, find out who could write there, and: {verify}"
            ),
        ),
        (None, Some(doubt)) => Finding::warning(
            "audit",
            doubt.as_str(),
            format!(
                "unless that was you, find out who could write the state directory, and: {verify} --against LOG"
            ),
        ),
        (None, None) if walked.is_whole => {
            let what = if entries == 1 { "entry" } else { "entries" };
            Finding::ok("audit", format!("{entries} {what}, each follows from the one before it"))
        }
        (None, None) => Finding::ok(
            "audit",
            format!("the first {entries} entries follow from each other; hallpass audit verify walks all"),
        ),
    }
}

fn is_shut(error: &Error) -> bool {
    let Error::Unreachable(unreachable) = error else { return false };
    unreachable.places().iter().any(|place| place.error().kind() == ErrorKind::PermissionDenied)
}

fn of_silence(error: &Error, subject: &Subject) -> Finding {
    let kind = match error {
        Error::Unreachable(unreachable) => unreachable.places().first().map(|place| place.error().kind()),
        _ => None,
    };
    match (error, kind) {
        (Error::SentAway { code: ErrorCode::Forbidden, .. }, _) => {
            Finding::ok("daemon", "answers, though not to this user")
        }
        (Error::SentAway { code: ErrorCode::Busy, sentence, .. }, _) => Finding::problem(
            "daemon",
            sentence.clone(),
            "hallpass status, as root; see limits in hallpass.toml(5)",
        ),
        (Error::SentAway { code: ErrorCode::Unavailable, .. }, _) => {
            Finding::problem("daemon", "it cannot start, and its log says why", subject.log())
        }
        (Error::SentAway { sentence, .. }, _) => Finding::problem(
            "version",
            sentence.clone(),
            "install the same release of both, and: systemctl restart hallpassd",
        ),
        (_, Some(ErrorKind::PermissionDenied)) => {
            Finding::unknown("daemon", "the socket is shut to this user, so nobody was asked")
        }
        (_, Some(ErrorKind::TimedOut)) | (Error::NoAnswer, _) => {
            Finding::problem("daemon", "it does not answer within 5 seconds", hung(subject))
        }
        (_, Some(ErrorKind::NotFound)) => {
            Finding::problem("daemon", "it is not running: there is no socket", subject.start())
        }
        _ => Finding::problem("daemon", format!("it is not running: {error}"), subject.start()),
    }
}

fn hung(subject: &Subject) -> &'static str {
    if subject.for_host {
        "systemctl status hallpassd; systemctl restart hallpassd"
    } else {
        "stop hallpassd and start it again"
    }
}

fn of_version(daemon: &str, own: &str) -> Finding {
    if daemon == own {
        return Finding::ok("version", format!("hallpassd {daemon}, and so is this command"));
    }
    let message = format!("the daemon that runs is {daemon}, and this command is {own}");
    Finding::warning("version", message, "install the same release of both, and: systemctl restart hallpassd")
}

fn of_member(member: &Member) -> Finding {
    match member {
        Member::Process(group) => Finding::problem(
            "caller",
            format!("the socket is shut to this user, who is in its group {group}"),
            "chmod 660 the socket; under systemd: systemctl restart hallpassd.socket",
        ),
        Member::Database(group, user) => Finding::problem(
            "caller",
            format!("{user} was added to the group {group} after this session began"),
            "log in anew",
        ),
        Member::No(group, user) => Finding::problem(
            "caller",
            format!("{user} is not in the group {group}, which the socket is for"),
            format!("usermod -aG {group} {user}, as root, and log in anew"),
        ),
        Member::Unknown => Finding::unknown("caller", "the socket is out of reach of this user"),
    }
}

/// How keys are of which the active ones are to be replaced so often.
fn of_keys(keys: &[KeyInfo], every: Option<Duration>, now: Millis) -> Finding {
    let mut parts = Vec::new();
    let mut late = false;
    for (kind, what) in [("signing", "signing key"), ("mac", "token key")] {
        let of = |state: &str| keys.iter().find(|key| key.kind == kind && key.state == state);
        let Some(active) = of("active") else {
            let flag = if kind == "mac" { " --mac" } else { "" };
            return Finding::problem(
                "keys",
                format!("there is no active {what}"),
                format!("hallpass key rotate{flag}"),
            );
        };
        let next = every.map(|every| active.created.plus(every));
        late |= next.is_some_and(|next| now > next.plus(LATE)) && of("next").is_none();
        let when = next.map_or_else(
            || "its end is not known".to_owned(),
            |next| format!("the next is made {}", distance(next, now)),
        );
        parts.push(format!("{what} {}: {when}", active.number));
    }
    let message = parts.join("; ");
    if late {
        return Finding::warning(
            "keys",
            format!("a rotation is overdue: {message}"),
            "hallpass key rotate, and look at the log",
        );
    }
    Finding::ok("keys", message)
}

#[cfg(test)]
mod tests;
