//! Seeded mutations of a good token and of good claims.

use super::*;
use crate::jws::verify::read_claims;

/// How many mutations are tried, unless `HALLPASS_MUTATIONS` says so: this many keep the plain test short.
const MUTATIONS: u32 = 200_000;
const SEED: u64 = 0x0068_616c_6c70_6173;

/// `SplitMix64`: all that a test needs of randomness, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to `bound`, which is left out.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// One to three changes: a bit flipped, a piece cut, a piece of `other` spliced in at the same or any place, a
/// byte of `letters` put in.
fn mutate(random: &mut Random, text: &str, other: &str, letters: &[u8]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len().max(1)).min(bytes.len());
        let end = (at + 1 + random.below(24)).min(bytes.len());
        match random.below(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.drain(at..end)),
            2 if end <= other.len() => bytes[at..end].copy_from_slice(&other.as_bytes()[at..end]),
            3 => {
                let from = random.below(other.len());
                let to = (from + random.below(24)).min(other.len());
                bytes.splice(at..end, other.as_bytes()[from..to].iter().copied());
            }
            _ => bytes.insert(at, letters[random.below(letters.len())]),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a11_no_mutation_of_a_token_is_accepted() {
    let mut random = Random(SEED);
    let verifier = verifier();
    let token = issue(&claims());
    let other = issue(&AccessClaims { sub: "u2".into(), roles: vec!["admin".into()], ..claims() });
    assert_eq!(verifier.verify_at(&token, NOW), Ok(claims()));

    let asked = std::env::var("HALLPASS_MUTATIONS").map(|count| count.parse().expect("a number"));
    let mutations = asked.unwrap_or(MUTATIONS);
    let mut reached_the_signature = 0;
    for _ in 0..mutations {
        let mutant = mutate(&mut random, &token, &other, b"AQgw_-.=+ \n\0");
        // Changes that undo each other leave a genuine token.
        if mutant == token || mutant == other {
            continue;
        }
        match verifier.verify_at(&mutant, NOW) {
            Ok(claims) => panic!("seed {SEED:#x}: accepted {mutant:?} as {claims:?}"),
            Err(Refused::BadSignature) => reached_the_signature += 1,
            Err(_) => {}
        }
    }
    assert!(
        reached_the_signature > mutations / 20,
        "only {reached_the_signature} got as far as the signature"
    );
}

/// The signature keeps mutants from the code that reads claims, so here it is asked directly. What it takes must
/// survive being written and read again, and must be what a reader of plain JSON sees.
#[test]
fn mutated_claims_are_refused_or_sound() {
    let mut random = Random(SEED);
    let other = payload_with("u1", "u2").replace("viewer", "admin");
    let mut taken = 0;
    for _ in 0..20_000 {
        let mutant = mutate(&mut random, PAYLOAD, &other, b"\",:{}[]\\u0061e-. \n\0");
        let Ok(claims) = read_claims(mutant.as_bytes()) else { continue };
        taken += 1;
        let written = serde_json::to_vec(&claims).unwrap();
        assert_eq!(read_claims(&written).as_ref(), Ok(&claims), "seed {SEED:#x}: {mutant:?}");
        let value: serde_json::Value = serde_json::from_str(&mutant).unwrap();
        assert_eq!(AccessClaims::deserialize(value).ok(), Some(claims), "seed {SEED:#x}: {mutant:?}");
    }
    assert!(taken > 100, "only {taken} were taken");
}
