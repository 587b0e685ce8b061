//! Calls in bytes, so that what comes back can be compared byte for byte.

use std::path::Path;
use std::time::{Duration, Instant};

use hallpass_client::ErrorCode;
use hallpass_protocol::auth::{AuthRequest, AuthResponse};
use hallpass_protocol::codec::encode;
use hallpass_protocol::error::Refusal;
use hallpass_protocol::hello::Service;

use crate::raw::{Raw, framed, payload};

/// A connection whose answers are looked at in full.
pub(crate) struct Frames(Raw);

/// A refusal as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    /// All of the answer, but for how long to wait.
    pub(crate) bytes: Vec<u8>,
    pub(crate) retry_after: Option<Duration>,
}

impl Frames {
    pub(crate) fn open(socket: &Path) -> Self {
        Self(Raw::introduced(socket, Service::Auth))
    }

    /// What this is refused with, and how long that took.
    pub(crate) fn refused(&mut self, request: AuthRequest) -> (Refused, Duration) {
        let frame = framed(&payload(7, request));
        let begun = Instant::now();
        self.0.send(&frame);
        let mut answer = self.0.answer();
        let took = begun.elapsed();
        let response = answer.message.as_mut().expect("an answer of the service");
        let refusal = refusal(response).expect("it is to be refused");
        let retry_after = refusal.retry_after_ms.take().map(Duration::from_millis);
        let code = refusal.code;
        (Refused { code, bytes: encode(&answer).expect("it was decoded"), retry_after }, took)
    }
}

/// The refusal in an answer, whatever was asked.
fn refusal(response: &mut AuthResponse) -> Option<&mut Refusal> {
    match response {
        AuthResponse::Login(answer)
        | AuthResponse::OpenSession(answer)
        | AuthResponse::Reauthenticate(answer)
        | AuthResponse::ChangePassword(answer)
        | AuthResponse::RedeemCode(answer)
        | AuthResponse::Refresh(answer) => answer.as_mut().err(),
        AuthResponse::Verify(answer) => answer.as_mut().err(),
        AuthResponse::Revoke(answer) => answer.as_mut().err(),
        _ => None,
    }
}
