//! A first look at JSON from outside, before serde reads it into types.
//!
//! serde alone takes an array where a struct is meant, and the last of two members where nobody named the
//! type. Two readers that settle this differently see two different tokens under one signature.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The sorted names of a JSON object's members.
///
/// Nothing is returned for any other kind of value, for text after the object, and for an object in which any
/// member, nested ones included, is named twice. Names are compared as what they mean: `\u0061` is `a`.
pub(super) fn member_names(json: &[u8]) -> Option<Vec<String>> {
    serde_json::from_slice(json).ok().map(|Names(names)| names)
}

struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Names, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some((name, Unique)) = map.next_entry::<String, Unique>()? {
            names.push(name);
        }
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(A::Error::custom("a member is named twice"));
        }
        Ok(Names(names))
    }
}

/// Any JSON value in which no object names a member twice. Nothing of it is kept.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique, D::Error> {
        deserializer.deserialize_any(Unique)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
        while let Some(Unique) = seq.next_element()? {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Unique, A::Error> {
        ObjectVisitor.visit_map(map).map(|_| Unique)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{BytesDeserializer, Error as ValueError};

    use super::*;

    #[test]
    fn an_error_says_what_was_expected() {
        let error = serde_json::from_str::<Names>("1").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("expected an object"), "{error}");
        let bytes = BytesDeserializer::<ValueError>::new(b"no JSON value is bytes");
        let error = Unique::deserialize(bytes).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("expected a JSON value"), "{error}");
    }
}
