//! What was written down of everything that was done.

use hallpass_protocol::admin::{
    AdminRequest, AdminResponse, AuditEntry, AuditStretch, AuditTail, FindAudit, FoundAudit, VerifyAudit,
};

use super::AdminClient;
use crate::calls::answer;
use crate::error::Error;
use crate::link::Repeat;

impl AdminClient {
    /// The newest audit entries, or those after a number, oldest first.
    pub async fn audit_tail(&self, tail: AuditTail) -> Result<Vec<AuditEntry>, Error> {
        let request = || AdminRequest::AuditTail { request: tail };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::AuditTail)).await
    }

    /// Audit entries that fit, among some that are looked at for each call. An answer can hold none and have more behind.
    pub async fn audit_find(&self, find: FindAudit) -> Result<FoundAudit, Error> {
        let request = || AdminRequest::AuditFind { request: find.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::AuditFind)).await
    }

    /// Verifies the audit chain, a stretch for each call: ask again with the place that was answered, until it is done.
    pub async fn audit_verify(&self, verify: VerifyAudit) -> Result<AuditStretch, Error> {
        let request = || AdminRequest::AuditVerify { request: verify.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::AuditVerify)).await
    }
}
