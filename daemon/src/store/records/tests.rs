//! Records: golden bytes, so that the layout cannot drift.

use super::*;

fn hot() -> Hot {
    let at = Millis::from_u64;
    Hot {
        last_seen: at(1),
        idle_deadline: at(2),
        auth_time: at(3),
        rotated_at: Millis::MAX,
        level: 5,
        level_seconds: 6,
        counter: 7,
        mac_key: MacKeyId(8),
        attempt: Some(AttemptHash([9; 6])),
        retries: 10,
        tag: ContextTag(11),
        debt: Debt(12),
        revoked: Some(Revocation { stamp: Stamp(13), reason: Reason::Rollback }),
    }
}

#[test]
fn golden_hot_row() {
    let bytes = hot().to_bytes();
    let golden = "01000000000001000000000002000000000003ffffffffffff0500000006000000070008\
                  0909090909090a000b000c0000000000000d03";
    assert_eq!(crate::hex::encode(&bytes), golden);
    assert_eq!(bytes.len(), HOT_BYTES);
    assert_eq!(Hot::from_bytes(&bytes), Some(hot()));
    let plain = Hot { attempt: None, revoked: None, ..hot() };
    assert_eq!(Hot::from_bytes(&plain.to_bytes()), Some(plain));
}

#[test]
fn golden_user_row() {
    let user = User {
        id: UserId::from_bytes([1; 16]),
        name: Name::parse("ann").unwrap(),
        password: Some(PasswordHash("$x".into())),
        roles: Roles::parse(vec!["r".into()]).unwrap(),
        disabled: true,
        credential_version: 2,
        not_before: Stamp(3),
        attributes: Attributes::parse([("k".to_owned(), "v".to_owned())].into()).unwrap(),
        code: Some(Code { hash: CodeHash([4; 16]), expires: Millis::from_u64(5) }),
    };
    let golden = "010101010101010101010101010101010103616e6e01022478010172010203\
                  01016b0176010404040404040404040404040404040405";
    assert_eq!(crate::hex::encode(&user.to_bytes()), golden);
    assert_eq!(User::from_bytes(&user.to_bytes()), Some(user));
}

#[test]
fn golden_master_row() {
    let sealed = Sealed { nonce: [2; 24], bytes: vec![3, 4] };
    let master = Master {
        current: Some(MasterId([1; 8])),
        bridges: vec![Bridge { from: MasterId([5; 8]), sealed }],
        replaced: Some((MasterId([6; 8]), Millis::from_u64(7))),
    };
    let golden = "01010101010101010101010505050505050505\
                  020202020202020202020202020202020202020202020202020304010606060606060606\
                  07";
    assert_eq!(crate::hex::encode(&master.to_bytes()), golden);
    assert_eq!(Master::from_bytes(&master.to_bytes()), Some(master));
    assert_eq!(Master::from_bytes(&Master::default().to_bytes()), Some(Master::default()));
}

#[test]
fn g4_another_version_or_length_is_refused() {
    let bytes = hot().to_bytes();
    let mut newer = bytes.clone();
    newer[0] = 2;
    let mut longer = bytes.clone();
    longer.push(0);
    let mut unknown_reason = bytes.clone();
    unknown_reason[HOT_BYTES - 1] = 200;
    for bad in [&newer, &longer, &unknown_reason, &bytes[..HOT_BYTES - 1].to_vec(), &Vec::new()] {
        assert_eq!(Hot::from_bytes(bad), None);
    }
    assert_eq!(<()>::from_bytes(&[]), None);
}
