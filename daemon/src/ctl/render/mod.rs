//! What a person or a script gets to see of an answer. In a table moments are distances from now, elsewhere RFC 3339.

pub(super) mod colour;
mod json;
mod session;
mod table;
pub(super) mod text;
pub(super) mod units;

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use hallpass_client::admin::{
    AuditEntry, ClockAccepted, Code, KeyInfo, Reseal, RevocationEntry, Status, UserInfo,
};
use hallpass_protocol::auth::{Grant, GrantedTokens, Identity, Revoked, SessionInfo};
use hallpass_protocol::time::Millis;
use serde::Serialize;

use super::config::Shown;
use super::failure::Fault;
use colour::Colour;
use json::{
    AuditView, ClockView, CodeView, ErrorView, GrantView, IdentityView, KeyView, ResealView, RevocationView,
    RevokedView, SessionView, StatusView, UserView,
};
use table::{Column, Table, block};
use text::{distance, moment, neutral, neutral_json, stamp};

/// Where answers go, and in which form.
pub(super) struct Out<'a> {
    pub(super) to: &'a mut dyn Write,
    /// JSON instead of text.
    pub(super) json: bool,
    /// The moment that distances are taken from.
    pub(super) now: Millis,
    /// Columns of the terminal, if it is one.
    pub(super) width: Option<usize>,
    /// Whether to use colours.
    pub(super) colour: bool,
}

impl Out<'_> {
    /// What went wrong: JSON goes where the answer would have gone, a sentence to `aside`.
    pub(super) fn fault(&mut self, fault: &Fault, aside: &mut dyn Write) -> io::Result<()> {
        if self.json {
            return self.object(&ErrorView { error: fault });
        }
        let wait = fault.retry_after_ms.filter(|&ms| ms > 0).map_or_else(String::new, |ms| {
            format!(", wait {}", humantime::format_duration(Duration::from_millis(ms)))
        });
        writeln!(aside, "hallpass: {} ({}{wait})", neutral(&fault.message), fault.code)
    }

    pub(super) fn status(&mut self, status: &Status) -> io::Result<()> {
        if self.json {
            return self.object(&StatusView::from(status));
        }
        let started = format!("{} ({})", moment(status.started), distance(status.started, self.now));
        let state = if status.disk_full { Colour::Warning } else { Colour::Good };
        let headline = format!("hallpassd {} is up.", neutral(&status.version));
        writeln!(self.to, "{}", self.coloured(state, &headline))?;
        let full = if status.disk_full { ", too few: nobody can log in until there is room" } else { "" };
        let rows = [
            ("process", status.pid.to_string()),
            ("started", started),
            ("issuer", status.issuer.clone()),
            ("state directory", status.state_dir.clone()),
            ("database", format!("{}, {} bytes", status.database_id, status.database_bytes)),
            ("disk", format!("{} bytes left{full}", status.disk_available)),
            ("newest change", stamp(status.stamp)),
            ("users", status.users.to_string()),
            ("sessions", status.sessions.to_string()),
            ("audit entries", status.audit_entries.to_string()),
            ("connections", status.connections.to_string()),
            ("write queue", status.write_queue.to_string()),
            ("hash queue", status.hash_queue.to_string()),
        ];
        block(self.to, &rows)
    }

    /// A user that was changed: in text, a sentence that says how.
    pub(super) fn changed(&mut self, user: &UserInfo, sentence: &str) -> io::Result<()> {
        if self.json { self.user(user) } else { writeln!(self.to, "{}", neutral(sentence)) }
    }

    /// A user that was added, and what to do next.
    pub(super) fn added(&mut self, user: &UserInfo) -> io::Result<()> {
        if self.json {
            return self.user(user);
        }
        let name = neutral(&user.name);
        if user.has_password {
            writeln!(self.to, "Added {name}.\nNext: hallpass login {name}")
        } else {
            writeln!(self.to, "Added {name}, without a password.\nNext: hallpass user passwd {name}")
        }
    }

    pub(super) fn user(&mut self, user: &UserInfo) -> io::Result<()> {
        if self.json {
            return self.object(&UserView::from(user));
        }
        writeln!(self.to, "{}", neutral(&user.name))?;
        let rows = [
            ("user id", user.user_id.to_string()),
            ("roles", roles(&user.roles)),
            ("attributes", attributes(user)),
            ("password", if user.has_password { "set" } else { "none" }.into()),
            ("may log in", if user.disabled { "no: disabled" } else { "yes" }.into()),
            ("added", moment(user.created)),
        ];
        block(self.to, &rows)
    }

    pub(super) fn grant(&mut self, grant: &Grant, title: &str) -> io::Result<()> {
        if self.json {
            return self.object(&GrantView::new(grant, self.now));
        }
        writeln!(self.to, "{}", neutral(title))?;
        let mut rows = match &grant.tokens {
            GrantedTokens::Cookie { session_token } => {
                vec![("session token", session_token.expose().to_owned())]
            }
            GrantedTokens::Token { access_token, access_expires, refresh_token, .. } => vec![
                ("access token", access_token.expose().to_owned()),
                ("  good until", moment(*access_expires)),
                ("refresh token", refresh_token.expose().to_owned()),
            ],
        };
        if let Some(token) = &grant.device_token {
            rows.push(("device token", token.expose().to_owned()));
        }
        rows.extend([
            ("user id", grant.user_id.to_string()),
            ("session id", grant.session_id.to_string()),
            ("  ends unused", moment(grant.idle_deadline)),
            ("  ends anyway", moment(grant.absolute_deadline)),
        ]);
        block(self.to, &rows)
    }

    pub(super) fn identity(&mut self, identity: &Identity) -> io::Result<()> {
        if self.json {
            return self.object(&IdentityView::from(identity));
        }
        writeln!(self.to, "{}", neutral(&identity.name))?;
        let proved = moment(identity.auth_time);
        let rows = [
            ("user id", identity.user_id.to_string()),
            ("roles", roles(&identity.roles)),
            ("session id", identity.session_id.to_string()),
            ("app", identity.app.clone()),
            ("kind", identity.kind.as_str().into()),
            ("proved", format!("{proved} by {}, level {}", identity.amr.join(" "), identity.level)),
            ("stands until", moment(identity.expires_at)),
        ];
        block(self.to, &rows)
    }

    /// A code, on the terminal or in the file that was named for it.
    pub(super) fn code(&mut self, name: &str, code: &Code, file: Option<File>) -> io::Result<()> {
        if let Some(mut file) = file {
            writeln!(file, "{}", code.code.expose())?;
            return file.sync_all();
        }
        if self.json {
            return self.object(&CodeView::from(code));
        }
        let name = neutral(name);
        let rows = [("code", code.code.expose().to_owned()), ("  good until", moment(code.expires))];
        writeln!(self.to, "A code for {name}, good once. Nobody can look it up again.")?;
        block(self.to, &rows)?;
        writeln!(self.to, "Next, for {name}: hallpass login {name} --code")
    }

    pub(super) fn revoked(&mut self, revoked: Revoked) -> io::Result<()> {
        match revoked.sessions {
            _ if self.json => self.object(&RevokedView::from(revoked)),
            0 => writeln!(self.to, "No session ended: there was none alive."),
            1 => writeln!(self.to, "1 session ended."),
            count => writeln!(self.to, "{count} sessions ended."),
        }
    }

    /// What became of a jump of the clock.
    pub(super) fn clock(&mut self, accepted: &ClockAccepted) -> io::Result<()> {
        if self.json {
            return self.object(&ClockView::from(accepted));
        }
        let now = moment(accepted.now);
        if accepted.before == accepted.now {
            writeln!(self.to, "There was nothing to accept: the daemon's time is {now}.")
        } else {
            let ahead = Duration::from_secs(accepted.now.since(accepted.before).as_secs());
            let ahead = humantime::format_duration(ahead);
            writeln!(self.to, "The daemon's time is {now} now, {ahead} later than it was.")
        }
    }

    /// What became of a change of the master key, and what to do next.
    pub(super) fn resealed(&mut self, reseal: &Reseal) -> io::Result<()> {
        if self.json {
            return self.object(&ResealView::from(reseal));
        }
        let place = neutral(&reseal.master_key);
        if reseal.done {
            writeln!(
                self.to,
                "Every key is sealed under a new master key, which lies in {place}.\n\
                 Next: keep a copy of it apart from the database. Copies of the database made before need the old one."
            )
        } else {
            writeln!(
                self.to,
                "The new master key may take the place of the old one, which counts until then.\n\
                 Next: put it where the daemon's {place} comes from, and restart hallpassd."
            )
        }
    }

    /// The key set as the daemon gave it: it is JSON in either form.
    pub(super) fn jwks(&mut self, jwks: &str) -> io::Result<()> {
        writeln!(self.to, "{}", neutral_json(jwks.trim_end()))
    }

    /// One JSON object on a line of its own.
    pub(super) fn object(&mut self, view: &impl Serialize) -> io::Result<()> {
        writeln!(self.to, "{}", neutral_json(&serde_json::to_string(view)?))
    }
}

/// A list that comes in pages: JSON Lines, or a table.
pub(super) struct List<T: 'static, const N: usize> {
    table: Table<N>,
    row: fn(&T, Millis) -> [String; N],
    json: fn(&mut Out<'_>, &T) -> io::Result<()>,
}

impl<T, const N: usize> List<T, N> {
    /// Prints one more page. An empty first page is a header without rows, and in JSON nothing.
    pub(super) fn page(&mut self, out: &mut Out<'_>, items: &[T]) -> io::Result<()> {
        if out.json {
            return items.iter().try_for_each(|item| (self.json)(out, item));
        }
        let now = out.now;
        let head = |titles: &str| out.coloured(Colour::Head, titles);
        let rows: Vec<_> = items.iter().map(|item| (self.row)(item, now)).collect();
        let lines = self.table.page(out.width, rows, head);
        lines.iter().try_for_each(|line| writeln!(out.to, "{line}"))
    }
}

const fn whole(title: &'static str) -> Column {
    Column { title, cut: false }
}

const fn cut(title: &'static str) -> Column {
    Column { title, cut: true }
}

/// A list of users.
pub(super) fn users() -> List<UserInfo, 5> {
    List {
        table: Table::new([whole("NAME"), cut("ROLES"), whole("LOGIN"), whole("ADDED"), whole("USER")]),
        row: |user, now| {
            let login = match (user.disabled, user.has_password) {
                (true, _) => "disabled",
                (false, true) => "password",
                (false, false) => "none",
            };
            let added = distance(user.created, now);
            [user.name.clone(), roles(&user.roles), login.into(), added, user.user_id.to_string()]
        },
        json: |out, user| out.object(&UserView::from(user)),
    }
}

/// A list of sessions.
pub(super) fn sessions() -> List<SessionInfo, 7> {
    List {
        table: Table::new([
            whole("SESSION"),
            cut("APP"),
            whole("KIND"),
            whole("SEEN"),
            whole("ENDS"),
            cut("FROM"),
            cut("DEVICE"),
        ]),
        row: |session, now| {
            let context = &session.context;
            [
                session.session_id.to_string(),
                session.app.clone(),
                session.kind.as_str().into(),
                distance(session.last_seen, now),
                distance(session.idle_deadline.min(session.absolute_deadline), now),
                context.ip.map_or_else(|| "-".into(), |ip| ip.to_string()),
                context
                    .device_label
                    .clone()
                    .or_else(|| context.user_agent.clone())
                    .unwrap_or_else(|| "-".into()),
            ]
        },
        json: |out, session| out.object(&SessionView::from(session)),
    }
}

/// A list of audit entries; with their exact time, since they are read beside other logs.
pub(super) fn audit() -> List<AuditEntry, 6> {
    List {
        table: Table::new([
            whole("NUMBER"),
            whole("TIME"),
            whole("EVENT"),
            whole("OUTCOME"),
            cut("APP"),
            cut("DETAIL"),
        ]),
        row: |entry, _| {
            let user = entry.user_id.map(|id| format!("user {id}"));
            let session = entry.session_id.map(|id| format!("session {id}"));
            let caller = format!("uid {} pid {}", entry.caller_uid, entry.caller_pid);
            let detail = Some(entry.detail.clone()).filter(|detail| !detail.is_empty());
            let about: Vec<_> = [detail, user, session, Some(caller)].into_iter().flatten().collect();
            [
                entry.number.to_string(),
                stamp(entry.stamp),
                entry.event.clone(),
                entry.outcome.clone(),
                entry.app.clone(),
                about.join(", "),
            ]
        },
        json: |out, entry| out.object(&AuditView::from(entry)),
    }
}

/// A list of keys.
pub(super) fn keys() -> List<KeyInfo, 5> {
    List {
        table: Table::new([whole("KIND"), whole("NUMBER"), whole("STATE"), whole("MADE"), cut("KID")]),
        row: |key, now| {
            let state = match (key.state.as_str(), key.until) {
                ("next", Some(at)) => format!("next, signs {}", distance(at, now)),
                ("revoked", Some(until)) => format!("revoked, gone {}", distance(until, now)),
                ("retired", Some(until)) => format!("retired, gone {}", distance(until, now)),
                (state, _) => state.to_owned(),
            };
            let kid = if key.kid.is_empty() { "-".to_owned() } else { key.kid.clone() };
            [key.kind.clone(), key.number.to_string(), state, distance(key.created, now), kid]
        },
        json: |out, key| out.object(&KeyView::from(key)),
    }
}

/// A list of what was taken back.
pub(super) fn revocations() -> List<RevocationEntry, 3> {
    List {
        table: Table::new([whole("TIME"), whole("WHAT"), whole("WHICH")]),
        row: |entry, _| [stamp(entry.key.stamp), entry.kind.clone(), entry.id.clone()],
        json: |out, entry| out.object(&RevocationView::from(entry)),
    }
}

/// A list of settings.
pub(super) fn settings() -> List<Shown, 3> {
    List {
        table: Table::new([whole("KEY"), cut("VALUE"), whole("FROM")]),
        row: |setting, _| {
            let value = setting.value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            let from = setting.line.map_or_else(|| setting.from.to_owned(), |line| format!("line {line}"));
            [setting.key.clone(), value, from]
        },
        json: |out, setting| out.object(setting),
    }
}

/// A user's attributes in a line.
pub(super) fn attributes(user: &UserInfo) -> String {
    let pairs: Vec<_> = user.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() { "none".into() } else { pairs.join(", ") }
}

fn roles(roles: &[String]) -> String {
    if roles.is_empty() { "none".into() } else { roles.join(", ") }
}

#[cfg(test)]
mod tests;
