//! Every size, count and wait that bounds what one side accepts from the other.

use std::time::Duration;

/// Largest frame on the `Auth` socket, in bytes.
pub const AUTH_FRAME: usize = 16 * 1024;
/// Largest frame on the `Admin` socket, in bytes.
pub const ADMIN_FRAME: usize = 64 * 1024;
/// How long a caller may take for its hello.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(2);
/// How long one frame may take from its first byte to its last, in either direction.
pub const FRAME_DEADLINE: Duration = Duration::from_secs(5);
/// Longest time a request may ask to be worked on; a longer deadline is shortened to this.
pub const REQUEST_DEADLINE: Duration = Duration::from_mins(1);
/// Requests of one connection that may be under way at once.
pub const REQUESTS_IN_FLIGHT: usize = 128;

/// Most verifications in one call. How many an answer has room for depends on what is answered.
pub const VERIFY_BATCH: usize = 128;

/// Longest password in bytes of UTF-8.
pub const PASSWORD_BYTES: usize = 1024;
/// Longest user name, role name or audience, in bytes.
pub const NAME_BYTES: usize = 64;
/// Most roles a user can have; they must also fit an access token.
pub const ROLES: usize = 32;
/// Longest user agent that is kept; what is longer is cut.
pub const USER_AGENT_BYTES: usize = 256;
/// Longest device label, in bytes.
pub const DEVICE_LABEL_BYTES: usize = 64;
/// Longest device fingerprint, in bytes.
pub const DEVICE_FINGERPRINT_BYTES: usize = 256;
/// Most attributes a user can have.
pub const ATTRIBUTES: usize = 16;
/// Longest name of an attribute, in bytes.
pub const ATTRIBUTE_NAME_BYTES: usize = 32;
/// Longest value of an attribute, in bytes.
pub const ATTRIBUTE_VALUE_BYTES: usize = 128;
/// Most methods of proof that an app can vouch for, each of at most 8 bytes; they must fit an access token.
pub const AMR: usize = 3;

/// Longest sentence of a refusal, in bytes; what is longer is cut, so that it fits every frame.
pub const MESSAGE_BYTES: usize = 1024;

/// Longest token text that is looked at, in bytes.
pub const TOKEN_BYTES: usize = crate::jws::MAX_TOKEN_SEEN;

/// Most sessions in one page of an answer, so that the page always fits [`AUTH_FRAME`].
pub const SESSIONS_PER_PAGE: usize = 20;
/// Most users in one page of an answer, so that the page always fits [`ADMIN_FRAME`].
pub const USERS_PER_PAGE: usize = 20;
/// Most revocations in one page of an answer, so that the page always fits [`ADMIN_FRAME`].
pub const REVOCATIONS_PER_PAGE: usize = 100;
/// Most audit entries in one page of an answer, so that the page always fits [`ADMIN_FRAME`].
pub const AUDIT_PER_PAGE: usize = 50;
/// Most audit entries that one search looks at.
pub const AUDIT_LOOKED_AT: usize = 500;
/// Most audit entries that are verified for one call.
pub const AUDIT_PER_STRETCH: usize = 10_000;
/// Most checkpoints in one call, each of at most [`CHECKPOINT_BYTES`].
pub const CHECKPOINTS_PER_CALL: usize = 100;
/// Longest checkpoint, in bytes.
pub const CHECKPOINT_BYTES: usize = 320;

/// Most bytes of keys and values in one page of a backup, or one row where that is longer.
pub const BACKUP_PAGE_BYTES: usize = 32 * 1024;
/// Most rows in one page of a backup.
pub const BACKUP_PAGE_ROWS: usize = 1024;

/// Most bytes of users, as they are stored, in one page of an export, or one user where that is longer.
pub const EXPORT_PAGE_BYTES: usize = 32 * 1024;
/// Most users in one page of an export.
pub const EXPORT_PAGE_USERS: usize = 256;

// A page of the widest rows must fit its frame: an oversize answer would end the connection for everyone on it.
const _: () = assert!(SESSIONS_PER_PAGE * 768 <= AUTH_FRAME);
const _: () = assert!(
    USERS_PER_PAGE * (512 + ATTRIBUTES * (ATTRIBUTE_NAME_BYTES + ATTRIBUTE_VALUE_BYTES + 2)) <= ADMIN_FRAME
);
const _: () = assert!(REVOCATIONS_PER_PAGE * 256 <= ADMIN_FRAME);
const _: () = assert!(AUDIT_PER_PAGE * 1024 <= ADMIN_FRAME);
const _: () = assert!(CHECKPOINTS_PER_CALL * (CHECKPOINT_BYTES + 8) <= ADMIN_FRAME);
// Each row brings two lengths along, and the last one may go beyond the bytes by the widest row.
const _: () = assert!(BACKUP_PAGE_BYTES + BACKUP_PAGE_ROWS * 6 + 16 * 1024 <= ADMIN_FRAME);
// What is stored of a user is what is sent of them, lengths and all, and the last one may go beyond the bytes by the widest user.
const _: () = assert!(EXPORT_PAGE_BYTES + EXPORT_PAGE_USERS * 8 + 16 * 1024 <= ADMIN_FRAME);
