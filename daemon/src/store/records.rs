//! How the domain's nouns lie in rows. Each record leads with a version byte; golden bytes in the tests keep the layout from drifting.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hallpass_protocol::auth::SessionKind;
use hallpass_protocol::codec;
use hallpass_protocol::id::{SessionId, UserId};
use hallpass_protocol::time::{Millis, Stamp};
use hallpass_protocol::token::MacKeyId;
use serde::{Deserialize, Serialize};

use crate::domain::account::{Attributes, Code, CodeHash, Name, PasswordHash, Roles, User};
use crate::domain::family::{AttemptHash, ContextTag, Debt};
use crate::domain::keyset::{Key, KeyKind, KeyState, Sealed};
use crate::domain::reseal::{Bridge, Master, MasterId};
use crate::domain::revocation::{CutOffs, Reason, Revocation};
use crate::domain::session::{Cold, Hot, Origin};
use crate::domain::throttle::Failures;

/// A noun that lies in rows of one table.
pub(super) trait Record: Sized {
    /// The value's bytes, version byte first.
    fn to_bytes(&self) -> Vec<u8>;
    /// The value that these bytes are, if they are one.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// The version that every record of this schema leads with.
const VERSION: u8 = 1;

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Only a `Serialize` of our own that fails could fail here, and those in this file do not.
    let mut bytes = codec::encode(value).unwrap_or_default();
    bytes.insert(0, VERSION);
    bytes
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (&VERSION, value) = bytes.split_first()? else { return None };
    codec::decode(value).ok()
}

#[derive(Serialize, Deserialize)]
struct UserRecord {
    id: UserId,
    name: String,
    password: Option<String>,
    roles: Vec<String>,
    disabled: bool,
    credential_version: u32,
    not_before: Stamp,
    attributes: BTreeMap<String, String>,
    code: Option<([u8; 16], Millis)>,
}

impl Record for User {
    fn to_bytes(&self) -> Vec<u8> {
        encode(&UserRecord {
            id: self.id,
            name: self.name.as_str().to_owned(),
            password: self.password.as_ref().map(|hash| hash.0.clone()),
            roles: self.roles.as_slice().to_vec(),
            disabled: self.disabled,
            credential_version: self.credential_version,
            not_before: self.not_before,
            attributes: self.attributes.as_map().clone(),
            code: self.code.map(|code| (code.hash.0, code.expires)),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let record: UserRecord = decode(bytes)?;
        Some(Self {
            id: record.id,
            name: Name::parse(&record.name).ok()?,
            password: record.password.map(PasswordHash),
            roles: Roles::parse(record.roles).ok()?,
            disabled: record.disabled,
            credential_version: record.credential_version,
            not_before: record.not_before,
            attributes: Attributes::parse(record.attributes).ok()?,
            code: record.code.map(|(hash, expires)| Code { hash: CodeHash(hash), expires }),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct ColdRecord {
    user: UserId,
    app: String,
    kind: SessionKind,
    opened: Stamp,
    absolute_deadline: Millis,
    amr: Vec<String>,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    device_label: Option<String>,
    fingerprint: Option<[u8; 16]>,
}

impl Record for Cold {
    fn to_bytes(&self) -> Vec<u8> {
        let origin = self.origin.clone();
        encode(&ColdRecord {
            user: self.user,
            app: self.app.clone(),
            kind: self.kind,
            opened: self.opened,
            absolute_deadline: self.absolute_deadline,
            amr: self.amr.clone(),
            ip: origin.ip,
            user_agent: origin.user_agent,
            device_label: origin.device_label,
            fingerprint: origin.fingerprint,
        })
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let record: ColdRecord = decode(bytes)?;
        Some(Self {
            user: record.user,
            app: record.app,
            kind: record.kind,
            opened: record.opened,
            absolute_deadline: record.absolute_deadline,
            amr: record.amr,
            origin: Origin {
                ip: record.ip,
                user_agent: record.user_agent,
                device_label: record.device_label,
                fingerprint: record.fingerprint,
            },
        })
    }
}

/// A hot row has a fixed layout: it is written by every rotation, and with its checksum it stays under 64 bytes.
const HOT_BYTES: usize = 55;

impl Record for Hot {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HOT_BYTES + 8);
        out.push(VERSION);
        for moment in [self.last_seen, self.idle_deadline, self.auth_time, self.rotated_at] {
            out.extend_from_slice(&moment.as_u64().to_be_bytes()[2..]);
        }
        out.push(self.level);
        out.extend_from_slice(&self.level_seconds.to_be_bytes());
        out.extend_from_slice(&self.counter.to_be_bytes());
        out.extend_from_slice(&self.mac_key.0.to_be_bytes());
        out.extend_from_slice(&self.attempt.map_or([0; 6], |attempt| attempt.0));
        out.push(self.retries);
        out.extend_from_slice(&self.tag.0.to_be_bytes());
        out.extend_from_slice(&self.debt.0.to_be_bytes());
        let (stamp, reason) = self.revoked.map_or((0, 0), |revoked| (revoked.stamp.0, revoked.reason as u8));
        out.extend_from_slice(&stamp.to_be_bytes()[1..]);
        out.push(reason);
        out
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let version = fields.number(1)?;
        let mut moment = || fields.number(6).map(Millis::from_u64);
        let (last_seen, idle_deadline, auth_time, rotated_at) = (moment()?, moment()?, moment()?, moment()?);
        let level = u8::try_from(fields.number(1)?).ok()?;
        let level_seconds = u32::try_from(fields.number(4)?).ok()?;
        let counter = u32::try_from(fields.number(4)?).ok()?;
        let mac_key = MacKeyId(u16::try_from(fields.number(2)?).ok()?);
        let attempt = fields.take::<6>()?;
        let retries = u8::try_from(fields.number(1)?).ok()?;
        let tag = ContextTag(u16::try_from(fields.number(2)?).ok()?);
        let debt = Debt(u16::try_from(fields.number(2)?).ok()?);
        let stamp = Stamp(fields.number(7)?);
        let revoked = match fields.number(1)? {
            0 => None,
            number => {
                let reason = Reason::ALL.into_iter().find(|reason| u64::from(*reason as u8) == number)?;
                Some(Revocation { stamp, reason })
            }
        };
        let attempt = (attempt != [0; 6]).then_some(AttemptHash(attempt));
        let whole = version == u64::from(VERSION) && fields.0.is_empty();
        whole.then_some(Self {
            last_seen,
            idle_deadline,
            auth_time,
            level,
            level_seconds,
            counter,
            rotated_at,
            mac_key,
            attempt,
            retries,
            tag,
            debt,
            revoked,
        })
    }
}

/// Fields of a fixed layout, taken from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        let (field, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(field.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

impl Record for Failures {
    fn to_bytes(&self) -> Vec<u8> {
        encode(&(self.count, self.last))
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        decode(bytes).map(|(count, last)| Self { count, last })
    }
}

impl Record for CutOffs {
    fn to_bytes(&self) -> Vec<u8> {
        encode(&(self.everything, &self.apps))
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        decode(bytes).map(|(everything, apps)| Self { everything, apps })
    }
}

/// Nothing: an index row says all it has to say in its key.
impl Record for () {
    fn to_bytes(&self) -> Vec<u8> {
        vec![VERSION]
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes == [VERSION]).then_some(())
    }
}

/// How far stamps may go without another write, and the latest time that was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// No stamp above this has left the daemon.
    pub(super) reserved: Stamp,
    /// The daemon's time has been at least this.
    pub(super) latest: Millis,
}

/// The last audit entry that was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AuditStart {
    /// Its number.
    pub(super) number: u64,
    /// Its hash.
    pub(super) hash: [u8; 32],
}

/// A database begins anew: its keys are to be made, with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Anew(pub(super) u16);

/// What makes a database this one and no other.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Identity {
    /// Its id.
    pub(super) database: [u8; 16],
    /// The key of its row checksums.
    pub(super) checksums: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct KeyRecord {
    kind: u8,
    number: u16,
    state: u8,
    moment: Millis,
    created: Millis,
    kid: String,
    nonce: [u8; 24],
    sealed: Vec<u8>,
}

impl Record for Key {
    fn to_bytes(&self) -> Vec<u8> {
        let (state, moment) = match self.state {
            KeyState::Next(at) => (0, at),
            KeyState::Active => (1, Millis::default()),
            KeyState::Retired(until) => (2, until),
            KeyState::Revoked(until) => (3, until),
        };
        encode(&KeyRecord {
            kind: self.kind as u8,
            number: self.number,
            state,
            moment,
            created: self.created,
            kid: self.kid.clone(),
            nonce: self.sealed.nonce,
            sealed: self.sealed.bytes.clone(),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let record: KeyRecord = decode(bytes)?;
        Some(Self {
            kind: KeyKind::ALL.into_iter().find(|kind| *kind as u8 == record.kind)?,
            number: record.number,
            state: match record.state {
                0 => KeyState::Next(record.moment),
                1 => KeyState::Active,
                2 => KeyState::Retired(record.moment),
                3 => KeyState::Revoked(record.moment),
                _ => return None,
            },
            created: record.created,
            kid: record.kid,
            sealed: Sealed { nonce: record.nonce, bytes: record.sealed },
        })
    }
}

/// A bridge: the new master key's id, and the nonce and bytes of the old one's seal.
type BridgeRecord = ([u8; 8], [u8; 24], Vec<u8>);

#[derive(Serialize, Deserialize)]
struct MasterRecord {
    current: Option<[u8; 8]>,
    bridges: Vec<BridgeRecord>,
    replaced: Option<([u8; 8], Millis)>,
}

impl Record for Master {
    fn to_bytes(&self) -> Vec<u8> {
        let bridge = |bridge: &Bridge| (bridge.from.0, bridge.sealed.nonce, bridge.sealed.bytes.clone());
        encode(&MasterRecord {
            current: self.current.map(|id| id.0),
            bridges: self.bridges.iter().map(bridge).collect(),
            replaced: self.replaced.map(|(id, at)| (id.0, at)),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let record: MasterRecord = decode(bytes)?;
        let bridge = |(from, nonce, bytes): BridgeRecord| Bridge {
            from: MasterId(from),
            sealed: Sealed { nonce, bytes },
        };
        Some(Self {
            current: record.current.map(MasterId),
            bridges: record.bridges.into_iter().map(bridge).collect(),
            replaced: record.replaced.map(|(id, at)| (MasterId(id), at)),
        })
    }
}

/// The key of a key's row.
pub(super) fn key_key(kind: KeyKind, number: u16) -> [u8; 3] {
    let [high, low] = number.to_be_bytes();
    [kind as u8, high, low]
}

/// An audit entry as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuditRecord {
    /// When, and in which order.
    pub(crate) stamp: Stamp,
    /// What happened.
    pub(crate) event: String,
    /// How it ended.
    pub(crate) outcome: String,
    /// The calling process's user.
    pub(crate) uid: u32,
    /// The calling process.
    pub(crate) pid: i32,
    /// What the caller is known as.
    pub(crate) app: String,
    /// To whom.
    pub(crate) user: Option<UserId>,
    /// To which session.
    pub(crate) session: Option<SessionId>,
    /// What else there is to know.
    pub(crate) detail: String,
    /// The hash over all of this, the entry's number and the hash of the entry before.
    pub(crate) hash: [u8; 32],
}

macro_rules! plain_record {
    ($($name:ty),*) => {$(
        impl Record for $name {
            fn to_bytes(&self) -> Vec<u8> {
                encode(self)
            }

            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                decode(bytes)
            }
        }
    )*};
}

/// Whose a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NameRecord {
    /// Whose it is or was.
    pub(super) user: UserId,
    /// It leads nowhere and cannot be taken before this, because its user gave it up.
    pub(super) reserved: Option<Millis>,
}

/// An entry of the revocation list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Listed {
    /// A session.
    Session(SessionId),
    /// All of a user's sessions, or what they may do.
    User(UserId),
    /// All that an app opened.
    App(String),
    /// Everything.
    Everything,
    /// What a signing key has signed, by its `kid`.
    Key(String),
}

plain_record!(Anew, AuditStart, Mark, Identity, AuditRecord, NameRecord, Listed);

/// The key of an entry of the revocation list.
pub(super) fn listed_key(stamp: Stamp, place: u16) -> Vec<u8> {
    [&stamp.0.to_be_bytes()[..], &place.to_be_bytes()].concat()
}

/// The key of an index row: two parts of fixed length, one behind the other.
pub(super) fn pair(first: &[u8], second: &[u8; 16]) -> Vec<u8> {
    [first, second].concat()
}

#[cfg(test)]
mod tests;
