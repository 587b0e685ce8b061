//! What a request is called in the logs of everybody whom it passes.

use std::fmt;
use std::num::NonZeroU128;
use std::str::FromStr;

/// What a request is called in logs: 128 bits that are not all zero, written as 32 hexadecimal digits.
///
/// It is the `trace-id` of the W3C's Trace Context, so an app that traces has one already. It says nothing of who asks, and nothing rests on it.
///
/// ```
/// # use hallpass_protocol::request_id::RequestId;
/// fn of(traceparent: &str) -> Option<RequestId> {
///     traceparent.split('-').nth(1)?.parse().ok()
/// }
/// let id = of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
/// assert_eq!(id, RequestId::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736));
/// assert_eq!(id.map(|id| id.get() >> 96), Some(0x4bf9_2f35));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(NonZeroU128);

/// The text is not the name of a request.
///
/// ```
/// # use hallpass_protocol::request_id::{BadRequestId, RequestId};
/// assert_eq!("4BF92F3577B34DA6A3CE929D0E0E4736".parse::<RequestId>(), Err(BadRequestId)); // capitals
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a request id: 32 hexadecimal digits in small letters are wanted, not all of them 0")]
pub struct BadRequestId;

impl RequestId {
    /// The one with this number; none for zero.
    #[must_use]
    pub const fn new(number: u128) -> Option<Self> {
        match NonZeroU128::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0.get()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl FromStr for RequestId {
    type Err = BadRequestId;

    /// Accepts exactly the text that `Display` writes, as the Trace Context asks for.
    fn from_str(text: &str) -> Result<Self, BadRequestId> {
        let number = u128::from_str_radix(text, 16).ok().and_then(Self::new).ok_or(BadRequestId)?;
        if number.to_string() == text { Ok(number) } else { Err(BadRequestId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_one_spelling() {
        let text = "4bf92f3577b34da6a3ce929d0e0e4736";
        let id: RequestId = text.parse().unwrap();
        assert_eq!((id.to_string().as_str(), id.get()), (text, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736));
        assert_eq!(RequestId::new(7).unwrap().to_string(), format!("{:0>32}", 7));
        for bad in [
            "",
            "7",
            &text.to_uppercase(),
            &"0".repeat(32),
            &"f".repeat(33),
            "+bf92f3577b34da6a3ce929d0e0e4736",
        ] {
            assert_eq!(bad.parse::<RequestId>(), Err(BadRequestId), "{bad}");
        }
    }
}
