//! What is written is what is read.

use super::*;

#[test]
fn round_trip() {
    let token = issue(&claims());
    assert_eq!(verifier().verify_at(&token, NOW), Ok(claims()));
    assert_eq!(token, signed(&good_header(), PAYLOAD), "member order of header and payload");
    assert_eq!(token.len(), encoded_len(&claims(), &kid()));
}

#[test]
fn header_members_may_come_in_any_order_and_spacing() {
    let header = format!("{{ \"kid\": \"{}\", \"typ\": \"at\\u002bjwt\",\n\"alg\": \"EdDSA\" }}", kid());
    assert_eq!(verifier().verify_at(&signed(&header, PAYLOAD), NOW), Ok(claims()));
}

#[test]
fn unknown_claims_are_passed_over() {
    let payload = payload_with(r#""amr""#, r#""cnf":{"jkt":[null,true,-1,0.5,{"a":"b"}]},"amr""#);
    assert_eq!(verifier().verify_at(&signed(&good_header(), &payload), NOW), Ok(claims()));
}

#[test]
fn a_token_of_exactly_the_limit_is_issued_and_one_byte_more_is_not() {
    let mut claims = claims();
    while encoded_len(&claims, &kid()) < MAX_TOKEN_ISSUED {
        claims.roles[0].push('x');
    }
    assert_eq!(encoded_len(&claims, &kid()), MAX_TOKEN_ISSUED);
    assert!(verifier().verify_at(&issue(&claims), NOW).is_ok());

    claims.roles[0].push('x');
    let len = encoded_len(&claims, &kid());
    assert!(len > MAX_TOKEN_ISSUED);
    let refused = encode(&claims, &kid(), |_| panic!("signed a token that does not fit"));
    assert_eq!(refused, Err(TooLarge { len }));
}

#[test]
fn jti_carries_the_stamp() {
    assert_eq!(claims().jti.len(), 22);
    assert_eq!(claims().stamp(), STAMP);
    assert_eq!(jti(u64::MAX, [255; 8]), "_____________________w");
    for not_ours in ["", "abc", "_____________________x", "AAAAAAAAAAAAAAAAAAAAAAA", "é"] {
        let claims = AccessClaims { jti: not_ours.into(), ..claims() };
        assert_eq!(claims.stamp(), 0, "{not_ours}");
    }
}
