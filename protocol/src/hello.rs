//! The first bytes on a connection, before any call: who speaks what, so that a mismatch is a sentence and not a decode error.
//!
//! The caller sends [`MAGIC`], the service it wants in one byte and its protocol version in two. The daemon answers with [`MAGIC`], its own
//! version in two bytes, a status in one, and the length of a sentence in two, followed by that sentence where the status is not zero.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The first eight bytes from either side.
pub const MAGIC: [u8; 8] = *b"hallpass";
/// The version of the calls and types in this crate. It changes when an old peer could no longer understand a new one.
pub const VERSION: u16 = 1;
/// Longest sentence of a refusal, in bytes.
pub const SENTENCE_BYTES: usize = 512;

/// The services, each on a socket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// [`crate::auth::Auth`], on `hallpass.sock`.
    Auth = 1,
    /// [`crate::admin::Admin`], on `admin.sock`.
    Admin = 2,
}

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Self::Auth => "Auth",
            Self::Admin => "Admin",
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Auth),
            2 => Some(Self::Admin),
            _ => None,
        }
    }
}

/// Why the daemon sends a caller away before its first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The two speak different versions, or the caller came to the wrong socket.
    Mismatch = 1,
    /// There are too many connections.
    Busy = 2,
    /// The caller is not one that the configuration knows.
    Forbidden = 3,
    /// The daemon cannot start.
    Unavailable = 4,
}

/// A connection that got no further than its hello.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    /// The connection broke or stayed silent.
    #[error("the connection ended before the daemon answered: {0}")]
    Io(#[from] io::Error),
    /// The other side is not Hallpass.
    #[error("what answers on this socket is not Hallpass; check the socket path")]
    NotHallpass,
    /// The daemon has sent the caller away, and says why.
    #[error("{sentence}")]
    SentAway {
        /// Why, as one of the [`Status`] values.
        status: u8,
        /// Why, in words.
        sentence: String,
    },
}

/// Introduces a caller and waits for the daemon's answer.
///
/// # Errors
/// See [`HelloError`].
pub async fn introduce<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    service: Service,
) -> Result<(), HelloError> {
    let mut hello = [0; 11];
    hello[..8].copy_from_slice(&MAGIC);
    hello[8] = service as u8;
    hello[9..].copy_from_slice(&VERSION.to_be_bytes());
    // A daemon that sends its caller away may have answered and closed before it read this: the answer still counts.
    let sent = stream.write_all(&hello).await;
    let mut answer = [0; 13];
    if let Err(error) = stream.read_exact(&mut answer).await {
        return Err(HelloError::Io(sent.err().unwrap_or(error)));
    }
    if answer[..8] != MAGIC {
        return Err(HelloError::NotHallpass);
    }
    let status = answer[10];
    if status == 0 {
        return Ok(());
    }
    let length = usize::from(u16::from_be_bytes([answer[11], answer[12]])).min(SENTENCE_BYTES);
    let mut sentence = vec![0; length];
    stream.read_exact(&mut sentence).await?;
    Err(HelloError::SentAway { status, sentence: String::from_utf8_lossy(&sentence).into_owned() })
}

/// Reads a caller's hello and welcomes it if it came to the right place.
///
/// # Errors
/// A caller that is silent for too long, is not Hallpass, or was sent away because it speaks another version or wants another service.
pub async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    service: Service,
    deadline: Duration,
) -> Result<(), HelloError> {
    let mut hello = [0; 11];
    match tokio::time::timeout(deadline, stream.read_exact(&mut hello)).await {
        Ok(read) => read?,
        Err(_) => return Err(HelloError::Io(io::ErrorKind::TimedOut.into())),
    };
    if hello[..8] != MAGIC {
        return Err(HelloError::NotHallpass);
    }
    let version = u16::from_be_bytes([hello[9], hello[10]]);
    let sentence = if version != VERSION {
        format!(
            "the caller speaks version {version} of the Hallpass protocol and this daemon version {VERSION}; \
             install the same release of both"
        )
    } else if Service::from_byte(hello[8]) != Some(service) {
        let other = if service == Service::Auth { "admin.sock" } else { "hallpass.sock" };
        format!("this socket serves {} calls only; the other service is on {other} beside it", service.name())
    } else {
        stream.write_all(&answer(0, "")).await?;
        return Ok(());
    };
    send_away(stream, Status::Mismatch, &sentence).await?;
    Err(HelloError::SentAway { status: Status::Mismatch as u8, sentence })
}

/// Tells a caller why it is not served.
///
/// # Errors
/// A caller that is gone already.
pub async fn send_away<S: AsyncWrite + Unpin>(
    stream: &mut S,
    status: Status,
    sentence: &str,
) -> io::Result<()> {
    stream.write_all(&refusal(status, sentence)).await
}

/// What a caller is told who is not served, as it goes over the wire.
#[must_use]
pub fn refusal(status: Status, sentence: &str) -> Vec<u8> {
    answer(status as u8, sentence)
}

fn answer(status: u8, sentence: &str) -> Vec<u8> {
    let sentence = &sentence[..sentence.floor_char_boundary(SENTENCE_BYTES)];
    let mut bytes = Vec::with_capacity(13 + sentence.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.push(status);
    bytes.extend_from_slice(&u16::try_from(sentence.len()).unwrap_or(0).to_be_bytes());
    bytes.extend_from_slice(sentence.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    async fn meet(hello: &[u8], service: Service) -> (Result<(), HelloError>, Vec<u8>) {
        let (mut near, mut far) = tokio::io::duplex(1024);
        near.write_all(hello).await.unwrap();
        let outcome = receive(&mut far, service, SOON).await;
        drop(far);
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.unwrap();
        (outcome, answer)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn both_ends_agree() {
        let (mut near, mut far) = tokio::io::duplex(1024);
        let (introduced, received) =
            tokio::join!(introduce(&mut near, Service::Auth), receive(&mut far, Service::Auth, SOON));
        introduced.unwrap();
        received.unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn another_version_or_service_is_told_so_in_a_sentence() {
        let (_, answer) = meet(b"hallpass\x01\x00\x09", Service::Auth).await;
        assert!(
            String::from_utf8_lossy(&answer[13..])
                .contains("version 9 of the Hallpass protocol and this daemon version 1")
        );
        let (mut near, mut far) = tokio::io::duplex(1024);
        let (introduced, received) =
            tokio::join!(introduce(&mut near, Service::Auth), receive(&mut far, Service::Admin, SOON));
        assert!(received.is_err());
        assert!(introduced.unwrap_err().to_string().contains("hallpass.sock"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn e8_a_stranger_gets_no_answer() {
        for hello in [&b"GET / HTTP/1.1\r\n"[..], &[0; 11], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
            let (outcome, answer) = meet(hello, Service::Auth).await;
            assert!(matches!(outcome, Err(HelloError::NotHallpass)));
            assert!(answer.is_empty());
        }
    }

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn e9_silence_ends_the_hello() {
        let (_near, mut far) = tokio::io::duplex(1024);
        let outcome = receive(&mut far, Service::Auth, SOON).await;
        assert!(matches!(outcome, Err(HelloError::Io(error)) if error.kind() == io::ErrorKind::TimedOut));
    }
}
