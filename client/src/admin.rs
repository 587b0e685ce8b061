//! The client of administrators, for the control command and its like. It needs the feature `admin` and the right to open `admin.sock`.

mod audit;
mod copies;
mod keys;
mod sessions;
mod users;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use hallpass_protocol::admin::{
    AddUser, AuditEntry, AuditFrom, AuditStretch, AuditTail, Backup, BackupPage, BackupPlace, BackupTable,
    ClockAccepted, Code, Export, ExportPage, ExportPlace, ExportedUser, FindAudit, FoundAudit, ImportReport,
    ImportUser, KeyInfo, Reseal, RevocationEntry, RevocationKey, RevokeTarget, RotateKey, SessionEnd,
    SessionShown, Status, UserInfo, UserPage, VerifyAudit,
};
use hallpass_protocol::admin::{AdminRequest, AdminResponse};
use hallpass_protocol::limits::REQUEST_DEADLINE;
pub use hallpass_protocol::metrics::Metrics;
use hallpass_protocol::paths;
use hallpass_protocol::request_id::RequestId;
pub use hallpass_protocol::secret::NewMasterKey;

use crate::calls::{AdminCalls, answer};
use crate::error::Error;
use crate::link::{Link, Manner, Repeat};

/// An administrator's way to the daemon. Its connection behaves like that of a [`Client`](crate::Client).
///
/// What only reads, [`AdminClient::revoke`] and [`AdminClient::key_retire`] are asked once more when the connection breaks; other changes are not.
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use hallpass_client::admin::AdminClient;
///
/// let admin = AdminClient::connect_default().await?.with_deadline(Duration::from_secs(30));
/// println!("asking {}", admin.socket().display());
///
/// // For calls that the daemon's log names as the caller's own traces do:
/// let traced = admin.clone().with_request_id("4bf92f3577b34da6a3ce929d0e0e4736".parse()?);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct AdminClient {
    link: Arc<Link<AdminCalls>>,
    manner: Manner,
}

impl fmt::Debug for AdminClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminClient").field("socket", &self.socket()).finish_non_exhaustive()
    }
}

impl AdminClient {
    /// Connects to the daemon behind this administrator's socket.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::admin::AdminClient;
    ///
    /// let admin = AdminClient::connect("/run/hallpass/admin.sock").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unreachable`] if nobody answers there, [`Error::SentAway`] if whoever does will not serve this caller.
    pub async fn connect(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let link = Link::open(path.into()).await?;
        Ok(Self { link: Arc::new(link), manner: Manner::default() })
    }

    /// Connects to the administrator's socket beside each place where [`Client::connect_default`](crate::Client::connect_default) looks.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), hallpass_client::Error> {
    /// use hallpass_client::admin::AdminClient;
    ///
    /// let admin = AdminClient::connect_default().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`AdminClient::connect`]; the error names every place that was tried.
    pub async fn connect_default() -> Result<Self, Error> {
        let beside = paths::auth_sockets().iter().map(|path| paths::admin_socket_beside(path)).collect();
        let link = Link::open_first(beside).await?;
        Ok(Self { link: Arc::new(link), manner: Manner::default() })
    }

    /// The same connection, with this much time for each call in all, connecting anew included: 10 s by default, 60 s at most.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        let deadline = deadline.min(REQUEST_DEADLINE);
        Self { manner: Manner { deadline, ..self.manner }, ..self }
    }

    /// The same connection, with this name for each call in the daemon's log, from its being read to its being on disk. The lines are
    /// written where `log.level` in hallpass.toml is `debug` or `trace`.
    #[must_use]
    pub fn with_request_id(self, id: RequestId) -> Self {
        Self { manner: Manner { request_id: Some(id), ..self.manner }, ..self }
    }

    /// The socket that this client speaks to.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.link.path()
    }

    /// How the daemon is doing.
    ///
    /// ```
    #[doc = include_str!("doc/admin.txt")]
    /// let status = admin.status().await?;
    /// println!("{} users, {} sessions, {} bytes on disk", status.users, status.sessions, status.database_bytes);
    /// # assert_eq!(status.users, 1);
    /// # Ok(()) }
    /// ```
    pub async fn status(&self) -> Result<Status, Error> {
        self.link
            .call(self.manner, Repeat::Harmless, || AdminRequest::Status {}, answer!(AdminResponse::Status))
            .await
    }

    /// What the daemon has counted since it started.
    ///
    /// ```
    #[doc = include_str!("doc/admin.txt")]
    /// let metrics = admin.metrics().await?;
    /// for operation in &metrics.operations {
    ///     println!("{}: {:?}", operation.operation, operation.outcomes);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn metrics(&self) -> Result<Metrics, Error> {
        let request = || AdminRequest::Metrics {};
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::Metrics)).await
    }

    /// What was taken back lately, oldest first, 100 on a page, after the entry given. It is kept as long as an access token that it concerns could
    /// be alive.
    ///
    /// ```
    #[doc = include_str!("doc/admin.txt")]
    #[doc = include_str!("doc/session.txt")]
    /// # admin.revoke(hallpass_client::admin::RevokeTarget::User("alice".into())).await?;
    /// let mut after = None;
    /// loop {
    ///     let page = admin.revocation_list(after).await?;
    ///     page.iter().for_each(|entry| println!("{} {}", entry.kind, entry.id));
    ///     let Some(last) = page.last() else { break };
    ///     after = Some(last.key);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn revocation_list(&self, after: Option<RevocationKey>) -> Result<Vec<RevocationEntry>, Error> {
        let request = || AdminRequest::RevocationList { after };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::RevocationList)).await
    }

    /// Has the daemon's time follow the wall clock, however far that has jumped ahead. What is over by then ends.
    ///
    /// ```
    #[doc = include_str!("doc/admin.txt")]
    /// let accepted = admin.clock_accept().await?;
    /// println!("its time went {:?} ahead", accepted.now.since(accepted.before));
    /// # Ok(()) }
    /// ```
    pub async fn clock_accept(&self) -> Result<ClockAccepted, Error> {
        let request = || AdminRequest::ClockAccept {};
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::ClockAccept)).await
    }
}
