//! The keys: the root that session, refresh and device tokens are sealed with, and the pair that signs access tokens.
//!
//! They lie in the database sealed under a master key that lies outside it, so a copied database holds no key and no usable token.

mod checkpoint;
mod master;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ed25519_dalek::{SIGNATURE_LENGTH, Signer, SigningKey};
use hallpass_protocol::auth::PublishedKeys;
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::jws::{self, AccessClaims, Jwk, JwkSet, KeySet, Refused, ServiceClaims};
use hallpass_protocol::secret::Token;
use hallpass_protocol::time::{Millis, Stamp};
use hallpass_protocol::token::{Body, MAC_BYTES, MacKeyId, Sealed, Subject, TokenKind};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::domain::command::ActiveKeys;
use crate::domain::effect::AccessPlan;
use crate::domain::keyset::{self, Key, KeyKind, KeyState};
use crate::domain::reseal::{Bridge, MasterId, Resealed};
use crate::entropy::{Entropy, NoEntropy};
use master::Place;

pub(crate) use checkpoint::{Checkpoint, CheckpointKey, Genuine};
pub(crate) use master::MasterKey;

/// Length of every key here, in bytes.
const KEY_BYTES: usize = 32;

/// A fault of the keys. No text of it holds any key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The master key's file is not there, but the database it opened is.
    #[error(
        "the master key {0} is missing, and without it the keys in the database cannot be opened; put it back. \
         Without any copy of it, all sessions are lost: move the state directory away and start anew. Where there was never one, \
         `dpkg-reconfigure hallpass` makes the first"
    )]
    Missing(PathBuf),
    /// The master key's file is not what it must be.
    #[error("{0}")]
    File(String),
    /// The keys do not open under this master key.
    #[error(
        "the keys in the database do not open under this master key; it is another database's or of another time, or one of the two is damaged"
    )]
    Unseal,
    /// The keys were put under another master key in the place of this one.
    #[error(
        "the master key {path} was replaced on {at} and opens the database no more; put the one in its place that took it then",
        path = path.display(),
        at = humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + std::time::Duration::from_millis(at.as_u64()))
    )]
    Replaced {
        /// Where it lies.
        path: PathBuf,
        /// When another took its place.
        at: Millis,
    },
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

/// Makes keys and seals them: all that the master key is needed for once the daemon runs.
pub(crate) struct Sealer {
    master: MasterKey,
    database: [u8; 16],
    entropy: Entropy,
}

impl Sealer {
    /// Seals under this master key, for this database.
    pub(crate) fn new(master: MasterKey, database: [u8; 16], entropy: Entropy) -> Self {
        Self { master, database, entropy }
    }

    /// What tells its master key apart.
    pub(crate) fn id(&self) -> MasterId {
        self.master.id()
    }

    /// Puts its master key in this file, over one that lies there. See [`MasterKey::put_at`].
    pub(crate) fn put_at(&self, path: &Path) -> Result<(), KeyError> {
        self.master.put_at(path)
    }

    /// The same under another master key.
    pub(crate) fn under(&self, master: MasterKey) -> Self {
        Self::new(master, self.database, self.entropy.clone())
    }

    /// The way from the master key of this sealer to the one of another.
    pub(crate) fn bridge_to(&self, other: &Self) -> Result<Bridge, KeyError> {
        let sealed = self.master.seal_master(&other.master, &self.database, &self.entropy)?;
        Ok(Bridge { from: self.id(), sealed })
    }

    /// The sealer at the other end of a bridge, which must begin here.
    pub(crate) fn cross(&self, bridge: &Bridge) -> Result<Self, KeyError> {
        Ok(self.under(self.master.unseal_master(&bridge.sealed, &self.database)?))
    }

    /// Every key, taken out of the seal of this sealer and put under that of another.
    pub(crate) fn reseal(&self, keys: &[Key], to: &Self) -> Result<Resealed, KeyError> {
        let reseal = |key: &Key| {
            let secret = self.unseal(key)?;
            let sealed = to.master.seal(&to.place(key.kind, key.number), secret.as_ref(), &to.entropy)?;
            Ok((key.kind, key.number, sealed))
        };
        let keys =
            keys.iter().filter(|key| !key.is_revoked()).map(reseal).collect::<Result<_, KeyError>>()?;
        Ok(Resealed { from: self.id(), to: to.id(), keys })
    }

    fn unseal(&self, key: &Key) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
        self.master.unseal(&self.place(key.kind, key.number), &key.sealed)
    }

    fn place(&self, kind: KeyKind, number: u16) -> Place<'_> {
        Place::Key { database: &self.database, kind, number }
    }

    /// A new active key for a place of its kind.
    pub(crate) fn make(&self, kind: KeyKind, number: u16, created: Millis) -> Result<Key, KeyError> {
        let secret = Zeroizing::new(self.entropy.bytes::<KEY_BYTES>()?);
        let thumbprint = match kind {
            KeyKind::Mac => String::new(),
            KeyKind::Signing => jws::thumbprint(SigningKey::from_bytes(&secret).verifying_key().as_bytes()),
        };
        let sealed = self.master.seal(&self.place(kind, number), secret.as_ref(), &self.entropy)?;
        Ok(Key { kind, number, state: KeyState::Active, created, kid: thumbprint, sealed })
    }

    /// Opens every key of the database.
    pub(crate) fn open(&self, keys: &[Key], issuer: &str, version: Stamp) -> Result<KeyRing, KeyError> {
        let mut opened = KeyRing {
            macs: HashMap::new(),
            signing: HashMap::new(),
            active: keyset::active(keys).ok_or(KeyError::Unseal)?,
            published: PublishedKeys { version, jwks: String::new() },
            verifying: None,
            issuer: issuer.to_owned(),
        };
        let mut published = Vec::new();
        for key in keys.iter().filter(|key| !key.is_revoked()) {
            let secret = self.unseal(key)?;
            match key.kind {
                KeyKind::Mac => drop(opened.macs.insert(MacKeyId(key.number), MacKeys::derive(&secret))),
                KeyKind::Signing => {
                    let signing = SigningKey::from_bytes(&secret);
                    published.push(Jwk::from_public_key(signing.verifying_key().as_bytes()));
                    opened.signing.insert(key.kid.clone(), signing);
                }
            }
        }
        opened.published.jwks =
            serde_json::to_string(&JwkSet { keys: published }).map_err(|_| KeyError::Unseal)?;
        opened.verifying = Some(KeySet::from_jwks(&opened.published.jwks).map_err(|_| KeyError::Unseal)?);
        Ok(opened)
    }
}

/// The keys of the first generation of a database that has none, by the number that it begins with.
pub(crate) fn first_generation(sealer: &Sealer, number: u16, created: Millis) -> Result<Vec<Key>, KeyError> {
    KeyKind::ALL.into_iter().map(|kind| sealer.make(kind, number, created)).collect()
}

/// The open keys of one moment. A rotation makes another ring.
pub(crate) struct KeyRing {
    macs: HashMap<MacKeyId, MacKeys>,
    signing: HashMap<String, SigningKey>,
    active: ActiveKeys,
    published: PublishedKeys,
    verifying: Option<KeySet>,
    issuer: String,
}

/// The keys of the running daemon: the ring of this moment, and what makes the next one.
pub(crate) struct Keys {
    sealers: RwLock<Sealers>,
    issuer: String,
    ring: RwLock<Arc<KeyRing>>,
}

/// What seals keys now, and what may from the next change on.
struct Sealers {
    now: Arc<Sealer>,
    next: Option<Arc<Sealer>>,
}

impl Keys {
    /// Opens every key of the database.
    pub(crate) fn open(sealer: Sealer, keys: &[Key], issuer: &str, version: Stamp) -> Result<Self, KeyError> {
        let ring = RwLock::new(Arc::new(sealer.open(keys, issuer, version)?));
        let sealers = RwLock::new(Sealers { now: Arc::new(sealer), next: None });
        Ok(Self { sealers, issuer: issuer.to_owned(), ring })
    }

    /// The ring of this moment.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What makes keys.
    pub(crate) fn sealer(&self) -> Arc<Sealer> {
        Arc::clone(&self.sealers.read().unwrap_or_else(PoisonError::into_inner).now)
    }

    /// Has this one too open keys that have changed. Once it does, it takes the place of the other.
    pub(crate) fn expect(&self, next: Arc<Sealer>) {
        self.sealers.write().unwrap_or_else(PoisonError::into_inner).next = Some(next);
    }

    /// Opens keys that are about to be on disk, or are. Nothing is changed by it.
    pub(crate) fn opened(&self, keys: &[Key], version: Stamp) -> Result<Opened, KeyError> {
        let sealers = self.sealers.read().unwrap_or_else(PoisonError::into_inner);
        match (sealers.now.open(keys, &self.issuer, version), &sealers.next) {
            (Err(_), Some(next)) => {
                let ring = next.open(keys, &self.issuer, version)?;
                Ok(Opened { ring, takes_over: true })
            }
            (ring, _) => Ok(Opened { ring: ring?, takes_over: false }),
        }
    }

    /// Has these take the place of the others.
    pub(crate) fn replace(&self, opened: Opened) {
        if opened.takes_over {
            let mut sealers = self.sealers.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(next) = sealers.next.take() {
                sealers.now = next;
            }
        }
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(opened.ring);
    }
}

/// Keys that were opened and are not used yet.
pub(crate) struct Opened {
    ring: KeyRing,
    /// Whether only what was expected opens them.
    takes_over: bool,
}

/// One MAC key for each kind of token, all from one root.
struct MacKeys {
    session: Hmac<Sha256>,
    refresh: Hmac<Sha256>,
    device: Hmac<Sha256>,
}

/// The key that a decision fixed is gone: an emergency came in between. Asking again gets a token of the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl KeyRing {
    /// The public keys as a JWK set, and which set it is.
    pub(crate) fn published(&self) -> &PublishedKeys {
        &self.published
    }

    /// Makes the token of this subject with the key that a decision fixed.
    pub(crate) fn seal(&self, subject: Subject, key: MacKeyId) -> Result<Token, Gone> {
        let mac = self.macs.get(&key).ok_or(Gone)?.over(&subject, key);
        Ok(Sealed { subject, key, mac }.to_token())
    }

    /// What a session, refresh or device token says, if it is genuine. Garbage costs one HMAC and no read.
    pub(crate) fn unseal(&self, token: &Token) -> Option<Subject> {
        let sealed = Sealed::parse(token.expose()).ok()?;
        let mac = self.macs.get(&sealed.key)?.over(&sealed.subject, sealed.key);
        bool::from(mac.ct_eq(&sealed.mac)).then_some(sealed.subject)
    }

    /// What is said of a token that does not open. Where the key that it names was there once and is gone, every token of it is over, and its holder
    /// may forget it: no read and no family is touched, so whoever makes such a token up gains nothing.
    pub(crate) fn why_not(&self, token: &Token) -> ErrorCode {
        let newest = self.macs.keys().max();
        // Numbers begin with 1.
        let was_there = |key: MacKeyId| key > MacKeyId(0) && Some(&key) < newest;
        let is_gone = |sealed: &Sealed| was_there(sealed.key) && !self.macs.contains_key(&sealed.key);
        match Sealed::parse(token.expose()) {
            Ok(sealed) if is_gone(&sealed) => ErrorCode::Expired,
            _ => ErrorCode::InvalidToken,
        }
    }

    /// Signs the access token that a decision has fixed.
    pub(crate) fn sign(&self, plan: &AccessPlan) -> Result<Token, Gone> {
        let key = self.signing.get(&plan.kid).ok_or(Gone)?;
        // The limits on names, audiences, methods and roles leave no claims that would not fit; a test holds them to it.
        let token = jws::encode(&self.claims(plan), &plan.kid, |input| signature(key, input));
        token.map(Token::new).map_err(|_| Gone)
    }

    /// Signs a token for an app itself.
    pub(crate) fn sign_service(
        &self,
        app: &str,
        audience: &str,
        issued: Millis,
        expires: Millis,
        jti: String,
    ) -> Result<Token, Gone> {
        let kid = &self.active.signing;
        let key = self.signing.get(kid).ok_or(Gone)?;
        let claims = ServiceClaims {
            iss: self.issuer.clone(),
            sub: format!("app:{app}"),
            aud: audience.to_owned(),
            client_id: app.to_owned(),
            exp: expires.as_secs(),
            iat: issued.as_secs(),
            jti,
        };
        let token = jws::encode_service(&claims, kid, |input| key.sign(input).to_bytes());
        token.map(Token::new).map_err(|_| Gone)
    }

    fn claims(&self, plan: &AccessPlan) -> AccessClaims {
        AccessClaims {
            iss: self.issuer.clone(),
            sub: plan.user.to_string(),
            aud: plan.audience.clone(),
            client_id: plan.app.clone(),
            exp: plan.expires.as_secs(),
            iat: plan.issued.as_secs(),
            jti: jws::jti(plan.stamp.0, plan.random),
            sid: plan.session.to_string(),
            auth_time: plan.auth_time.as_secs(),
            amr: plan.amr.clone(),
            acr: plan.level.to_string(),
            roles: plan.roles.clone(),
        }
    }

    /// What an access token for an acceptable audience says, if it is genuine and not over at `unix_seconds`.
    pub(crate) fn verify(
        &self,
        token: &Token,
        accepts: impl FnOnce(&str) -> bool,
        unix_seconds: u64,
    ) -> Result<AccessClaims, Refused> {
        let keys = self.verifying.as_ref().ok_or(Refused::UnknownKey)?;
        keys.verify_at(token.expose(), &self.issuer, accepts, unix_seconds)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("active", &self.active).finish_non_exhaustive()
    }
}

impl MacKeys {
    fn derive(root: &[u8; KEY_BYTES]) -> Self {
        let derive = |kind: TokenKind| {
            let mut key = Zeroizing::new([0; KEY_BYTES]);
            // The only length that HKDF refuses is one of more than 255 hashes.
            let _ = Hkdf::<Sha256>::new(Some(b"hallpass token mac v1"), root)
                .expand(kind.prefix().as_bytes(), key.as_mut());
            hmac(&key)
        };
        Self {
            session: derive(TokenKind::Session),
            refresh: derive(TokenKind::Refresh),
            device: derive(TokenKind::Device),
        }
    }

    fn over(&self, subject: &Subject, key: MacKeyId) -> [u8; MAC_BYTES] {
        let mut mac = match subject {
            Subject::Session(_) => self.session.clone(),
            Subject::Refresh(..) => self.refresh.clone(),
            Subject::Device(..) => self.device.clone(),
        };
        mac.update(Body::new(subject, key).signed());
        mac.finalize().into_bytes().into()
    }
}

fn signature(key: &SigningKey, input: &[u8]) -> [u8; SIGNATURE_LENGTH] {
    #[cfg(feature = "bench")]
    if crate::measured::is_unsigned() {
        return [0; SIGNATURE_LENGTH];
    }
    key.sign(input).to_bytes()
}

/// HMAC-SHA256 under a key of 32 bytes, which RFC 2104 pads with zeros to the block size.
pub(crate) fn hmac(key: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..KEY_BYTES].copy_from_slice(key);
    Hmac::new((&*block).into())
}

#[cfg(test)]
pub(crate) mod tests;
