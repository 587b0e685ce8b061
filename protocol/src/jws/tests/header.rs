//! The header has exactly three members with exactly our values.

use super::*;

#[test]
fn algorithms_and_types_but_one_are_refused() {
    for alg in ["none", "None", "", "EdDsa", "eddsa", "EdDSA ", "HS256", "RS256", "ES256", "Ed25519", "Ed448"]
    {
        let header = good_header().replace("EdDSA", alg);
        refuses(alg, &signed(&header, PAYLOAD), Refused::UnsupportedHeader);
    }
    let unsigned = signed(&good_header().replace("EdDSA", "none"), PAYLOAD);
    let (text, _) = unsigned.rsplit_once('.').unwrap();
    refuses("none, without a signature", &format!("{text}."), Refused::UnsupportedHeader);

    for typ in ["JWT", "at+JWT", "AT+JWT", "application/at+jwt", "at+jwt ", "", "dpop+jwt"] {
        let header = good_header().replace("at+jwt", typ);
        refuses(typ, &signed(&header, PAYLOAD), Refused::UnsupportedHeader);
    }
}

#[test]
fn headers_with_more_or_less_than_three_members_are_refused() {
    let extra = [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""b64":false"#,
        r#""cty":"JWT""#,
        r#""jku":"https://evil.example/jwks.json""#,
        r#""x5u":"https://evil.example/x5u""#,
        r#""jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        r#""ALG":"none""#,
        r#""zip":null"#,
    ];
    for member in extra {
        let header = good_header().replacen('{', &format!("{{{member},"), 1);
        refuses(member, &signed(&header, PAYLOAD), Refused::UnsupportedHeader);
    }
    let kid_member = format!(r#","kid":"{}""#, kid());
    for member in [r#""alg":"EdDSA","#, r#""typ":"at+jwt","#, &kid_member] {
        let header = good_header().replace(member, "");
        assert_ne!(header, good_header());
        refuses(member, &signed(&header, PAYLOAD), Refused::UnsupportedHeader);
    }
}

#[test]
fn header_members_of_another_type_are_refused() {
    for (from, to) in [
        (r#""EdDSA""#, r#"["EdDSA"]"#),
        (r#""EdDSA""#, "null"),
        (r#""at+jwt""#, "1"),
        (r#""kid":"#, r#""kid":{"a":1},"x":"#),
    ] {
        let header = good_header().replace(from, to);
        assert_ne!(header, good_header());
        refuses(to, &signed(&header, PAYLOAD), Refused::UnsupportedHeader);
    }
}

#[test]
fn headers_that_are_not_one_plain_object_are_refused() {
    let header = good_header();
    let cases = [
        ("array", format!(r#"["EdDSA","at+jwt","{}"]"#, kid())),
        ("string", r#""EdDSA""#.into()),
        ("null", "null".into()),
        ("nothing", String::new()),
        ("trailing text", format!("{header}x")),
        ("trailing object", format!("{header}{{}}")),
        ("byte order mark", format!("\u{feff}{header}")),
        ("member twice", header.replace(r#""alg":"#, r#""alg":"none","alg":"#)),
        ("member twice, equal", header.replace(r#""alg":"#, r#""alg":"EdDSA","alg":"#)),
        ("member twice, escaped", header.replace(r#""alg":"#, r#""\u0061lg":"none","alg":"#)),
        ("member twice, nested", header.replacen('{', r#"{"jwk":{"x":1,"x":2},"#, 1)),
        ("single quotes", header.replace('"', "'")),
        ("trailing comma", header.replace('}', ",}")),
        ("depth", "[".repeat(2000)),
        ("depth of objects", r#"{"a":"#.repeat(500)),
    ];
    for (name, header) in cases {
        refuses(name, &signed(&header, PAYLOAD), Refused::Malformed);
    }
}

#[test]
fn a_key_that_is_not_in_the_set_is_unknown() {
    for other in [
        "",
        "x",
        &thumbprint(&[1; 32]),
        &format!("{}x", kid()),
        &kid()[1..],
        &kid()[..42],
        &kid().to_lowercase(),
    ] {
        let header = good_header().replace(&kid(), other);
        refuses(other, &signed(&header, PAYLOAD), Refused::UnknownKey);
    }
}
