//! One session, alive or over.

use std::io;

use hallpass_client::admin::{SessionEnd, SessionShown};
use hallpass_protocol::time::Millis;

use super::Out;
use super::colour::Colour;
use super::json::SessionShownView;
use super::table::block;
use super::text::{distance, moment, neutral};

impl Out<'_> {
    pub(in crate::ctl) fn session(&mut self, shown: &SessionShown) -> io::Result<()> {
        if self.json {
            return self.object(&SessionShownView::from(shown));
        }
        let session = &shown.session;
        let at = |at: Millis| format!("{} ({})", moment(at), distance(at, self.now));
        let user = shown.name.as_deref().unwrap_or("-");
        let said = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let until = shown.level_until.map_or_else(String::new, |until| format!(" until {}", moment(until)));
        let proved =
            format!("{} by {}, level {}{until}", moment(session.auth_time), shown.amr.join(" "), shown.level);
        let mut rows = vec![
            ("user", format!("{user} ({})", session.user_id)),
            ("app", session.app.clone()),
            ("kind", session.kind.as_str().into()),
            ("opened", at(session.created)),
            ("last seen", at(session.last_seen)),
            ("ends unused", at(session.idle_deadline)),
            ("ends anyway", at(session.absolute_deadline)),
            ("proved", proved),
            ("refreshes", session.refreshes.to_string()),
            ("address", session.context.ip.map_or_else(|| "-".into(), |ip| ip.to_string())),
            ("user agent", said(session.context.user_agent.as_deref())),
            ("device", said(session.context.device_label.as_deref())),
        ];
        if shown.ended.is_some() {
            rows.retain(|(what, _)| !what.starts_with("ends "));
        }
        let state = match &shown.ended {
            None => self.coloured(Colour::Good, "is alive"),
            Some(ended) => {
                let when = ended.at.map_or_else(String::new, |when| format!(", {}", at(when)));
                let over = self.coloured(Colour::Warning, "is over");
                format!("{over}: {}{when}", neutral(why(ended)))
            }
        };
        writeln!(self.to, "{} {state}.", session.session_id)?;
        block(self.to, &rows)
    }
}

/// Why it is over, for people. A reason of a later daemon is said in its own word.
fn why(ended: &SessionEnd) -> &str {
    match ended.reason.as_str() {
        "expired" => "it reached its end",
        "revoked" => "somebody ended it",
        "reuse" => "a refresh token of it was used twice",
        "rollback" => "a refresh token of it was newer than the database, which had been rolled back",
        "other_app" => "another app showed its refresh token",
        "evicted" => "its user opened more sessions than are allowed",
        "user" => "all sessions of its user were ended",
        "user_removed" => "its user is gone",
        "everything" => "every session there was was ended",
        "superseded" => "its user proved who they are again, and a newer session took its place",
        "app" => "all sessions of its app were ended",
        other => other,
    }
}
