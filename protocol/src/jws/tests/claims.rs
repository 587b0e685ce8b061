//! What a genuine payload must say, and when it stops being good.

use super::*;

#[test]
fn payloads_that_are_not_one_plain_object_are_refused() {
    let array = concat!(
        r#"["https://id.example","u1","orders","shop",1800000600,1800000000,"AAZlFyiYgAcBAgMEBQYHCA","#,
        r#""s1",1799999990,["pwd"],"1",["editor","viewer"]]"#
    );
    let by_position: AccessClaims = serde_json::from_str(array).unwrap();
    assert_eq!(by_position, claims(), "serde alone would take the array");

    let nested = |object: &str| payload_with(r#""amr""#, &format!(r#""x":{object},"amr""#));
    let cases = [
        ("array", array.into()),
        ("array of the object", format!("[{PAYLOAD}]")),
        ("string", r#""x""#.into()),
        ("nothing", String::new()),
        ("trailing object", format!("{PAYLOAD}{{}}")),
        ("trailing NUL", format!("{PAYLOAD}\0")),
        ("member twice", payload_with(r#""sub":"#, r#""sub":"u2","sub":"#)),
        ("member twice, equal", payload_with(r#""sub":"#, r#""sub":"u1","sub":"#)),
        ("member twice, escaped", payload_with(r#""sub":"#, r#""s\u0075b":"u2","sub":"#)),
        ("unknown member twice", payload_with(r#""amr""#, r#""x":1,"x":1,"amr""#)),
        ("twice, nested", nested(r#"{"a":1,"a":2}"#)),
        ("twice, nested and escaped", nested(r#"{"a":1,"\u0061":2}"#)),
        ("twice, deep in arrays", nested(r#"[[{"b":{"a":1,"c":0,"a":2}}]]"#)),
        ("lone surrogate", nested(r#""\ud800""#)),
        ("NaN", nested("NaN")),
        ("depth", nested(&"[".repeat(1000))),
        ("1e400", payload_with("1800000600", "1e400")),
    ];
    for (name, payload) in cases {
        refuses(name, &signed(&good_header(), &payload), Refused::Malformed);
    }
    let bytes = [PAYLOAD.replace(r#""amr""#, r#""x":""#).as_bytes(), b"\xff\"}"].concat();
    let header = Base64UrlUnpadded::encode_string(good_header().as_bytes());
    let token = signed_parts(&header, &Base64UrlUnpadded::encode_string(&bytes));
    refuses("not UTF-8", &token, Refused::Malformed);
}

#[test]
fn dates_are_plain_integers_up_to_the_year_9999() {
    let wrong = [
        "1800000600.0",
        "1800000600.5",
        "1.8e9",
        "18e8",
        "\"1800000600\"",
        "-1",
        "-0",
        "-1800000600",
        "null",
        "true",
        "[1800000600]",
        "{}",
        "253402300800",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
    ];
    for (claim, good) in [("exp", "1800000600"), ("iat", "1800000000"), ("auth_time", "1799999990")] {
        let with = |date| payload_with(&format!(r#""{claim}":{good}"#), &format!(r#""{claim}":{date}"#));
        for date in wrong {
            refuses(&format!("{claim} {date}"), &signed(&good_header(), &with(date)), Refused::BadClaims);
        }
        let last = signed(&good_header(), &with("253402300799"));
        assert!(verifier().verify_at(&last, NOW).is_ok(), "{claim} at the end of the year 9999");
    }
    for date in ["01800000600", "+1800000600", "0x6b49d200", "1_800_000_600", "1800000600."] {
        let payload = payload_with("1800000600", date);
        refuses(date, &signed(&good_header(), &payload), Refused::Malformed);
    }
}

#[test]
fn the_token_is_over_at_exp() {
    let token = issue(&claims());
    let at = |now| verifier().verify_at(&token, now).err();
    assert_eq!(at(EXP - 1), None);
    assert_eq!(at(EXP), Some(Refused::Expired));
    assert_eq!(at(EXP + 1), Some(Refused::Expired));
    assert_eq!(at(u64::MAX), Some(Refused::Expired));
    assert_eq!(at(0), None);

    let never = issue(&AccessClaims { exp: 0, ..claims() });
    assert_eq!(verifier().verify_at(&never, 0), Err(Refused::Expired));
}

#[test]
fn skew_is_added_to_exp_and_clamped() {
    let token = issue(&claims());
    let at = |skew, now| verifier().skew(skew).verify_at(&token, now).err();
    for (skew, counts_as) in [(0, 0), (1, 1), (30, 30), (60, 60), (61, 60), (3600, 60), (u64::MAX, 60)] {
        assert_eq!(at(skew, EXP + counts_as), Some(Refused::Expired), "skew {skew}");
        assert_eq!(at(skew, EXP + counts_as - 1), None, "skew {skew}");
        assert_eq!(at(skew, u64::MAX), Some(Refused::Expired), "skew {skew}");
    }
}

#[test]
fn a9_iat_alone_never_refuses() {
    for iat in [0, NOW - 1, NOW, NOW + 1, NOW + 86_400, 253_402_300_799] {
        let claims = AccessClaims { iat, ..claims() };
        assert_eq!(verifier().verify_at(&issue(&claims), NOW), Ok(claims), "iat {iat}");
    }
}

#[test]
fn nbf_is_refused_whatever_it_says() {
    for nbf in ["0", "1800000000", "1900000000", "null", "\"\""] {
        let payload = payload_with(r#""amr""#, &format!(r#""nbf":{nbf},"amr""#));
        refuses(nbf, &signed(&good_header(), &payload), Refused::BadClaims);
    }
}

#[test]
fn a8_issuer_and_audience_are_exact() {
    for other in
        ["", "https://id.example/", "https://ID.example", "https://id.exampl", "https://id.example\\u0000"]
    {
        let payload = payload_with(ISSUER, other);
        refuses(other, &signed(&good_header(), &payload), Refused::WrongIssuer);
    }
    for other in ["", "Orders", "orders ", "order", "orders2", "*", "billing"] {
        let payload = payload_with(r#""aud":"orders""#, &format!(r#""aud":"{other}""#));
        refuses(other, &signed(&good_header(), &payload), Refused::WrongAudience);
    }
    for list in [r#"["orders"]"#, "[]", r#"["orders","billing"]"#, "null", r#"{"orders":1}"#] {
        let payload = payload_with(r#""aud":"orders""#, &format!(r#""aud":{list}"#));
        refuses(list, &signed(&good_header(), &payload), Refused::BadClaims);
    }
}

#[test]
fn a_key_set_asks_about_the_audience() {
    let keys = KeySet::from_jwks(&jwks()).unwrap();
    let token = issue(&claims());
    let ours = |audience: &str| ["billing", "orders"].contains(&audience);
    assert_eq!(keys.verify_at(&token, ISSUER, ours, NOW), Ok(claims()));
    assert_eq!(keys.verify_at(&token, ISSUER, |_| false, NOW), Err(Refused::WrongAudience));
    assert_eq!(keys.verify_at(&token, "else", ours, NOW), Err(Refused::WrongIssuer));
    assert_eq!(keys.verify_at(&token, ISSUER, ours, EXP), Err(Refused::Expired));
}

#[test]
fn every_claim_is_required_and_has_its_type() {
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(PAYLOAD).unwrap();
    assert_eq!(members.len(), 12);
    for name in members.keys() {
        let mut fewer = members.clone();
        fewer.remove(name);
        let payload = serde_json::to_string(&fewer).unwrap();
        refuses(&format!("without {name}"), &signed(&good_header(), &payload), Refused::BadClaims);

        for value in
            [serde_json::json!(null), serde_json::json!({}), serde_json::json!([1]), serde_json::json!(-1)]
        {
            let mut other = members.clone();
            other.insert(name.clone(), value);
            let payload = serde_json::to_string(&other).unwrap();
            refuses(
                &format!("{name} of another type"),
                &signed(&good_header(), &payload),
                Refused::BadClaims,
            );
        }
    }
}

#[test]
fn names_and_ids_are_bounded_and_printable() {
    let longest = "x".repeat(128);
    let longer = "x".repeat(129);
    let wide = "é".repeat(65);
    for (claim, good) in [("sub", "u1"), ("sid", "s1"), ("client_id", "shop"), ("acr", "1")] {
        let with = |text: &str| {
            let payload = payload_with(&format!(r#""{claim}":"{good}""#), &format!(r#""{claim}":"{text}""#));
            signed(&good_header(), &payload)
        };
        for text in ["", &longer, &wide, "a\\nb", "\\u0000", "\\u007f", "\\u0085", "a\\u001b[0m"] {
            refuses(&format!("{claim} {text}"), &with(text), Refused::BadClaims);
        }
        for text in [&longest, "é", "a b", "😀"] {
            assert!(verifier().verify_at(&with(text), NOW).is_ok(), "{claim} {text}");
        }
    }
}

#[test]
fn jti_is_sixteen_bytes_in_canonical_form() {
    let good = jti(STAMP, [1, 2, 3, 4, 5, 6, 7, 8]);
    let short = Base64UrlUnpadded::encode_string(&[1; 15]);
    let long = Base64UrlUnpadded::encode_string(&[1; 17]);
    let trailing_bits = format!("{}B", &good[..21]);
    assert!(good.ends_with('A'));
    for other in ["", &short, &long, &trailing_bits, &format!("{good}=="), "!!!!!!!!!!!!!!!!!!!!!!", "é"] {
        refuses(other, &signed(&good_header(), &payload_with(&good, other)), Refused::BadClaims);
    }
}

#[test]
fn what_is_wrong_is_named_before_what_is_over() {
    let late = EXP + 1;
    let token = |payload: &str| signed(&good_header(), payload);
    let why = |token: &str| verifier().verify_at(token, late).err();
    assert_eq!(why(&token(&payload_with(ISSUER, "x"))), Some(Refused::WrongIssuer));
    assert_eq!(why(&token(&payload_with(r#""orders""#, r#""x""#))), Some(Refused::WrongAudience));
    assert_eq!(why(&token(&payload_with(r#""u1""#, r#""""#))), Some(Refused::BadClaims));
    assert_eq!(why(&token(PAYLOAD)), Some(Refused::Expired));
}

#[test]
fn refusals_have_stable_names() {
    let names = [
        (Refused::Malformed, "malformed"),
        (Refused::UnsupportedHeader, "unsupported_header"),
        (Refused::UnknownKey, "unknown_key"),
        (Refused::BadSignature, "bad_signature"),
        (Refused::Expired, "expired"),
        (Refused::WrongIssuer, "wrong_issuer"),
        (Refused::WrongAudience, "wrong_audience"),
        (Refused::BadClaims, "bad_claims"),
    ];
    for (refused, name) in names {
        assert_eq!(refused.as_str(), name);
    }
}
