//! One consistent state of the database, page by page: all of it for a backup, its users for an export.

use hallpass_protocol::admin::{
    AdminRequest, AdminResponse, Backup, BackupPage, BackupPlace, Export, ExportPage, ExportPlace,
};

use super::AdminClient;
use crate::calls::answer;
use crate::error::Error;
use crate::link::Repeat;

impl AdminClient {
    /// Holds one consistent state of the database for a copy of it, until [`AdminClient::backup_end`]. It is let go of when no page is asked for
    /// within 30 s, and after 30 minutes in any case. It holds every hash of a password, and that it was taken is written down in the audit chain.
    ///
    /// `hallpass backup` writes such a copy to a file that a daemon can be started on.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let backup = admin.backup_begin().await?;
    /// for table in &backup.tables {
    ///     println!("{}: {} rows", table.name, table.rows);
    /// }
    /// # admin.backup_end(backup.id).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::Busy`](crate::ErrorCode::Busy) while another is held.
    pub async fn backup_begin(&self) -> Result<Backup, Error> {
        let request = || AdminRequest::BackupBegin {};
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::BackupBegin)).await
    }

    /// The next rows of a table in the state that is held.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// use hallpass_client::admin::BackupPlace;
    ///
    /// let backup = admin.backup_begin().await?;
    /// # let mut rows = 0;
    /// for table in 0..u32::try_from(backup.tables.len())? {
    ///     let mut after = None;
    ///     loop {
    ///         let page = admin.backup_page(BackupPlace { id: backup.id, table, after }).await?;
    ///         // Write `page.rows` down.
    /// #       rows += page.rows.len() as u64;
    ///         after = page.rows.last().map(|(key, _)| key.clone());
    ///         if page.last {
    ///             break;
    ///         }
    ///     }
    /// }
    /// admin.backup_end(backup.id).await?;
    /// # assert_eq!(rows, backup.tables.iter().map(|table| table.rows).sum::<u64>());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) for a state that is held no more.
    pub async fn backup_page(&self, place: BackupPlace) -> Result<BackupPage, Error> {
        let request = || AdminRequest::BackupPage { request: place.clone() };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::BackupPage)).await
    }

    /// Lets the state go. One that is held no more is no error.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let backup = admin.backup_begin().await?;
    /// admin.backup_end(backup.id).await?; // whatever came of the copy
    /// # Ok(()) }
    /// ```
    pub async fn backup_end(&self, id: u64) -> Result<(), Error> {
        let request = || AdminRequest::BackupEnd { id };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::BackupEnd)).await
    }

    /// Holds one consistent state of all users for an export of them, until [`AdminClient::export_end`]. It is written down in the audit chain. It is
    /// let go of like that of [`AdminClient::backup_begin`].
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let export = admin.export_begin(false).await?; // without the hashes of their passwords
    /// println!("{} users", export.users);
    /// # admin.export_end(export.id).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::Busy`](crate::ErrorCode::Busy) while another is held.
    pub async fn export_begin(&self, with_hashes: bool) -> Result<Export, Error> {
        let request = || AdminRequest::ExportBegin { with_hashes };
        self.link.call(self.manner, Repeat::Never, request, answer!(AdminResponse::ExportBegin)).await
    }

    /// The next users in the state that is held.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// use hallpass_client::admin::ExportPlace;
    ///
    /// let export = admin.export_begin(false).await?;
    /// let mut after = None;
    /// loop {
    ///     let page = admin.export_page(ExportPlace { id: export.id, after }).await?;
    ///     page.users.iter().for_each(|user| println!("{} {:?}", user.name, user.roles));
    ///     after = page.users.last().map(|user| user.user_id);
    ///     if page.last {
    ///         break;
    ///     }
    /// }
    /// admin.export_end(export.id).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) for a state that is held no more.
    pub async fn export_page(&self, place: ExportPlace) -> Result<ExportPage, Error> {
        let request = || AdminRequest::ExportPage { request: place };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::ExportPage)).await
    }

    /// Lets the state go. One that is held no more is no error.
    ///
    /// ```
    #[doc = include_str!("../doc/admin.txt")]
    /// let export = admin.export_begin(false).await?;
    /// admin.export_end(export.id).await?; // whatever came of it
    /// # Ok(()) }
    /// ```
    pub async fn export_end(&self, id: u64) -> Result<(), Error> {
        let request = || AdminRequest::ExportEnd { id };
        self.link.call(self.manner, Repeat::Harmless, request, answer!(AdminResponse::ExportEnd)).await
    }
}
