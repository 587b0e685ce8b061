//! Password hashing: Argon2id on a bounded number of threads, with a bounded queue in front.
//!
//! A permit belongs to the hash that runs, not to the caller who asked: whoever hangs up early frees nothing early.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::limits::PASSWORD_BYTES;
use hallpass_protocol::secret::Password;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::domain::account::PasswordHash;
use crate::entropy::Entropy;

/// Hashes that may wait; more are `busy`.
const QUEUE: usize = 256;
/// Most memory that checking a stored hash may take, in KiB. A stored hash that wants more is refused before anything is allocated.
const MEMORY_KIB: u32 = 256 * 1024;
/// Most passes over that memory.
const PASSES: u32 = 64;

/// How passwords are chosen and hashed.
#[derive(Debug, Clone)]
pub(crate) struct PasswordPolicy {
    /// Fewest code points of a new password.
    pub(crate) min_length: usize,
    /// Argon2id's memory in KiB.
    pub(crate) memory_kib: u32,
    /// Its passes over that memory.
    pub(crate) iterations: u32,
    /// Hashes that may run at once.
    pub(crate) parallel: usize,
}

/// What checking a password found.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Whether it is the right one.
    pub(crate) fits: bool,
    /// A hash of it by today's parameters, where the stored one was weaker.
    pub(crate) rehash: Option<PasswordHash>,
}

/// Hashes and checks passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hasher {
    permits: Arc<Semaphore>,
    queued: Arc<AtomicUsize>,
    argon2: Argon2<'static>,
    min_length: usize,
    dummy: PasswordHash,
    entropy: Entropy,
}

impl Hasher {
    /// A hasher by this policy. Makes one hash, to be checked where there is no account: an unknown name must cost what a known one costs.
    pub(crate) fn new(policy: &PasswordPolicy, entropy: Entropy) -> Result<Self, Refusal> {
        let params = Params::new(policy.memory_kib, policy.iterations, 1, None)
            .map_err(|_| Refusal::new(ErrorCode::Internal))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody: [u8; 32] = entropy.bytes().map_err(|_| Refusal::new(ErrorCode::Unavailable))?;
        let dummy = hash(&argon2, &nobody, &entropy)?;
        let permits = Arc::new(Semaphore::new(policy.parallel.max(1)));
        Ok(Self {
            permits,
            queued: Arc::new(AtomicUsize::new(0)),
            argon2,
            min_length: policy.min_length,
            dummy,
            entropy,
        })
    }

    /// Hashes a new password that meets the policy.
    pub(crate) async fn hash_new(&self, password: &Password) -> Result<PasswordHash, Refusal> {
        let normal = normalised(password)?;
        let length = normal.chars().count();
        if length < self.min_length {
            return Err(Refusal::because(
                ErrorCode::WeakPassword,
                format!(
                    "the password has {length} characters and needs at least {}; a few words in a row are easy to remember",
                    self.min_length
                ),
            ));
        }
        let (argon2, entropy) = (self.argon2.clone(), self.entropy.clone());
        self.run(move || hash(&argon2, normal.as_bytes(), &entropy)).await?
    }

    /// Checks a password against a stored hash, or does the same work for nothing where there is none.
    pub(crate) async fn check(
        &self,
        password: &Password,
        against: Option<PasswordHash>,
    ) -> Result<Checked, Refusal> {
        let normal = normalised(password)?;
        let (argon2, entropy, dummy) = (self.argon2.clone(), self.entropy.clone(), self.dummy.clone());
        self.run(move || {
            let known = against.is_some();
            let stored = against.unwrap_or(dummy);
            let Some(parsed) = bounded(&stored) else {
                tracing::error!(
                    "a stored password hash cannot be checked within bounds; set that user's password anew"
                );
                return Ok(Checked { fits: false, rehash: None });
            };
            let fits = argon2.verify_password(normal.as_bytes(), &parsed).is_ok() && known;
            let weaker =
                fits && Params::try_from(&parsed).is_ok_and(|params| is_weaker(&params, argon2.params()));
            let rehash = weaker.then(|| hash(&argon2, normal.as_bytes(), &entropy)).transpose()?;
            Ok(Checked { fits, rehash })
        })
        .await?
    }

    /// Hashes that run or wait.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let place = Place::take(&self.queued).ok_or(ErrorCode::Busy)?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| ErrorCode::Unavailable)?;
        let job = tokio::task::spawn_blocking(move || {
            let _held_until_the_hash_is_done = (permit, place);
            work()
        });
        job.await.map_err(|_| Refusal::new(ErrorCode::Internal))
    }
}

/// A place in the queue, given back when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(queued: &Arc<AtomicUsize>) -> Option<Self> {
        let one_more = |waiting: usize| (waiting < QUEUE).then_some(waiting + 1);
        queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(Arc::clone(queued)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One form for what looks the same however it was typed (NFC, as RFC 8265 asks). Passwords that differ to the eye stay different.
fn normalised(password: &Password) -> Result<Zeroizing<String>, Refusal> {
    if password.expose().len() > PASSWORD_BYTES {
        return Err(Refusal::because(
            ErrorCode::InvalidRequest,
            format!("a password has at most {PASSWORD_BYTES} bytes"),
        ));
    }
    // Composing never makes a text more than three times as long, so this one is never moved and leaves no copy behind.
    let mut normal = Zeroizing::new(String::with_capacity(3 * PASSWORD_BYTES));
    normal.extend(password.expose().nfc());
    Ok(normal)
}

fn hash(argon2: &Argon2<'_>, password: &[u8], entropy: &Entropy) -> Result<PasswordHash, Refusal> {
    let salt: [u8; 16] = entropy.bytes().map_err(|_| Refusal::new(ErrorCode::Unavailable))?;
    let hash: phc::PasswordHash =
        argon2.hash_password_with_salt(password, &salt).map_err(|_| Refusal::new(ErrorCode::Internal))?;
    Ok(PasswordHash(hash.to_string()))
}

/// A stored hash that can be checked within bounds.
fn bounded(stored: &PasswordHash) -> Option<phc::PasswordHash> {
    let parsed = phc::PasswordHash::new(&stored.0).ok()?;
    let params = Params::try_from(&parsed).ok()?;
    (params.m_cost() <= MEMORY_KIB && params.t_cost() <= PASSES && params.p_cost() <= 16).then_some(parsed)
}

fn is_weaker(stored: &Params, today: &Params) -> bool {
    stored.m_cost() < today.m_cost() || stored.m_cost() == today.m_cost() && stored.t_cost() < today.t_cost()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemRandom;

    fn hasher(memory_kib: u32) -> Hasher {
        let policy = PasswordPolicy { min_length: 15, memory_kib, iterations: 1, parallel: 1 };
        Hasher::new(&policy, Entropy::new(Arc::new(SystemRandom))).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d10_what_looks_the_same_is_the_same() {
        let hasher = hasher(32);
        let stored = hasher.hash_new(&password("caf\u{e9} au lait at noon")).await.unwrap();
        let fits = async |text: &str| hasher.check(&password(text), Some(stored.clone())).await.unwrap().fits;
        assert!(fits("cafe\u{301} au lait at noon").await);
        assert!(!fits("cafe au lait at noon").await);
        assert!(!fits("caf\u{e9} au lait at noon ").await, "d11: a space counts");
        assert!(!fits("").await, "d7");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d14_length_is_counted_in_code_points() {
        let hasher = hasher(32);
        assert!(hasher.hash_new(&password(&"\u{1F600}".repeat(15))).await.is_ok());
        let refusal = hasher.hash_new(&password(&"\u{1F600}".repeat(14))).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::WeakPassword);
        assert!(refusal.message.contains("14 characters and needs at least 15"), "{}", refusal.message);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d8_a_password_has_a_longest_length() {
        let hasher = hasher(32);
        assert!(hasher.hash_new(&password(&"x".repeat(PASSWORD_BYTES))).await.is_ok());
        let too_long = password(&"x".repeat(PASSWORD_BYTES + 1));
        assert_eq!(hasher.hash_new(&too_long).await.unwrap_err().code, ErrorCode::InvalidRequest);
        assert_eq!(hasher.check(&too_long, None).await.unwrap_err().code, ErrorCode::InvalidRequest);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d18_a_weaker_hash_is_replaced() {
        let stored = hasher(32).hash_new(&password("a long enough password")).await.unwrap();
        let stronger = hasher(64);
        let checked =
            stronger.check(&password("a long enough password"), Some(stored.clone())).await.unwrap();
        let rehash = checked.rehash.unwrap();
        assert!(rehash.0.contains("m=64"), "{}", rehash.0);
        let again = stronger.check(&password("a long enough password"), Some(rehash)).await.unwrap();
        assert!(again.fits && again.rehash.is_none());
        let wrong = stronger.check(&password("another password here"), Some(stored)).await.unwrap();
        assert!(!wrong.fits && wrong.rehash.is_none());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_stored_memory_bomb_is_refused_before_it_is_allocated() {
        let bomb = "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(bounded(&PasswordHash(bomb.into())).is_none());
        let passes = bomb.replace("m=4194304,t=1", "m=32,t=4294967295");
        assert!(bounded(&PasswordHash(passes)).is_none());
        let fine = bomb.replace("m=4194304", "m=32");
        assert!(bounded(&PasswordHash(fine)).is_some());
        assert!(!hasher(32).check(&password("x"), Some(PasswordHash(bomb.into()))).await.unwrap().fits);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d6_the_queue_is_bounded_and_empties() {
        let hasher = hasher(32);
        let some_password = password("whatever it may be");
        let held = Arc::clone(&hasher.permits).acquire_owned().await.unwrap();
        let checks = (0..QUEUE + 10).map(|_| hasher.check(&some_password, None));
        // Every check has taken its place, or found none, before the first hash can run.
        let checks = futures_util::future::join_all(checks);
        let (outcomes, ()) = futures_util::future::join(checks, async { drop(held) }).await;
        let busy = outcomes
            .iter()
            .filter(|outcome| outcome.as_ref().is_err_and(|refusal| refusal.code == ErrorCode::Busy))
            .count();
        assert_eq!(busy, 10);
        assert_eq!(hasher.queued(), 0);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nobody_has_the_dummy_password() {
        assert!(!hasher(32).check(&password(""), None).await.unwrap().fits);
    }
}
