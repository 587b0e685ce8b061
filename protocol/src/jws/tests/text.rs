//! The text around the JSON: length, parts, base64url.

use base64ct::Base64Url;

use super::*;

#[test]
fn a1_length_is_judged_before_anything_else() {
    refuses("A1", &"a".repeat(1_000_000), Refused::Malformed);
    refuses("one byte over", &"a".repeat(MAX_TOKEN_SEEN + 1), Refused::Malformed);
    refuses("at the cap", &"a".repeat(MAX_TOKEN_SEEN), Refused::Malformed);

    let padded = |spaces| signed(&good_header(), &format!("{PAYLOAD}{}", " ".repeat(spaces)));
    let fits = (MAX_TOKEN_SEEN - padded(0).len()) * 3 / 4;
    assert_eq!(verifier().verify_at(&padded(fits), NOW), Ok(claims()));
    refuses("genuine, over the cap", &padded(fits + 2), Refused::Malformed);
}

#[test]
fn tokens_that_are_not_three_parts_are_refused() {
    let token = issue(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let cases = [
        ("nothing", String::new()),
        ("one part", header.into()),
        ("two parts", format!("{header}.{payload}")),
        ("four parts", format!("{token}.{signature}")),
        ("four parts, last empty", format!("{token}.")),
        ("four parts, first empty", format!(".{token}")),
        ("dots", "..".into()),
        ("many dots", ".".repeat(4000)),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload", signed_parts(header, "")),
        ("JSON serialization", format!(r#"{{"payload":"{payload}","signature":"{signature}"}}"#)),
    ];
    for (name, token) in cases {
        refuses(name, &token, Refused::Malformed);
    }
    refuses("no signature", &format!("{header}.{payload}."), Refused::BadSignature);
}

#[test]
fn letters_from_outside_the_alphabet_are_refused() {
    let token = issue(&claims());
    for (place, _) in token.match_indices('.').chain([(0, ""), (5, ""), (token.len(), "")]) {
        for stray in [" ", "\n", "\r\n", "\t", "=", "\0", "+", "/", "é", "\u{200b}"] {
            let mut token = token.clone();
            token.insert_str(place, stray);
            refuses(&format!("{stray:?} at {place}"), &token, Refused::Malformed);
        }
    }
}

/// Header and payload are signed as they stand, so that nothing but the spelling is wrong with them.
#[test]
fn second_spellings_of_a_part_are_refused() {
    let texts = [good_header(), PAYLOAD.to_owned()].map(String::into_bytes);
    let [header, payload] = texts.each_ref().map(|text| Base64UrlUnpadded::encode_string(text));
    let token = signed_parts(&header, &payload);
    assert_eq!(verifier().verify_at(&token, NOW), Ok(claims()));

    let [padded_header, padded_payload] = texts.each_ref().map(|text| Base64Url::encode_string(text));
    assert!(padded_header.ends_with('=') && padded_payload.ends_with('='), "there is nothing to pad");
    refuses("padded header", &signed_parts(&padded_header, &payload), Refused::Malformed);
    refuses("padded payload", &signed_parts(&header, &padded_payload), Refused::Malformed);
    refuses("padded signature", &format!("{token}=="), Refused::Malformed);

    refuses(
        "bits after the header",
        &signed_parts(&with_trailing_bits(&header), &payload),
        Refused::Malformed,
    );
    refuses(
        "bits after the payload",
        &signed_parts(&header, &with_trailing_bits(&payload)),
        Refused::Malformed,
    );
    refuses("bits after the signature", &with_trailing_bits(&token), Refused::Malformed);
}

/// The next letter after a last one whose unused bits are all zero differs from it in those bits only.
fn with_trailing_bits(part: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (start, last) = part.split_at(part.len() - 1);
    let next = ALPHABET.find(last).unwrap() + 1;
    format!("{start}{}", &ALPHABET[next..=next])
}
