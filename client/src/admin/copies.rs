//! One consistent state of the database, page by page: all of it for a backup, its users for an export.

use hallpass_protocol::admin::{
    AdminRequest, AdminResponse, Backup, BackupPage, BackupPlace, Export, ExportPage, ExportPlace,
};

use super::AdminClient;
use crate::calls::answer;
use crate::error::Error;
use crate::link::Repeat;

impl AdminClient {
    /// Holds one consistent state of the database for a copy of it, until [`AdminClient::backup_end`].
    ///
    /// # Errors
    /// [`ErrorCode::Busy`](crate::ErrorCode::Busy) while another is held.
    pub async fn backup_begin(&self) -> Result<Backup, Error> {
        let request = || AdminRequest::BackupBegin {};
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::BackupBegin)).await
    }

    /// The next rows of a table in the state that is held.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) for a state that is held no more.
    pub async fn backup_page(&self, place: BackupPlace) -> Result<BackupPage, Error> {
        let request = || AdminRequest::BackupPage { request: place.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::BackupPage)).await
    }

    /// Lets the state go. One that is held no more is no error.
    pub async fn backup_end(&self, id: u64) -> Result<(), Error> {
        let request = || AdminRequest::BackupEnd { id };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::BackupEnd)).await
    }

    /// Holds one consistent state of all users for an export of them, until [`AdminClient::export_end`]. It is written down in the audit chain.
    ///
    /// # Errors
    /// [`ErrorCode::Busy`](crate::ErrorCode::Busy) while another is held.
    pub async fn export_begin(&self, with_hashes: bool) -> Result<Export, Error> {
        let request = || AdminRequest::ExportBegin { with_hashes };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::ExportBegin)).await
    }

    /// The next users in the state that is held.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) for a state that is held no more.
    pub async fn export_page(&self, place: ExportPlace) -> Result<ExportPage, Error> {
        let request = || AdminRequest::ExportPage { request: place };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::ExportPage)).await
    }

    /// Lets the state go. One that is held no more is no error.
    pub async fn export_end(&self, id: u64) -> Result<(), Error> {
        let request = || AdminRequest::ExportEnd { id };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::ExportEnd)).await
    }
}
