//! Attempt ids: what makes the exchange of a refresh token safe to ask for twice.

use std::io;

use hallpass_protocol::secret::AttemptId;

/// Makes an attempt id for one exchange of a refresh token.
///
/// [`Client::refresh`](crate::Client::refresh) makes one by itself and keeps it for as long as the call lasts. An app that wants a
/// lost answer to heal after its own restart makes one here, writes it down beside the token, and sends both again.
///
/// # Errors
/// The system has no random bits to give.
pub fn new_attempt() -> io::Result<AttemptId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(AttemptId::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        assert_ne!(new_attempt().unwrap(), new_attempt().unwrap());
    }
}
