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

/// What an operation needs.
enum Needs {
    /// To be an app that the configuration knows.
    App,
    /// This right.
    Right(Right),
    /// To be an administrator.
    Admin,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $word:literal needs $needs:expr;)*) => {
        /// What callers ask for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Operation {
            $($(#[$doc])* $variant,)*
        }

        impl Operation {
            /// Every operation there is.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The operation as a stable word.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            const fn needs(self) -> Needs {
                match self { $(Self::$variant => $needs,)* }
            }
        }
    };
}

// The table. What does not stand in it cannot be asked for; the one in SECURITY.md is made from it.
operations! {
    /// To be heard at all.
    Connect = "connect" needs Needs::App;
    /// Who is there.
    Hello = "hello" needs Needs::App;
    /// The public keys.
    Jwks = "jwks" needs Needs::App;
    /// A login.
    Login = "login" needs Needs::Right(Right::Login);
    /// Another proof of who a session's user is.
    Reauthenticate = "reauthenticate" needs Needs::Right(Right::Login);
    /// A new password by a session's user.
    ChangePassword = "change_password" needs Needs::Right(Right::Login);
    /// A new password by a code.
    RedeemCode = "redeem_code" needs Needs::Right(Right::Login);
    /// A verification, or many.
    Verify = "verify" needs Needs::Right(Right::Verify);
    /// What a verifier inside the app has counted.
    Report = "report" needs Needs::Right(Right::Verify);
    /// An exchange of a refresh token.
    Refresh = "refresh" needs Needs::Right(Right::Refresh);
    /// An end to sessions of the app.
    Revoke = "revoke" needs Needs::Right(Right::Revoke);
    /// A list of sessions of the app.
    Sessions = "sessions" needs Needs::Right(Right::List);
    /// A session for a user whom the app has authenticated.
    OpenSession = "open_session" needs Needs::Right(Right::Vouch);
    /// A token for the app itself.
    ServiceToken = "service_token" needs Needs::Right(Right::ServiceToken);
    /// Anything on the administrator's socket.
    Administer = "administer" needs Needs::Admin;
}

/// Who calls, as the kernel and the configuration say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Principal {
    /// The user of the calling process when it connected.
    pub(crate) uid: u32,
    /// The process; it proves nothing and is only written down.
    pub(crate) pid: i32,
    /// What the caller is.
    pub(crate) role: Role,
}

/// What a caller is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// An app.
    App(Arc<App>),
    /// An administrator.
    Admin,
    /// The daemon itself, at start-up and when it sweeps.
    Daemon,
    /// Nobody whom the configuration knows.
    Stranger,
}

/// An app as the configuration describes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

/// Leave to have one's own refusal written down, which is all that nobody can be refused.
pub(crate) fn admit_refused(principal: &Arc<Principal>) -> Permit {
    Permit { principal: Arc::clone(principal) }
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
            Role::Stranger => false,
        }
    }

    /// The audiences the caller may ask for.
    pub(crate) fn audiences(&self) -> &[String] {
        match &self.principal.role {
            Role::App(app) => &app.audiences,
            Role::Admin | Role::Daemon | Role::Stranger => &[],
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
        matches!(self.principal.role, Role::Admin | Role::Daemon)
    }
}

impl Principal {
    /// What the caller is known as.
    pub(crate) fn known_as(&self) -> &str {
        match &self.role {
            Role::App(app) => &app.name,
            Role::Admin => "admin",
            Role::Daemon => "hallpassd",
            Role::Stranger => "",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
