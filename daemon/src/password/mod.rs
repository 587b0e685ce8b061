//! Password hashing: Argon2id on threads of its own, as many as may hash at once, with a bounded queue in front.
//!
//! A thread belongs to the hash that runs, not to the caller who asked: whoever hangs up early frees nothing early.

mod format;
mod pepper;
mod policy;
mod pool;

use std::sync::Arc;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::limits::PASSWORD_BYTES;
use hallpass_protocol::secret::Password;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

pub(crate) use pepper::Pepper;
pub(crate) use policy::{Blocklist, Rules};

use crate::domain::account::PasswordHash;
use crate::entropy::Entropy;
use format::{Recipe, Stored, Unusable};
use pool::{Hashed, Pool};

pub(crate) use pool::Turn;

/// How passwords are chosen and hashed.
#[derive(Debug, Clone)]
pub(crate) struct PasswordPolicy {
    /// What a new password must be.
    pub(crate) rules: Rules,
    /// Argon2id's memory in KiB.
    pub(crate) memory_kib: u32,
    /// Its passes over that memory.
    pub(crate) iterations: u32,
    /// What goes into every hash and is not in the database.
    pub(crate) pepper: Option<Pepper>,
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
    pool: Pool,
    recipe: Arc<Recipe>,
    rules: Arc<Rules>,
    dummy: Arc<Stored>,
    entropy: Entropy,
}

impl Hasher {
    /// A hasher by this policy. Makes one hash, to be checked where there is no account: an unknown name must cost what a known one costs.
    /// An imported hash that no login has replaced yet costs what its own format costs, and shows that much.
    pub(crate) fn new(policy: PasswordPolicy, entropy: Entropy) -> Result<Self, Refusal> {
        let recipe = Recipe::new(policy.memory_kib, policy.iterations, policy.pepper)?;
        let nobody: [u8; 32] = entropy.bytes().map_err(|_| Refusal::new(ErrorCode::Unavailable))?;
        let mut memory = recipe.memory();
        let dummy = recipe.hash(&nobody, &entropy, &mut memory)?;
        let dummy = recipe.open(&dummy.0).map_err(|_| Refusal::new(ErrorCode::Internal))?;
        Ok(Self {
            pool: Pool::start(policy.parallel.max(1), memory).map_err(no_threads)?,
            recipe: Arc::new(recipe),
            rules: Arc::new(policy.rules),
            dummy: Arc::new(dummy),
            entropy,
        })
    }

    /// Hashes a new password of the user of this name, if it is what a password must be.
    pub(crate) async fn hash_new(
        &self,
        password: &Password,
        name: &str,
        turn: Turn<'_>,
    ) -> Result<PasswordHash, Refusal> {
        let normal = normalised(password)?;
        self.rules.admit(&normal, name)?;
        let (recipe, entropy) = (Arc::clone(&self.recipe), self.entropy.clone());
        self.pool.run(turn, move |memory| recipe.hash(normal.as_bytes(), &entropy, memory)).await?
    }

    /// Checks a password against a stored hash, or does the same work for nothing where there is none.
    pub(crate) async fn check(
        &self,
        password: &Password,
        against: Option<PasswordHash>,
        turn: Turn<'_>,
    ) -> Result<Checked, Refusal> {
        let normal = normalised(password)?;
        let (recipe, entropy, dummy) =
            (Arc::clone(&self.recipe), self.entropy.clone(), Arc::clone(&self.dummy));
        self.pool.run(turn, move |memory| {
            let stored = against.and_then(|hash| {
                let refused = |why: &Unusable| {
                    tracing::error!(
                        %why,
                        "a login was refused: a stored password hash cannot be checked; bring back what it needs, or set that user's password anew"
                    );
                };
                recipe.open(&hash.0).inspect_err(refused).ok()
            });
            let fits = recipe.fits(stored.as_ref().unwrap_or(&dummy), normal.as_bytes(), memory) && stored.is_some();
            let weaker = fits && stored.is_some_and(|stored| recipe.is_stronger_than(&stored));
            let rehash = weaker.then(|| recipe.hash(normal.as_bytes(), &entropy, memory)).transpose()?;
            Ok(Checked { fits, rehash })
        })
        .await?
    }

    /// Takes over a hash that another program has made, and names its format. Whether anybody knows its password, the first login shows.
    pub(crate) fn take_over(&self, hash: &Password) -> Result<(PasswordHash, &'static str), Refusal> {
        let opened = self.recipe.open(hash.expose());
        let stored = opened.map_err(|why| Refusal::because(ErrorCode::InvalidRequest, why.to_string()))?;
        Ok((PasswordHash(hash.expose().to_owned()), stored.name()))
    }

    /// What was hashed so far.
    pub(crate) fn hashed(&self) -> &Hashed {
        self.pool.hashed()
    }

    /// Hashes that run or wait.
    pub(crate) fn queued(&self) -> usize {
        self.pool.queued()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands behind map_err")]
fn no_threads(error: std::io::Error) -> Refusal {
    Refusal::because(ErrorCode::Unavailable, format!("no threads can be started to hash on: {error}"))
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

#[cfg(test)]
mod tests {
    use super::pool::QUEUE;
    use super::*;
    use crate::entropy::SystemRandom;
    use std::io::Write;

    const SHOP: Turn<'static> = Turn::usual("shop");

    fn hasher(memory_kib: u32) -> Hasher {
        peppered(memory_kib, None)
    }

    fn peppered(memory_kib: u32, pepper: Option<(&str, u8)>) -> Hasher {
        let pepper = pepper.map(|(id, byte)| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&[byte; 32]).unwrap();
            Pepper::read(id, file.path()).unwrap()
        });
        let rules = Rules { min_length: 15, ..Rules::default() };
        let policy = PasswordPolicy { rules, memory_kib, iterations: 1, pepper, parallel: 1 };
        Hasher::new(policy, Entropy::new(Arc::new(SystemRandom))).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d10_what_looks_the_same_is_the_same() {
        let hasher = hasher(32);
        let stored = hasher.hash_new(&password("caf\u{e9} au lait at noon"), "bob", SHOP).await.unwrap();
        let fits =
            async |text: &str| hasher.check(&password(text), Some(stored.clone()), SHOP).await.unwrap().fits;
        assert!(fits("cafe\u{301} au lait at noon").await);
        assert!(!fits("cafe au lait at noon").await);
        assert!(!fits("caf\u{e9} au lait at noon ").await, "d11: a space counts");
        assert!(!fits("").await, "d7");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d14_length_is_counted_in_code_points() {
        let hasher = hasher(32);
        assert!(hasher.hash_new(&password(&"\u{1F600}".repeat(15)), "bob", SHOP).await.is_ok());
        let refusal = hasher.hash_new(&password(&"\u{1F600}".repeat(14)), "bob", SHOP).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::WeakPassword);
        assert!(refusal.message.contains("14 characters and needs at least 15"), "{}", refusal.message);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d8_a_password_has_a_longest_length() {
        let hasher = hasher(32);
        assert!(
            hasher.hash_new(&password(&("x y".repeat(PASSWORD_BYTES / 3) + "z")), "bob", SHOP).await.is_ok()
        );
        let too_long = password(&"x".repeat(PASSWORD_BYTES + 1));
        assert_eq!(
            hasher.hash_new(&too_long, "bob", SHOP).await.unwrap_err().code,
            ErrorCode::InvalidRequest
        );
        assert_eq!(hasher.check(&too_long, None, SHOP).await.unwrap_err().code, ErrorCode::InvalidRequest);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d18_a_weaker_hash_is_replaced() {
        let stored = hasher(32).hash_new(&password("a long enough password"), "bob", SHOP).await.unwrap();
        let stronger = hasher(64);
        let checked =
            stronger.check(&password("a long enough password"), Some(stored.clone()), SHOP).await.unwrap();
        let rehash = checked.rehash.unwrap();
        assert!(rehash.0.contains("m=64"), "{}", rehash.0);
        let again = stronger.check(&password("a long enough password"), Some(rehash), SHOP).await.unwrap();
        assert!(again.fits && again.rehash.is_none());
        let wrong = stronger.check(&password("another password here"), Some(stored), SHOP).await.unwrap();
        assert!(!wrong.fits && wrong.rehash.is_none());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d6_the_queue_is_bounded_and_empties() {
        let hasher = hasher(32);
        let some_password = password("whatever it may be");
        let (held, wait) = std::sync::mpsc::channel::<()>();
        let mut holding = Box::pin(hasher.pool.run(SHOP, move |_| wait.recv()));
        assert!(futures_util::poll!(&mut holding).is_pending());
        // None of them has more than its share of the places.
        let apps = ["shop", "blog", "news"];
        let checks = (0..QUEUE - 1 + 10)
            .map(|number| hasher.check(&some_password, None, Turn::usual(apps[number % apps.len()])));
        // Every check has taken its place, or found none, before the first hash can run.
        let checks = futures_util::future::join_all(checks);
        let (outcomes, ()) = futures_util::future::join(checks, async { drop(held) }).await;
        let busy = outcomes
            .iter()
            .filter(|outcome| outcome.as_ref().is_err_and(|refusal| refusal.code == ErrorCode::Busy))
            .count();
        assert_eq!(busy, 10);
        assert!(holding.await.unwrap().is_err(), "it was let go");
        assert_eq!(hasher.queued(), 0);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nobody_has_the_dummy_password() {
        assert!(!hasher(32).check(&password(""), None, SHOP).await.unwrap().fits);
    }

    /// Made with Python's bcrypt: `bcrypt.hashpw("a long enough password".encode(), bcrypt.gensalt(4))`.
    const BCRYPT: &str = "$2b$04$pVMdBUkeBsJvMEvLzV/diOaI9CMgHeO6xICRkON2YBuu6R/kYh3ya";

    #[tokio::test(flavor = "current_thread")]
    async fn an_imported_hash_is_replaced_by_the_first_right_password() {
        let hasher = hasher(32);
        let (stored, format) = hasher.take_over(&password(BCRYPT)).unwrap();
        assert_eq!(format, "bcrypt");
        let wrong =
            hasher.check(&password("a long enough passworD"), Some(stored.clone()), SHOP).await.unwrap();
        assert!(!wrong.fits && wrong.rehash.is_none());
        let right = hasher.check(&password("a long enough password"), Some(stored), SHOP).await.unwrap();
        let own = right.rehash.filter(|_| right.fits).unwrap();
        assert!(own.0.starts_with("$argon2id$v=19$m=32,t=1,p=1$"), "{}", own.0);
        let again = hasher.check(&password("a long enough password"), Some(own), SHOP).await.unwrap();
        assert!(again.fits && again.rehash.is_none());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_cannot_be_checked_is_not_taken_over_and_lets_nobody_in() {
        let bomb = "$2b$31$gQaYIWWQ0LjlA6tUlO.Qse03pLLa6Xx7TxdQMSyXP.FlUDdoOMhLK";
        let refusal = hasher(32).take_over(&password(bomb)).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidRequest);
        assert!(
            refusal.message.contains("out of bounds") && !refusal.message.contains("gQaY"),
            "{}",
            refusal.message
        );
        assert!(!hasher(32).check(&password("x"), Some(PasswordHash(bomb.into())), SHOP).await.unwrap().fits);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn d19_without_its_pepper_a_hash_lets_nobody_in() {
        let with = peppered(32, Some(("p1", 1)));
        let right = password("a long enough password");
        let stored = with.hash_new(&right, "bob", SHOP).await.unwrap();
        assert!(stored.0.contains("m=32,t=1,p=1,keyid=cDE$"), "{}", stored.0);
        let checked = with.check(&right, Some(stored.clone()), SHOP).await.unwrap();
        assert!(checked.fits && checked.rehash.is_none());
        for (other, refused) in [
            (None, Some("the pepper \"p1\"")),
            (Some(("p2", 1)), Some("the pepper \"p1\"")),
            // The id is right and the bytes are not: that is a wrong password and nothing else.
            (Some(("p1", 2)), None),
        ] {
            let other = peppered(32, other);
            let checked = other.check(&right, Some(stored.clone()), SHOP).await.unwrap();
            assert!(!checked.fits && checked.rehash.is_none(), "{refused:?}");
            let opened = other.recipe.open(&stored.0).err().map(|why| why.to_string());
            assert_eq!(opened.is_some(), refused.is_some());
            assert!(opened.unwrap_or_default().contains(refused.unwrap_or_default()));
        }
        // Taking the id away does not turn it into a hash without pepper.
        let bare = PasswordHash(stored.0.replace(",keyid=cDE", ""));
        assert!(!with.check(&right, Some(bare), SHOP).await.unwrap().fits);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_hash_without_pepper_gets_one_at_the_next_login() {
        let right = password("a long enough password");
        let plain = hasher(32).hash_new(&right, "bob", SHOP).await.unwrap();
        let with = peppered(32, Some(("p1", 1)));
        let checked = with.check(&right, Some(plain), SHOP).await.unwrap();
        let rehash = checked.rehash.filter(|_| checked.fits).unwrap();
        assert!(rehash.0.contains("keyid=cDE"), "{}", rehash.0);
        assert!(with.check(&right, Some(rehash), SHOP).await.unwrap().fits);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_pepper_is_argon2s_secret() {
        // Made with the reference code through argon2-cffi: `lib.argon2_ctx` with this password and salt and a secret of 32 bytes 01.
        let stored = PasswordHash("$argon2id$v=19$m=32,t=1,p=1,keyid=cDE$c2FsdHNhbHRzYWx0c2FsdA$n85XAPpCgA1EnQ7Uz3qCrpME2QeYM/r+J6o+Jh8NGVs".into());
        let with = peppered(32, Some(("p1", 1)));
        assert!(
            with.check(&password("a long enough password"), Some(stored.clone()), SHOP).await.unwrap().fits
        );
        assert!(!with.check(&password("another password here"), Some(stored), SHOP).await.unwrap().fits);
    }
}
