//! Attempt ids: what makes the exchange of a refresh token safe to ask for twice.

use std::io;

use hallpass_protocol::secret::AttemptId;

/// Makes an attempt id for one exchange of a refresh token.
///
/// [`Client::refresh`](crate::Client::refresh) makes one by itself and keeps it for as long as the call lasts. An app that wants a
/// lost answer to heal after its own restart makes one here, writes it down beside the token, and sends both again: for ten minutes after the exchange
/// the answer is the same.
///
/// ```
#[doc = include_str!("doc/client.txt")]
#[doc = include_str!("doc/tokens.txt")]
/// use hallpass_client::{Context, Refresh, new_attempt};
///
/// let refresh = Refresh {
///     token: refresh_token,
///     attempt: Some(new_attempt()?), // written down beside the token before this is sent
///     audience: None,
///     context: Context::default(),
/// };
/// let first = hallpass.refresh(refresh.clone()).await?;
/// let again = hallpass.refresh(refresh).await?; // the same refresh token, and no theft
/// # let (GrantedTokens::Token { generation: one, .. }, GrantedTokens::Token { generation: two, .. }) = (first.tokens, again.tokens)
/// #     else { unreachable!() };
/// # assert_eq!(one, two);
/// # Ok(()) }
/// ```
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
