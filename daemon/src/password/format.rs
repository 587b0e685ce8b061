//! Stored hashes: our own, and those that other programs have made. Every parameter is bounded before anything is allocated for it.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, ParamsBuilder, Version};
use base64ct::{Base64, Base64Unpadded, Encoding};
use hallpass_protocol::error::{ErrorCode, Refusal};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::pepper::Pepper;
use super::pool::Memory;
use crate::domain::account::PasswordHash;
use crate::entropy::Entropy;

/// Longest text of a stored hash in bytes.
const TEXT_BYTES: usize = 512;
/// Most memory that checking a stored hash may take, in KiB.
const MEMORY_KIB: u32 = 256 * 1024;
/// Most of Argon2's passes over that memory.
const PASSES: u32 = 64;
/// Most of Argon2's and scrypt's lanes.
const LANES: u32 = 16;
/// Most memory in KiB that Argon2 and scrypt may go over in all their passes and lanes: some seconds of work.
const WORK_KIB: u64 = 4 * 1024 * 1024;
/// Bcrypt's costs; each doubles the work, and 14 takes about a second.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;
/// Most of PBKDF2's iterations: some seconds of work.
const ITERATIONS: u32 = 5_000_000;
/// Bytes of a salt.
const SALT_BYTES: std::ops::RangeInclusive<usize> = 1..=64;
/// Bytes of a hash.
const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// Why a stored hash cannot be checked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// It is none that is known here.
    #[error("the hash is in no format that is known here; argon2, bcrypt, scrypt and pbkdf2 are")]
    Unknown,
    /// Checking it would take more than any hash may.
    #[error("the parameters of the hash are out of bounds: checking it would take too much memory or time")]
    OutOfBounds,
    /// It was made with a pepper that is not here.
    #[error("the hash was made with the pepper \"{0}\", which this daemon does not have")]
    Pepper(String),
}

/// A hash that can be checked within bounds.
pub(crate) enum Stored {
    Argon2 { algorithm: Algorithm, version: Version, params: Params, salt: Vec<u8>, hash: Vec<u8> },
    Bcrypt { text: String, over: BcryptOver },
    Scrypt { params: scrypt::Params, salt: Vec<u8>, hash: Vec<u8> },
    Pbkdf2 { digest: Pbkdf2Digest, iterations: u32, salt: Vec<u8>, hash: Vec<u8> },
}

/// What bcrypt was given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BcryptOver {
    /// The password; only its first 72 bytes count.
    Password,
    /// Its SHA-256 in hexadecimal digits, as Django does it.
    Sha256,
}

/// PBKDF2's hash function, under HMAC.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pbkdf2Digest {
    Sha256,
    Sha512,
}

impl Stored {
    /// The hash that this text is.
    pub(crate) fn parse(text: &str) -> Result<Self, Unusable> {
        if text.len() > TEXT_BYTES {
            return Err(Unusable::OutOfBounds);
        }
        let fields: Vec<_> = text.split('$').collect();
        match fields.as_slice() {
            ["", "argon2i" | "argon2d" | "argon2id", ..] => argon2(text),
            ["argon2", "argon2i" | "argon2d" | "argon2id", ..] => argon2(text.trim_start_matches("argon2")),
            ["", "2a" | "2b" | "2y", cost, _] => bcrypt(text, cost, BcryptOver::Password),
            ["bcrypt", "", "2a" | "2b" | "2y", cost, _] => {
                bcrypt(text.trim_start_matches("bcrypt$"), cost, BcryptOver::Password)
            }
            ["bcrypt_sha256", "", "2a" | "2b" | "2y", cost, _] => {
                bcrypt(text.trim_start_matches("bcrypt_sha256$"), cost, BcryptOver::Sha256)
            }
            ["", "scrypt", params, salt, hash] => {
                let [log_n, r, p] = named(params, ["ln", "r", "p"])?;
                let (salt, hash) = salt_and_hash(salt, hash)?;
                bounded_scrypt(log_n, r, p, salt, hash)
            }
            ["scrypt", n, salt, r, p, hash] => django_scrypt(n, salt, r, p, hash),
            ["", "pbkdf2-sha256", params, salt, hash] => pbkdf2(Pbkdf2Digest::Sha256, params, salt, hash),
            ["", "pbkdf2-sha512", params, salt, hash] => pbkdf2(Pbkdf2Digest::Sha512, params, salt, hash),
            ["pbkdf2_sha256", iterations, salt, hash] => {
                let hash = Base64::decode_vec(hash).map_err(|_| Unusable::Unknown)?;
                bounded_pbkdf2(Pbkdf2Digest::Sha256, decimal(iterations)?, salt.as_bytes().to_vec(), hash)
            }
            _ => Err(Unusable::Unknown),
        }
    }

    /// What the format is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Argon2 { algorithm: Algorithm::Argon2i, .. } => "argon2i",
            Self::Argon2 { algorithm: Algorithm::Argon2d, .. } => "argon2d",
            Self::Argon2 { algorithm: Algorithm::Argon2id, .. } => "argon2id",
            Self::Bcrypt { over: BcryptOver::Password, .. } => "bcrypt",
            Self::Bcrypt { over: BcryptOver::Sha256, .. } => "bcrypt-sha256",
            Self::Scrypt { .. } => "scrypt",
            Self::Pbkdf2 { digest: Pbkdf2Digest::Sha256, .. } => "pbkdf2-sha256",
            Self::Pbkdf2 { digest: Pbkdf2Digest::Sha512, .. } => "pbkdf2-sha512",
        }
    }

    /// The id of the pepper it was made with; empty without one.
    fn pepper(&self) -> &[u8] {
        if let Self::Argon2 { params, .. } = self { params.keyid() } else { &[] }
    }
}

fn argon2(text: &str) -> Result<Stored, Unusable> {
    let parsed = phc::PasswordHash::new(text).map_err(|_| Unusable::Unknown)?;
    let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).map_err(|_| Unusable::Unknown)?;
    // A hash that does not say its version is of one long gone, which the library would read as today's.
    let version =
        parsed.version.and_then(|version| Version::try_from(version).ok()).ok_or(Unusable::Unknown)?;
    let params = Params::try_from(&parsed).map_err(|_| Unusable::Unknown)?;
    let (salt, hash) = parsed.salt.as_ref().zip(parsed.hash.as_ref()).ok_or(Unusable::Unknown)?;
    let (salt, hash): (&[u8], &[u8]) = (salt.as_ref(), hash.as_ref());
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    let bounded = params.m_cost() <= MEMORY_KIB && params.t_cost() <= PASSES && params.p_cost() <= LANES;
    if !bounded || work > WORK_KIB || !HASH_BYTES.contains(&hash.len()) {
        return Err(Unusable::OutOfBounds);
    }
    Ok(Stored::Argon2 { algorithm, version, params, salt: salt.to_vec(), hash: hash.to_vec() })
}

fn bcrypt(text: &str, cost: &str, over: BcryptOver) -> Result<Stored, Unusable> {
    if !BCRYPT_COSTS.contains(&decimal(cost)?) {
        return Err(Unusable::OutOfBounds);
    }
    let text_of_salt_and_hash = text.rsplit('$').next().unwrap_or_default();
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
    if cost.len() != 2 || text_of_salt_and_hash.len() != 53 || !text_of_salt_and_hash.bytes().all(alphabet) {
        return Err(Unusable::Unknown);
    }
    Ok(Stored::Bcrypt { text: text.to_owned(), over })
}

/// As Django writes it: the memory factor itself and not its logarithm, and the salt as the text it is.
fn django_scrypt(n: &str, salt: &str, r: &str, p: &str, hash: &str) -> Result<Stored, Unusable> {
    let n = decimal(n)?;
    if !n.is_power_of_two() {
        return Err(Unusable::OutOfBounds);
    }
    let hash = Base64::decode_vec(hash).map_err(|_| Unusable::Unknown)?;
    bounded_scrypt(n.ilog2(), decimal(r)?, decimal(p)?, salt.as_bytes().to_vec(), hash)
}

fn bounded_scrypt(log_n: u32, r: u32, p: u32, salt: Vec<u8>, hash: Vec<u8>) -> Result<Stored, Unusable> {
    // Bounded as numbers, before they become a size.
    if !(1..=24).contains(&log_n) || !(1..=64).contains(&r) || !(1..=LANES).contains(&p) {
        return Err(Unusable::OutOfBounds);
    }
    let memory_kib = ((128 * u64::from(r)) << log_n) / 1024;
    let lengths = SALT_BYTES.contains(&salt.len()) && HASH_BYTES.contains(&hash.len());
    if memory_kib > u64::from(MEMORY_KIB) || memory_kib * u64::from(p) > WORK_KIB || !lengths {
        return Err(Unusable::OutOfBounds);
    }
    let log_n = u8::try_from(log_n).map_err(|_| Unusable::OutOfBounds)?;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| Unusable::OutOfBounds)?;
    Ok(Stored::Scrypt { params, salt, hash })
}

/// As in the PHC format, or as passlib writes it: the bare number of iterations, and a dot for a plus.
fn pbkdf2(digest: Pbkdf2Digest, params: &str, salt: &str, hash: &str) -> Result<Stored, Unusable> {
    if !params.contains('=') {
        let plus = |text: &str| text.replace('.', "+");
        let (salt, hash) = salt_and_hash(&plus(salt), &plus(hash))?;
        return bounded_pbkdf2(digest, decimal(params)?, salt, hash);
    }
    let (iterations, length) = match named(params, ["i", "l"]) {
        Ok([iterations, length]) => (iterations, Some(length)),
        Err(_) => (named(params, ["i"]).map(|[iterations]| iterations)?, None),
    };
    let (salt, hash) = salt_and_hash(salt, hash)?;
    if length.is_some_and(|length| usize::try_from(length) != Ok(hash.len())) {
        return Err(Unusable::Unknown);
    }
    bounded_pbkdf2(digest, iterations, salt, hash)
}

fn bounded_pbkdf2(
    digest: Pbkdf2Digest,
    iterations: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
) -> Result<Stored, Unusable> {
    let bounded = (1..=ITERATIONS).contains(&iterations)
        && SALT_BYTES.contains(&salt.len())
        && HASH_BYTES.contains(&hash.len());
    if bounded { Ok(Stored::Pbkdf2 { digest, iterations, salt, hash }) } else { Err(Unusable::OutOfBounds) }
}

fn salt_and_hash(salt: &str, hash: &str) -> Result<(Vec<u8>, Vec<u8>), Unusable> {
    let decode = |text: &str| Base64Unpadded::decode_vec(text).map_err(|_| Unusable::Unknown);
    let (salt, hash) = (decode(salt)?, decode(hash)?);
    if SALT_BYTES.contains(&salt.len()) && HASH_BYTES.contains(&hash.len()) {
        Ok((salt, hash))
    } else {
        Err(Unusable::OutOfBounds)
    }
}

/// Parameters such as `ln=17,r=8,p=1`: these names in this order.
fn named<const N: usize>(params: &str, names: [&str; N]) -> Result<[u32; N], Unusable> {
    let fields: Vec<_> = params.split(',').collect();
    let fields: [&str; N] = fields.try_into().map_err(|_| Unusable::Unknown)?;
    let mut values = [0; N];
    for ((value, field), name) in values.iter_mut().zip(fields).zip(names) {
        let (found, number) = field.split_once('=').ok_or(Unusable::Unknown)?;
        if found != name {
            return Err(Unusable::Unknown);
        }
        *value = decimal(number)?;
    }
    Ok(values)
}

/// A number. One that is too large for any parameter is out of bounds, not unknown.
fn decimal(text: &str) -> Result<u32, Unusable> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unusable::Unknown);
    }
    text.parse().map_err(|_| Unusable::OutOfBounds)
}

/// How hashes are made today, and what checking one takes.
pub(crate) struct Recipe {
    params: Params,
    pepper: Option<Pepper>,
}

impl Recipe {
    /// Argon2id with this much memory, in KiB, and so many passes over it.
    pub(crate) fn new(memory_kib: u32, passes: u32, pepper: Option<Pepper>) -> Result<Self, Refusal> {
        let mut params = ParamsBuilder::new();
        params.m_cost(memory_kib).t_cost(passes).p_cost(1);
        if let Some(pepper) = &pepper {
            params.keyid(pepper.id);
        }
        let params = params.build().map_err(|_| Refusal::new(ErrorCode::Internal))?;
        Ok(Self { params, pepper })
    }

    /// Memory for hashes by this recipe, one after another.
    pub(super) fn memory(&self) -> Memory {
        Memory::new(self.params.block_count())
    }

    /// Hashes a password in normal form.
    pub(crate) fn hash(
        &self,
        password: &[u8],
        entropy: &Entropy,
        memory: &mut Memory,
    ) -> Result<PasswordHash, Refusal> {
        let salt: [u8; 16] = entropy.bytes().map_err(|_| Refusal::new(ErrorCode::Unavailable))?;
        let mut hash = [0; Params::DEFAULT_OUTPUT_LEN];
        let argon2 = self.argon2(Algorithm::Argon2id, Version::V0x13, &self.params);
        if !argon2.is_ok_and(|argon2| into(&argon2, password, &salt, &mut hash, memory)) {
            return Err(Refusal::new(ErrorCode::Internal));
        }
        let params =
            phc::ParamsString::try_from(&self.params).map_err(|_| Refusal::new(ErrorCode::Internal))?;
        let (salt, hash) = (Base64Unpadded::encode_string(&salt), Base64Unpadded::encode_string(&hash));
        Ok(PasswordHash(format!("$argon2id$v=19${params}${salt}${hash}")))
    }

    /// A stored hash that can be checked here. One of another pepper cannot: without it, or with ours, it would be another hash.
    pub(crate) fn open(&self, text: &str) -> Result<Stored, Unusable> {
        let stored = Stored::parse(text)?;
        let wanted = stored.pepper();
        if wanted.is_empty() || wanted == self.params.keyid() {
            return Ok(stored);
        }
        Err(Unusable::Pepper(wanted.escape_ascii().to_string()))
    }

    /// Whether this is the password, in normal form.
    pub(crate) fn fits(&self, stored: &Stored, password: &[u8], memory: &mut Memory) -> bool {
        match stored {
            Stored::Argon2 { algorithm, version, params, salt, hash } => same(hash, |out| {
                self.argon2(*algorithm, *version, params)
                    .is_ok_and(|argon2| into(&argon2, password, salt, out, memory))
            }),
            Stored::Bcrypt { text, over: BcryptOver::Password } => {
                bcrypt::verify(password, text).unwrap_or(false)
            }
            Stored::Bcrypt { text, over: BcryptOver::Sha256 } => {
                let digits = Zeroizing::new(crate::hex::encode(&Sha256::digest(password)));
                bcrypt::verify(digits.as_bytes(), text).unwrap_or(false)
            }
            Stored::Scrypt { params, salt, hash } => {
                same(hash, |out| scrypt::scrypt(password, salt, params, out).is_ok())
            }
            Stored::Pbkdf2 { digest, iterations, salt, hash } => same(hash, |out| {
                match digest {
                    Pbkdf2Digest::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, *iterations, out),
                    Pbkdf2Digest::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, *iterations, out),
                }
                true
            }),
        }
    }

    /// Whether a hash made today would be stronger. Every format but today's is weaker, and so is a hash without today's pepper.
    pub(crate) fn is_stronger_than(&self, stored: &Stored) -> bool {
        let Stored::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, salt, hash } =
            stored
        else {
            return true;
        };
        let today = &self.params;
        let less = params.m_cost() < today.m_cost()
            || params.m_cost() == today.m_cost() && params.t_cost() < today.t_cost();
        less || params.keyid() != today.keyid() || salt.len() < 16 || hash.len() < Params::DEFAULT_OUTPUT_LEN
    }

    fn argon2(&self, algorithm: Algorithm, version: Version, params: &Params) -> argon2::Result<Argon2<'_>> {
        match &self.pepper {
            Some(pepper) if params.keyid() == pepper.id.as_bytes() => {
                Argon2::new_with_secret(&pepper.secret, algorithm, version, params.clone())
            }
            _ => Ok(Argon2::new(algorithm, version, params.clone())),
        }
    }
}

/// Computes Argon2's hash in memory that is there already. Says whether it could.
fn into(argon2: &Argon2<'_>, password: &[u8], salt: &[u8], out: &mut [u8], memory: &mut Memory) -> bool {
    let hash =
        |blocks: &mut [Block]| argon2.hash_password_into_with_memory(password, salt, out, blocks).is_ok();
    memory.lend(argon2.params().block_count(), hash).unwrap_or(false)
}

/// Whether what is computed is this hash, in a time that does not tell how much of it is.
fn same(hash: &[u8], compute: impl FnOnce(&mut [u8]) -> bool) -> bool {
    let mut computed = Zeroizing::new(vec![0; hash.len()]);
    compute(&mut computed) && bool::from(computed.ct_eq(hash))
}

#[cfg(test)]
mod tests;
