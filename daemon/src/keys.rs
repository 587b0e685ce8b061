//! The keys: the root that session, refresh and device tokens are sealed with, and the pair that signs access tokens.
//!
//! They lie in the database sealed under a master key that lies outside it, so a copied database holds no key and no usable token.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signer, SigningKey};
use hallpass_protocol::jws::{self, AccessClaims, Jwk, JwkSet, KeySet, Refused, ServiceClaims};
use hallpass_protocol::secret::Token;
use hallpass_protocol::time::Millis;
use hallpass_protocol::token::{Body, MAC_BYTES, MacKeyId, Sealed, Subject, TokenKind};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use nix::fcntl::OFlag;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::domain::command::ActiveKeys;
use crate::domain::effect::AccessPlan;
use crate::entropy::{Entropy, NoEntropy};
use crate::store::SealedKey;

/// Length of every key here, in bytes.
const KEY_BYTES: usize = 32;

/// A fault of the keys. No text of it holds any key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The master key's file is not there, but the database it opened is.
    #[error(
        "the master key {0} is missing, and without it the keys in the database cannot be opened; put it back. \
         Without any copy of it, all sessions are lost: move the state directory away and start anew"
    )]
    Missing(PathBuf),
    /// The master key's file is not what it must be.
    #[error("{0}")]
    File(String),
    /// The keys do not open under this master key.
    #[error(
        "the keys in the database do not open under this master key; it is another database's, or one of the two is damaged"
    )]
    Unseal,
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

/// The key that seals the others.
pub(crate) struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

impl MasterKey {
    /// Reads the master key from a file that only this user can read.
    pub(crate) fn read(path: &Path) -> Result<Self, KeyError> {
        let open = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path);
        let mut file = match open {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(KeyError::Missing(path.to_owned()));
            }
            Err(error) => {
                return Err(KeyError::File(format!(
                    "cannot open the master key {}: {error}",
                    path.display()
                )));
            }
        };
        crate::files::refuse_unless_private(&file, path).map_err(KeyError::File)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let whole = file.read_exact(key.as_mut()).is_ok() && file.read(&mut [0]).is_ok_and(|more| more == 0);
        if whole {
            Ok(Self(key))
        } else {
            Err(KeyError::File(format!("the master key {} is not 32 bytes long", path.display())))
        }
    }

    /// Makes a new master key in a file that must not be there yet, durable before anything is sealed under it.
    pub(crate) fn create(path: &Path, entropy: &Entropy) -> Result<Self, KeyError> {
        let key = Zeroizing::new(entropy.bytes()?);
        let failed =
            |error| KeyError::File(format!("cannot make the master key {}: {error}", path.display()));
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(key.as_ref()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(Self(key))
    }

    fn seal(
        &self,
        database: &[u8; 16],
        kind: Kind,
        number: u16,
        secret: &[u8],
        entropy: &Entropy,
    ) -> Result<SealedKey, KeyError> {
        let nonce: [u8; 24] = entropy.bytes()?;
        let associated = associated(database, kind, number);
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: &associated });
        // Encryption fails only for messages of many gigabytes; a key that could not be sealed must not be used.
        Ok(SealedKey { kind: kind as u8, number, nonce, sealed: sealed.map_err(|_| KeyError::Unseal)? })
    }

    fn unseal(
        &self,
        database: &[u8; 16],
        key: &SealedKey,
    ) -> Result<(Kind, Zeroizing<[u8; KEY_BYTES]>), KeyError> {
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == key.kind).ok_or(KeyError::Unseal)?;
        let associated = associated(database, kind, key.number);
        let payload = Payload { msg: &key.sealed, aad: &associated };
        let opened =
            self.cipher().decrypt(&XNonce::from(key.nonce), payload).map_err(|_| KeyError::Unseal)?;
        let opened = Zeroizing::new(opened);
        let secret = <[u8; KEY_BYTES]>::try_from(opened.as_slice()).map_err(|_| KeyError::Unseal)?;
        Ok((kind, Zeroizing::new(secret)))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

/// What a sealed key is for. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// The root of the MAC keys.
    MacRoot = 0,
    /// An Ed25519 signing key.
    Signing = 1,
}

impl Kind {
    const ALL: [Self; 2] = [Self::MacRoot, Self::Signing];
}

/// Binds a sealed key to its database and place, so that rows cannot be exchanged.
fn associated(database: &[u8; 16], kind: Kind, number: u16) -> Vec<u8> {
    [&b"hallpass key v1"[..], database, &[kind as u8], &number.to_be_bytes()].concat()
}

/// The keys of the first generation, sealed, for a new database.
pub(crate) fn first_generation(
    master: &MasterKey,
    database: &[u8; 16],
    entropy: &Entropy,
) -> Result<Vec<SealedKey>, KeyError> {
    Kind::ALL
        .into_iter()
        .map(|kind| {
            let secret = Zeroizing::new(entropy.bytes::<KEY_BYTES>()?);
            master.seal(database, kind, 1, secret.as_ref(), entropy)
        })
        .collect()
}

/// The open keys.
pub(crate) struct KeyRing {
    mac_id: MacKeyId,
    macs: MacKeys,
    signing: SigningKey,
    kid: String,
    jwks: String,
    verifying: KeySet,
    issuer: String,
}

/// One MAC key for each kind of token, all from one root.
struct MacKeys {
    session: Hmac<Sha256>,
    refresh: Hmac<Sha256>,
    device: Hmac<Sha256>,
}

impl KeyRing {
    /// Opens the keys of a database under its master key.
    pub(crate) fn open(
        master: &MasterKey,
        database: &[u8; 16],
        sealed: &[SealedKey],
        issuer: &str,
    ) -> Result<Self, KeyError> {
        let (mut root, mut signing) = (None, None);
        for key in sealed {
            match master.unseal(database, key)? {
                (Kind::MacRoot, secret) => root = Some((MacKeyId(key.number), secret)),
                (Kind::Signing, secret) => signing = Some(SigningKey::from_bytes(&secret)),
            }
        }
        let ((mac_id, root), signing) = root.zip(signing).ok_or(KeyError::Unseal)?;
        let jwk = Jwk::from_public_key(signing.verifying_key().as_bytes());
        let kid = jwk.kid().to_owned();
        let jwks = serde_json::to_string(&JwkSet { keys: vec![jwk] }).map_err(|_| KeyError::Unseal)?;
        let verifying = KeySet::from_jwks(&jwks).map_err(|_| KeyError::Unseal)?;
        Ok(Self {
            mac_id,
            macs: MacKeys::derive(&root),
            signing,
            kid,
            jwks,
            verifying,
            issuer: issuer.to_owned(),
        })
    }

    /// The keys that new tokens are made with.
    pub(crate) fn active(&self) -> ActiveKeys {
        ActiveKeys { signing: self.kid.clone(), mac: self.mac_id }
    }

    /// The public keys as a JWK set.
    pub(crate) fn jwks(&self) -> &str {
        &self.jwks
    }

    /// Makes the token of this subject. Whoever asks must name the key that the decision fixed.
    pub(crate) fn seal(&self, subject: Subject, key: MacKeyId) -> Token {
        let mac = self.macs.over(&subject, key);
        Sealed { subject, key, mac }.to_token()
    }

    /// What a session, refresh or device token says, if it is genuine. Garbage costs one HMAC and no read.
    pub(crate) fn unseal(&self, token: &Token) -> Option<Subject> {
        let sealed = Sealed::parse(token.expose()).ok()?;
        let mac = self.macs.over(&sealed.subject, sealed.key);
        let genuine = sealed.key == self.mac_id && bool::from(mac.ct_eq(&sealed.mac));
        genuine.then_some(sealed.subject)
    }

    /// Signs the access token that a decision has fixed.
    pub(crate) fn sign(&self, plan: &AccessPlan) -> Result<Token, jws::TooLarge> {
        let claims = self.claims(plan);
        jws::encode(&claims, &plan.kid, |input| self.signing.sign(input).to_bytes()).map(Token::new)
    }

    /// Signs a token for an app itself.
    pub(crate) fn sign_service(
        &self,
        app: &str,
        audience: &str,
        issued: Millis,
        expires: Millis,
        jti: String,
    ) -> Result<Token, jws::TooLarge> {
        let claims = ServiceClaims {
            iss: self.issuer.clone(),
            sub: format!("app:{app}"),
            aud: audience.to_owned(),
            client_id: app.to_owned(),
            exp: expires.as_secs(),
            iat: issued.as_secs(),
            jti,
        };
        jws::encode_service(&claims, &self.kid, |input| self.signing.sign(input).to_bytes()).map(Token::new)
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
        self.verifying.verify_at(token.expose(), &self.issuer, accepts, unix_seconds)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("kid", &self.kid)
            .field("mac_id", &self.mac_id)
            .finish_non_exhaustive()
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

/// HMAC-SHA256 under a key of 32 bytes, which RFC 2104 pads with zeros to the block size.
pub(crate) fn hmac(key: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..KEY_BYTES].copy_from_slice(key);
    Hmac::new((&*block).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_protocol::id::{DeviceId, SessionId, UserId};
    use std::sync::Arc;

    fn ring() -> KeyRing {
        let entropy = Entropy::new(Arc::new(crate::entropy::SystemRandom));
        let master = MasterKey(Zeroizing::new([1; KEY_BYTES]));
        let sealed = first_generation(&master, &[2; 16], &entropy).unwrap();
        KeyRing::open(&master, &[2; 16], &sealed, "hallpass").unwrap()
    }

    #[test]
    fn tokens_of_one_kind_and_database_are_no_others() {
        let (ours, theirs) = (ring(), ring());
        let session = SessionId::from_bytes([7; 16]);
        let device = Subject::Device(UserId::from_bytes([8; 16]), DeviceId::from_bytes([9; 16]));
        for subject in [Subject::Session(session), Subject::Refresh(session, 3), device] {
            let token = ours.seal(subject, ours.active().mac);
            assert_eq!(ours.unseal(&token), Some(subject));
            assert_eq!(theirs.unseal(&token), None, "b15: another database's token");
            assert_eq!(ours.unseal(&ours.seal(subject, MacKeyId(77))), None, "a key that does not exist");
        }
    }

    #[test]
    fn b16_a_right_session_with_a_wrong_mac_is_nothing() {
        let ours = ring();
        let token = ours.seal(Subject::Refresh(SessionId::from_bytes([7; 16]), 3), ours.active().mac);
        let mut sealed = Sealed::parse(token.expose()).unwrap();
        for bit in 0..MAC_BYTES * 8 {
            let mut wrong = sealed;
            wrong.mac[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ours.unseal(&wrong.to_token()), None);
        }
        sealed.subject = Subject::Refresh(SessionId::from_bytes([7; 16]), 4);
        assert_eq!(ours.unseal(&sealed.to_token()), None, "another counter");
    }

    #[test]
    fn sealed_keys_open_only_where_they_belong() {
        let entropy = Entropy::new(Arc::new(crate::entropy::SystemRandom));
        let master = MasterKey(Zeroizing::new([1; KEY_BYTES]));
        let sealed = first_generation(&master, &[2; 16], &entropy).unwrap();
        let other = MasterKey(Zeroizing::new([3; KEY_BYTES]));
        let opens = |master, database: &[u8; 16], sealed: &[SealedKey]| {
            KeyRing::open(master, database, sealed, "hallpass").is_ok()
        };
        assert!(opens(&master, &[2; 16], &sealed));
        assert!(!opens(&other, &[2; 16], &sealed), "another master key");
        assert!(!opens(&master, &[9; 16], &sealed), "another database");
        let mut exchanged = sealed.clone();
        (exchanged[0].kind, exchanged[1].kind) = (exchanged[1].kind, exchanged[0].kind);
        assert!(!opens(&master, &[2; 16], &exchanged), "keys in each other's place");
        assert!(!opens(&master, &[2; 16], &sealed[..1]), "a key missing");
    }

    #[test]
    fn f6_a_master_key_that_others_can_reach_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let entropy = Entropy::new(Arc::new(crate::entropy::SystemRandom));
        let path = dir.path().join("master.key");
        assert!(matches!(MasterKey::read(&path), Err(KeyError::Missing(_))));
        let made = MasterKey::create(&path, &entropy).unwrap();
        assert_eq!(*MasterKey::read(&path).unwrap().0, *made.0);
        assert!(MasterKey::create(&path, &entropy).is_err(), "never a new one over an old one");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(MasterKey::read(&link).is_err(), "a symlink");
        std::fs::hard_link(&path, dir.path().join("second")).unwrap();
        assert!(MasterKey::read(&path).is_err(), "two names");
        std::fs::remove_file(dir.path().join("second")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(MasterKey::read(&path).is_err(), "readable by others");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, [0; 31]).unwrap();
        assert!(MasterKey::read(&path).is_err(), "too short");
        std::fs::write(&path, [0; 33]).unwrap();
        assert!(MasterKey::read(&path).is_err(), "too long");
    }
}
