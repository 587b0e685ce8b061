//! Who may do what: one table, default deny.

use std::sync::Arc;

use hallpass_protocol::error::{ErrorCode, Refusal};

/// What a caller may be allowed to do, in the words of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Right {
    /// Log users in by their password.
    Login,
    /// Verify tokens.
    Verify,
    /// Exchange refresh tokens.
    Refresh,
    /// End the app's own sessions.
    Revoke,
    /// List the app's own sessions.
    List,
    /// Open sessions for users whom the app has authenticated itself.
    Vouch,
    /// Get tokens for the app itself.
    ServiceToken,
}

impl Right {
    /// Every right: what the one app of a daemon has that serves one user.
    pub(crate) const ALL: [Self; 7] =
        [Self::Login, Self::Verify, Self::Refresh, Self::Revoke, Self::List, Self::Vouch, Self::ServiceToken];
    /// What an app has when its configuration names nothing: all but those that let it speak for users or for itself.
    pub(crate) const USUAL: [Self; 5] = [Self::Login, Self::Verify, Self::Refresh, Self::Revoke, Self::List];
}

/// What callers ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// Who is there.
    Hello,
    /// The public keys.
    Jwks,
    /// A login.
    Login,
    /// A verification.
    Verify,
    /// An exchange of a refresh token.
    Refresh,
    /// An end to sessions of the app.
    Revoke,
    /// A list of sessions of the app.
    Sessions,
    /// A session for a user whom the app has authenticated.
    OpenSession,
    /// Another proof of who a session's user is.
    Reauthenticate,
    /// A new password by a session's user.
    ChangePassword,
    /// A new password by a code.
    RedeemCode,
    /// A token for the app itself.
    ServiceToken,
    /// Anything on the administrator's socket.
    Administer,
}

/// What an operation needs.
enum Needs {
    /// To be an app that the configuration knows.
    App,
    /// This right.
    Right(Right),
    /// To be an administrator.
    Admin,
}

impl Operation {
    /// The table.
    const fn needs(self) -> Needs {
        match self {
            Self::Hello | Self::Jwks => Needs::App,
            Self::Login | Self::Reauthenticate | Self::ChangePassword | Self::RedeemCode => {
                Needs::Right(Right::Login)
            }
            Self::OpenSession => Needs::Right(Right::Vouch),
            Self::ServiceToken => Needs::Right(Right::ServiceToken),
            Self::Verify => Needs::Right(Right::Verify),
            Self::Refresh => Needs::Right(Right::Refresh),
            Self::Revoke => Needs::Right(Right::Revoke),
            Self::Sessions => Needs::Right(Right::List),
            Self::Administer => Needs::Admin,
        }
    }
}

/// Who calls, as the kernel and the configuration say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The user of the calling process when it connected.
    pub(crate) uid: u32,
    /// The process; it proves nothing and is only written down.
    pub(crate) pid: i32,
    /// What the caller is.
    pub(crate) role: Role,
}

/// What a caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// An app.
    App(Arc<App>),
    /// An administrator.
    Admin,
    /// The daemon itself, at start-up and when it sweeps.
    Daemon,
}

/// An app as the configuration describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct App {
    /// Its name, which is the `client_id` of its tokens.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) rights: Vec<Right>,
    /// The audiences it may ask for; the first is taken when none is named.
    pub(crate) audiences: Vec<String>,
}

/// Leave to do one thing. Only [`admit`] gives it.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Permit {
    principal: Arc<Principal>,
}

/// Leave for this caller to do this, or a refusal.
pub(crate) fn admit(principal: &Arc<Principal>, operation: Operation) -> Result<Permit, Refusal> {
    let allowed = match (operation.needs(), &principal.role) {
        (Needs::App, Role::App(_)) | (Needs::Admin, Role::Admin) => true,
        (Needs::Right(right), Role::App(app)) => app.rights.contains(&right),
        _ => false,
    };
    if allowed {
        Ok(Permit { principal: Arc::clone(principal) })
    } else {
        Err(Refusal::new(ErrorCode::Forbidden))
    }
}

/// Leave for the daemon to look after its own store.
pub(crate) fn admit_daemon(uid: u32, pid: i32) -> Permit {
    Permit { principal: Arc::new(Principal { uid, pid, role: Role::Daemon }) }
}

impl Permit {
    /// Who asks.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What the caller is known as.
    pub(crate) fn app(&self) -> &str {
        self.principal.known_as()
    }

    /// Whether sessions of this app are the caller's to see and end.
    pub(crate) fn reaches(&self, app: &str) -> bool {
        match &self.principal.role {
            Role::App(own) => own.name == app,
            Role::Admin | Role::Daemon => true,
        }
    }

    /// The audiences the caller may ask for.
    pub(crate) fn audiences(&self) -> &[String] {
        match &self.principal.role {
            Role::App(app) => &app.audiences,
            Role::Admin | Role::Daemon => &[],
        }
    }

    /// The audience that was asked for, or the app's first, if the app may have it.
    pub(crate) fn audience(&self, asked: Option<&str>) -> Result<String, Refusal> {
        let audience = match asked {
            None => self.audiences().first(),
            Some(asked) => self.audiences().iter().find(|audience| *audience == asked),
        };
        audience.cloned().ok_or_else(|| Refusal::new(ErrorCode::AudienceForbidden))
    }

    /// Whether the daemon looks after its own store.
    pub(crate) fn is_the_daemon(&self) -> bool {
        self.principal.role == Role::Daemon
    }

    /// Whether work for this caller goes ahead of what apps have waiting.
    pub(crate) fn is_urgent(&self) -> bool {
        !matches!(self.principal.role, Role::App(_))
    }
}

impl Principal {
    /// What the caller is known as.
    pub(crate) fn known_as(&self) -> &str {
        match &self.role {
            Role::App(app) => &app.name,
            Role::Admin => "admin",
            Role::Daemon => "hallpassd",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn app(name: &str, rights: &[Right]) -> Arc<Principal> {
        let app =
            App { name: name.into(), rights: rights.to_vec(), audiences: vec![name.into(), "shared".into()] };
        Arc::new(Principal { uid: 1000, pid: 1, role: Role::App(Arc::new(app)) })
    }

    #[test]
    fn e2_nothing_is_allowed_that_the_table_does_not_name() {
        let admin = Arc::new(Principal { uid: 0, pid: 1, role: Role::Admin });
        let always = [Operation::Hello, Operation::Jwks];
        let by_right = [
            (
                Right::Login,
                vec![
                    Operation::Login,
                    Operation::Reauthenticate,
                    Operation::ChangePassword,
                    Operation::RedeemCode,
                ],
            ),
            (Right::Verify, vec![Operation::Verify]),
            (Right::Refresh, vec![Operation::Refresh]),
            (Right::Revoke, vec![Operation::Revoke]),
            (Right::List, vec![Operation::Sessions]),
            (Right::Vouch, vec![Operation::OpenSession]),
            (Right::ServiceToken, vec![Operation::ServiceToken]),
        ];
        let mut all: Vec<_> = always
            .into_iter()
            .chain(by_right.iter().flat_map(|(_, operations)| operations.clone()))
            .collect();
        all.push(Operation::Administer);
        let allowed = |principal: &Arc<Principal>| {
            all.iter().copied().filter(|operation| admit(principal, *operation).is_ok()).collect::<Vec<_>>()
        };
        assert_eq!(allowed(&admin), [Operation::Administer]);
        assert_eq!(allowed(&app("a", &[])), always);
        for (right, operations) in &by_right {
            assert_eq!(
                allowed(&app("a", &[*right])),
                [always.to_vec(), operations.clone()].concat(),
                "{right:?}"
            );
        }
        assert!(!Right::USUAL.contains(&Right::Vouch) && !Right::USUAL.contains(&Right::ServiceToken));
    }

    #[test]
    fn apps_wait_for_administrators_and_only_the_daemon_is_the_daemon() {
        let what = |permit: Permit| (permit.is_urgent(), permit.is_the_daemon());
        let admin = Arc::new(Principal { uid: 0, pid: 1, role: Role::Admin });
        assert_eq!(what(admit(&app("shop", &[]), Operation::Hello).unwrap()), (false, false));
        assert_eq!(what(admit(&admin, Operation::Administer).unwrap()), (true, false));
        assert_eq!(what(admit_daemon(0, 1)), (true, true));
    }

    #[test]
    fn an_app_has_its_own_audiences_only() {
        let permit = admit(&app("shop", &[]), Operation::Hello).unwrap();
        assert_eq!(permit.audience(None).unwrap(), "shop");
        assert_eq!(permit.audience(Some("shared")).unwrap(), "shared");
        assert_eq!(permit.audience(Some("other")).unwrap_err().code, ErrorCode::AudienceForbidden);
        assert!(permit.reaches("shop") && !permit.reaches("blog"));
    }
}
