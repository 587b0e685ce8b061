//! The page, held to what really goes over the wire.

use std::fmt;

use hallpass_protocol::admin::AdminRequest;
use hallpass_protocol::auth::{AuthRequest, AuthResponse, Hello};
use hallpass_protocol::codec::{decode, encode};
use hallpass_protocol::jws::AccessClaims;
use serde::de::{Deserialize, Deserializer, Visitor};
use tarpc::ClientMessage;

use super::*;

/// Takes from a type the names that it would cross the wire with, and nothing more.
struct Probe;

#[derive(Debug)]
struct Names(&'static [&'static str]);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Names {}

impl serde::de::Error for Names {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Names;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Names> {
        Err(Names(&[]))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &str,
        names: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(names))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &str,
        names: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(names))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

fn names<'de, T: Deserialize<'de>>() -> Vec<String> {
    let Err(Names(names)) = T::deserialize(Probe) else { panic!("a probe gives nothing") };
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// `user_list` as the variant of a request is called.
fn variant(call: &str) -> String {
    let words = call.split('(').next().unwrap_or_default().split('_');
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

#[test]
fn the_number_of_each_call_is_what_crosses_the_wire() {
    let listed = |source| calls(source).iter().map(|call| variant(&call.name)).collect::<Vec<_>>();
    assert_eq!(listed(AUTH), names::<AuthRequest>());
    assert_eq!(listed(ADMIN), names::<AdminRequest>());
    assert_eq!(names::<AuthRequest>(), names::<AuthResponse>());
    assert_eq!(names::<ErrorCode>().len(), ErrorCode::ALL.len());
}

#[test]
fn the_fields_of_a_type_are_in_the_order_of_the_wire() {
    let declared = types(AUTH);
    let hello = declared.iter().find(|declared| declared.name == "struct Hello").expect("it is declared");
    let fields: Vec<_> =
        hello.parts.iter().map(|part| part.text.split(':').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(fields, names::<Hello>());
    let text = String::from_utf8(page()).expect("it is text");
    for claim in names::<AccessClaims>() {
        assert!(text.contains(&format!("\\fB{claim}\\fR")), "{claim}");
    }
}

#[test]
fn the_example_is_a_call_of_hello() {
    let frame = example();
    let message: ClientMessage<AuthRequest> = decode(&frame[4..]).expect("a request");
    let ClientMessage::Request(request) = message else { panic!("not a request") };
    assert_eq!((request.id, &frame[..4]), (7, &[0, 0, 0, 23][..]));
    assert!(matches!(request.message, AuthRequest::Hello {}));
    let sampled = encode(&request.context.trace_context).expect("it is encoded");
    assert_eq!(sampled, [&[0; 17][..], &[1]].concat());
}

#[test]
fn every_type_that_crosses_the_wire_is_described() {
    let text = String::from_utf8(page()).expect("it is text").replace("\\-", "-");
    for source in [AUTH, ADMIN] {
        for declared in types(source) {
            for word in
                declared.parts.iter().flat_map(|part| part.text.split(|c: char| !c.is_ascii_alphanumeric()))
            {
                let is_type = word.len() > 1 && word.starts_with(|c: char| c.is_ascii_uppercase());
                assert!(!is_type || text.contains(word), "{}: {word}", declared.name);
            }
            assert!(
                declared.parts.iter().all(|part| !part.words.is_empty()),
                "{} has a part without words",
                declared.name
            );
        }
    }
}
