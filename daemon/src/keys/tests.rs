//! Keys: what they open, and what they do not.

use super::*;
use hallpass_protocol::id::{DeviceId, SessionId, UserId};

const MAC: MacKeyId = MacKeyId(1);

fn sealer(master: u8, database: u8) -> Sealer {
    let master = MasterKey(Zeroizing::new([master; KEY_BYTES]));
    Sealer::new(master, [database; 16], Entropy::new(Arc::new(crate::entropy::SystemRandom)))
}

/// The ring of a root and a signing key that a test names.
pub(crate) fn ring_of(number: u16, root: [u8; 32], seed: [u8; 32], issuer: &str) -> KeyRing {
    let maker = sealer(1, 2);
    let keys: Vec<_> = [(KeyKind::Mac, root), (KeyKind::Signing, seed)]
        .into_iter()
        .map(|(kind, secret)| {
            let place = Place::Key { database: &[2; 16], kind, number };
            let sealed = maker.master.seal(&place, &secret, &maker.entropy).unwrap();
            Key { sealed, ..maker.make(kind, number, Millis::default()).unwrap() }
        })
        .collect();
    maker.open(&keys, issuer, Stamp(1)).unwrap()
}

fn ring() -> KeyRing {
    let keys = first_generation(&sealer(1, 2), 1, Millis::default()).unwrap();
    sealer(1, 2).open(&keys, "hallpass", Stamp(1)).unwrap()
}

#[test]
fn tokens_of_one_kind_and_database_are_no_others() {
    let (ours, theirs) = (ring(), ring());
    let session = SessionId::from_bytes([7; 16]);
    let device = Subject::Device(UserId::from_bytes([8; 16]), DeviceId::from_bytes([9; 16]));
    for subject in [Subject::Session(session), Subject::Refresh(session, 3), device] {
        let token = ours.seal(subject, MAC).unwrap();
        assert_eq!(ours.unseal(&token), Some(subject));
        assert_eq!(theirs.unseal(&token), None, "b15: another database's token");
        assert_eq!(ours.seal(subject, MacKeyId(77)).unwrap_err(), Gone, "a key that does not exist");
    }
}

#[test]
fn b16_a_right_session_with_a_wrong_mac_is_nothing() {
    let ours = ring();
    let token = ours.seal(Subject::Refresh(SessionId::from_bytes([7; 16]), 3), MAC).unwrap();
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
    let keys = first_generation(&sealer(1, 2), 1, Millis::default()).unwrap();
    let opens = |sealer: Sealer, keys: &[Key]| sealer.open(keys, "hallpass", Stamp(1)).is_ok();
    assert!(opens(sealer(1, 2), &keys));
    assert!(!opens(sealer(3, 2), &keys), "another master key");
    assert!(!opens(sealer(1, 9), &keys), "another database");
    let mut exchanged = keys.clone();
    (exchanged[0].kind, exchanged[1].kind) = (exchanged[1].kind, exchanged[0].kind);
    assert!(!opens(sealer(1, 2), &exchanged), "keys in each other's place");
    assert!(!opens(sealer(1, 2), &keys[..1]), "a key missing");
}

#[test]
fn a_retired_key_still_verifies_and_its_successor_signs() {
    let sealer = sealer(1, 2);
    let mut keys = first_generation(&sealer, 1, Millis::default()).unwrap();
    let session = Subject::Session(SessionId::from_bytes([7; 16]));
    let old = sealer.open(&keys, "hallpass", Stamp(1)).unwrap().seal(session, MAC).unwrap();
    keys[0].state = KeyState::Retired(Millis::MAX);
    keys.push(sealer.make(KeyKind::Mac, 2, Millis::default()).unwrap());
    let rotated = sealer.open(&keys, "hallpass", Stamp(1)).unwrap();
    assert_eq!(rotated.unseal(&old), Some(session));
    let new = rotated.seal(session, MacKeyId(2)).unwrap();
    keys.remove(0);
    let after = sealer.open(&keys, "hallpass", Stamp(1)).unwrap();
    assert_eq!((after.unseal(&old), after.unseal(&new)), (None, Some(session)), "a3");
}

/// The widest token that the limits allow must fit, or a login would fail long after the setting that made it too wide.
#[test]
fn the_widest_access_token_fits() {
    use crate::domain::account::Roles;
    let roles = (0..4).map(|role| role.to_string() + &"r".repeat(44)).collect();
    let plan = AccessPlan {
        kid: ring().active.signing,
        stamp: Stamp(u64::MAX),
        random: [255; 8],
        user: UserId::from_bytes([255; 16]),
        session: SessionId::from_bytes([255; 16]),
        audience: "a".repeat(64),
        app: "a".repeat(32),
        issued: Millis::MAX,
        expires: Millis::MAX,
        auth_time: Millis::MAX,
        level: 255,
        amr: vec!["a".repeat(8); hallpass_protocol::limits::AMR],
        roles: Roles::parse(roles).unwrap().as_slice().to_vec(),
    };
    let keys = KeyRing { issuer: "i".repeat(64), ..ring() };
    let length = jws::encoded_len(&keys.claims(&plan), &plan.kid);
    assert!(length <= jws::MAX_TOKEN_ISSUED, "{length}");
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

#[test]
fn an_unfinished_master_key_is_made_anew_and_a_finished_one_never() {
    let dir = tempfile::tempdir().unwrap();
    let entropy = Entropy::new(Arc::new(crate::entropy::SystemRandom));
    let path = dir.path().join("master.key");
    std::fs::write(dir.path().join("master.key.new"), [7; 9]).unwrap();
    std::fs::write(&path, []).unwrap();
    assert!(!MasterKey::is_made(&path));
    let made = MasterKey::create(&path, &entropy).unwrap();
    assert_eq!(*MasterKey::read(&path).unwrap().0, *made.0);
    assert_eq!(dir.path().read_dir().unwrap().count(), 1, "nothing is left beside it");
    std::fs::write(&path, [7]).unwrap();
    assert!(MasterKey::create(&path, &entropy).is_err(), "one byte may be what is left of a key");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/nowhere", &path).unwrap();
    assert!(MasterKey::create(&path, &entropy).is_err(), "a symlink that leads nowhere");
}
