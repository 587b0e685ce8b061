//! What was written down of everything that was done.

use hallpass_protocol::admin::{
    AdminRequest, AdminResponse, AuditEntry, AuditStretch, AuditTail, FindAudit, FoundAudit, VerifyAudit,
};

use super::AdminClient;
use crate::calls::answer;
use crate::error::Error;
use crate::link::Repeat;

impl AdminClient {
    /// The newest audit entries, or those after a number, oldest first, 50 at most.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// use hallpass_client::admin::AuditTail;
    ///
    /// for entry in admin.audit_tail(AuditTail { after: None, count: 10 }).await? {
    ///     println!("{} {} {} {}", entry.number, entry.event, entry.outcome, entry.detail);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn audit_tail(&self, tail: AuditTail) -> Result<Vec<AuditEntry>, Error> {
        let request = || AdminRequest::AuditTail { request: tail };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::AuditTail)).await
    }

    /// Audit entries that fit, 50 at most, among 500 that are looked at for each call. An answer can hold none and have more behind.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// use hallpass_client::admin::{AuditFrom, FindAudit};
    ///
    /// let user = Some(admin.user_show("alice").await?.user_id);
    /// let mut find = FindAudit { from: AuditFrom::Newest, count: 50, user, app: None, event: None, since: None };
    /// loop {
    ///     let found = admin.audit_find(find.clone()).await?;
    ///     found.entries.iter().for_each(|entry| println!("{} {}", entry.number, entry.event));
    ///     let Some(next) = found.next else { break };
    ///     find.from = AuditFrom::Before(next);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn audit_find(&self, find: FindAudit) -> Result<FoundAudit, Error> {
        let request = || AdminRequest::AuditFind { request: find.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::AuditFind)).await
    }

    /// Verifies the audit chain, a stretch for each call: ask again with the place that was answered, until it is done.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// use hallpass_client::admin::VerifyAudit;
    ///
    /// let mut place = Vec::new();
    /// loop {
    ///     let stretch = admin.audit_verify(VerifyAudit { place, checkpoints: Vec::new() }).await?;
    ///     stretch.faults.iter().for_each(|fault| println!("not as it was written: {fault}"));
    ///     if stretch.done {
    ///         break;
    ///     }
    ///     place = stretch.place;
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn audit_verify(&self, verify: VerifyAudit) -> Result<AuditStretch, Error> {
        let request = || AdminRequest::AuditVerify { request: verify.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::AuditVerify)).await
    }
}
