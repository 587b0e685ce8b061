//! Identifiers of users and sessions: 128 bits, ordered by creation time, written as 26 characters of Crockford base32 (a ULID).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use crate::time::Millis;

/// The text is not an identifier: 26 characters of Crockford base32 are wanted.
///
/// ```
/// # use hallpass_protocol::id::{BadId, UserId};
/// assert_eq!("01j9zq3m8y2v4x6t8s0r1p5n7k".parse::<UserId>(), Err(BadId)); // small letters
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: 26 letters and digits are wanted, as printed when it was made")]
pub struct BadId;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Builds the identifier of something created at `created`, made unique by the 80 bits behind that: the daemon puts ten for the order within the millisecond before 70 random ones.
            #[must_use]
            pub fn new(created: Millis, random: [u8; 10]) -> Self {
                let mut bytes = [0; 16];
                bytes[..6].copy_from_slice(&created.as_u64().to_be_bytes()[2..]);
                bytes[6..].copy_from_slice(&random);
                Self(bytes)
            }

            /// The identifier with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes, in the order in which they sort by creation time.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// When the identifier was made, in milliseconds since 1970.
            #[must_use]
            pub fn created(&self) -> Millis {
                let mut bytes = [0; 8];
                bytes[2..].copy_from_slice(&self.0[..6]);
                Millis::from_u64(u64::from_be_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Ulid::from_bytes(self.0).array_to_str(&mut [0; ulid::ULID_LEN]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            /// Accepts exactly the text that `Display` writes, so that one identifier has one spelling.
            fn from_str(text: &str) -> Result<Self, BadId> {
                let id = Self(Ulid::from_string(text).map_err(|_| BadId)?.to_bytes());
                if id.to_string() == text { Ok(id) } else { Err(BadId) }
            }
        }

        impl Packed for $name {
            fn to_number(&self) -> u128 {
                u128::from_be_bytes(self.0)
            }

            fn from_number(number: u128) -> Self {
                Self(number.to_be_bytes())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                } else {
                    Deserialize::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

identifier! {
    /// A user, for ever: never reused, and the `sub` of every token.
    ///
    /// ```
    /// # use hallpass_protocol::{id::UserId, time::Millis};
    /// let user: UserId = "01J9ZQ3M8Y2V4X6T8S0R1P5N7K".parse()?;
    /// assert_eq!(user.to_string(), "01J9ZQ3M8Y2V4X6T8S0R1P5N7K");
    /// // As a key in a table of the app's own: 16 bytes, which sort by when the user was added.
    /// assert_eq!(UserId::from_bytes(*user.as_bytes()), user);
    /// println!("added {} s after 1970", user.created().as_secs());
    /// // For a test of an app, which needs no daemon to have a user:
    /// let user = UserId::new(Millis::from_u64(1_700_000_000_000), [0; 10]);
    /// # Ok::<(), hallpass_protocol::id::BadId>(())
    /// ```
    UserId
}
identifier! {
    /// A session, and with it its refresh family: the `sid` of every token.
    ///
    /// It opens nothing, so a page may show it, in the form that ends the session.
    ///
    /// ```
    /// # use hallpass_protocol::id::SessionId;
    /// fn button(session: SessionId) -> String {
    ///     format!(r#"<button name="session" value="{session}">Log out that device</button>"#)
    /// }
    /// # assert!(button("01J9ZQ3M8Y2V4X6T8S0R1P5N7K".parse().unwrap()).contains("01J9ZQ3M8Y2V4X6T8S0R1P5N7K"));
    /// ```
    SessionId
}
identifier! {
    /// A device that a successful login has made known.
    DeviceId
}

/// An identifier on the wire, where it is one number: read byte by byte, as stored rows have it, it takes longer than all the rest of an identity.
pub mod packed {
    use super::{Deserialize, Deserializer, Packed, Serializer};

    /// Writes it as its number, or as its text where people read it.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: Packed, S: Serializer>(id: &T, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            id.serialize(serializer)
        } else {
            serializer.serialize_u128(id.to_number())
        }
    }

    /// Reads what [`serialize`] has written.
    ///
    /// # Errors
    /// Those of the deserializer, and text that is no identifier.
    pub fn deserialize<'de, T: Packed, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        if deserializer.is_human_readable() {
            T::deserialize(deserializer)
        } else {
            u128::deserialize(deserializer).map(T::from_number)
        }
    }
}

/// What [`packed`] takes.
pub trait Packed: Serialize + for<'de> Deserialize<'de> {
    /// All of its bits.
    fn to_number(&self) -> u128;
    /// The one with these bits.
    fn from_number(number: u128) -> Self;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_one_spelling_and_sorts_by_time() {
        let older = SessionId::new(Millis::from_u64(1_700_000_000_000), [255; 10]);
        let newer = SessionId::new(Millis::from_u64(1_700_000_000_001), [0; 10]);
        assert!(older < newer && older.to_string() < newer.to_string());
        assert_eq!(older.to_string().parse(), Ok(older));
        assert_eq!(older.created().as_u64(), 1_700_000_000_000);
        assert_eq!(older.to_string().to_lowercase().parse::<SessionId>(), Err(BadId));
        for bad in [
            "",
            "0",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "01ARZ3NDEKTSV4RRFFQ69G5FAVX",
            "01ARZ3NDEKTSV4RRFFQ69G5FA\u{e9}",
        ] {
            assert_eq!(bad.parse::<SessionId>(), Err(BadId), "{bad}");
        }
    }
}
