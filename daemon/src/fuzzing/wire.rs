//! What comes over a socket, in either direction.

use bytes::BytesMut;
use hallpass_protocol::admin::{AdminRequest, AdminResponse};
use hallpass_protocol::auth::{AuthRequest, AuthResponse};
use hallpass_protocol::codec::{self, End, WireCodec, put_frame};
use hallpass_protocol::hello::{HelloError, MAGIC, Service, VERSION, introduce, receive};
use hallpass_protocol::limits::{ADMIN_FRAME, AUTH_FRAME, HELLO_DEADLINE, REQUEST_DEADLINE};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tarpc::{ClientMessage, Response};
use tokio::runtime::{Builder, Runtime};
use tokio_util::codec::Decoder;

/// Frames as either end of either service reads them. The first byte says which, the second how many bytes come at a time.
///
/// # Panics
/// If what is read depends on how the bytes were cut, if a value does not survive being written again, if a deadline is longer than it may be.
pub fn frames(data: &[u8]) {
    let Some((&[which, piece], bytes)) = data.split_first_chunk::<2>() else { return };
    let piece = usize::from(piece).max(1);
    match which % 4 {
        0 => read(End::Server, AUTH_FRAME, piece, bytes, request::<AuthRequest>),
        1 => read(End::Client, AUTH_FRAME, piece, bytes, response::<AuthResponse, AUTH_FRAME>),
        2 => read(End::Server, ADMIN_FRAME, piece, bytes, request::<AdminRequest>),
        _ => read(End::Client, ADMIN_FRAME, piece, bytes, response::<AdminResponse, ADMIN_FRAME>),
    }
}

/// `said` is what a value says, as bytes, and checks it.
fn read<T: DeserializeOwned>(
    end: End,
    longest: usize,
    piece: usize,
    bytes: &[u8],
    said: impl Fn(&T, usize) -> Vec<u8>,
) {
    let read = |piece: usize| {
        let (mut codec, mut buffer, mut heard) =
            (WireCodec::<T, ()>::new(end, longest), BytesMut::new(), Vec::new());
        for bytes in bytes.chunks(piece) {
            buffer.extend_from_slice(bytes);
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(value)) => heard.push(Some(said(&value, codec.last_read()))),
                    Ok(None) => break,
                    Err(_) => {
                        heard.push(None);
                        return heard;
                    }
                }
            }
        }
        heard
    };
    assert_eq!(read(bytes.len().max(1)), read(piece), "what is read depends on how it comes");
}

fn request<T: Serialize + DeserializeOwned>(message: &ClientMessage<T>, length: usize) -> Vec<u8> {
    match message {
        ClientMessage::Request(request) => {
            // What tarpc takes for now lies a little ahead of it; what must not get through lies years ahead.
            let latest = tarpc::context::current().deadline + REQUEST_DEADLINE;
            assert!(request.context.deadline <= latest, "a deadline that tarpc may panic at");
            let said = again(&request.message);
            assert!(said.len() <= length, "a request has grown");
            [codec::encode(&(request.id, request.context.trace_context)).unwrap_or_default(), said].concat()
        }
        message => codec::encode(message).expect("it was decoded"),
    }
}

fn response<T: Serialize + DeserializeOwned, const LONGEST: usize>(
    message: &Response<T>,
    length: usize,
) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_frame(message, &[], LONGEST, &mut out).expect("what fitted a frame fits one");
    assert!(out.len() <= length + 4, "an answer has grown");
    match &message.message {
        Ok(answer) => again(answer),
        // tarpc writes the kind of an error under another number than it reads it; what it says in words stays.
        Err(error) => error.detail.clone().into_bytes(),
    }
}

/// The value as bytes, once they are sure to be the same value.
fn again<T: Serialize + DeserializeOwned>(value: &T) -> Vec<u8> {
    let once = codec::encode(value).expect("it was decoded");
    let value: T = codec::decode(&once).expect("what was written can be read");
    assert_eq!(codec::encode(&value).expect("it was decoded"), once, "it changes as it is written");
    once
}

/// A hello, as the daemon and its caller hear it. The first byte says of which service.
///
/// # Panics
/// If anything but the one right hello is welcomed, or the caller hears something else than the daemon said.
pub fn hello(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else { return };
    let service = if which % 2 == 0 { Service::Auth } else { Service::Admin };
    RUNTIME.with(|runtime| runtime.block_on(hear(service, bytes)));
}

thread_local! {
    /// To make one for each input would take longer than all the rest.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

async fn hear(service: Service, bytes: &[u8]) {
    let mut said = Vec::new();
    let heard = receive(&mut tokio::io::join(bytes, &mut said), service, HELLO_DEADLINE).await;
    let right = [&MAGIC[..], &[service as u8], &VERSION.to_be_bytes()].concat();
    assert_eq!(heard.is_ok(), bytes.starts_with(&right));
    let understood = introduce(&mut tokio::io::join(&said[..], tokio::io::sink()), service).await;
    match heard {
        Ok(()) => assert!(understood.is_ok()),
        Err(HelloError::SentAway { status, sentence }) => match understood {
            Err(HelloError::SentAway { status: heard, sentence: words }) => {
                assert_eq!((heard, words), (status, sentence));
            }
            other => unreachable!("the caller heard {other:?}"),
        },
        Err(_) => assert!(said.is_empty(), "whoever is not Hallpass is answered"),
    }
    // The same bytes as a daemon's answer, which may be anybody's.
    let answered = introduce(&mut tokio::io::join(bytes, tokio::io::sink()), service).await;
    match answered {
        Ok(()) => assert!(bytes.starts_with(&MAGIC) && bytes[10] == 0),
        Err(HelloError::SentAway { sentence, status }) => {
            // A byte that is no text becomes a sign of three.
            assert!(status != 0 && sentence.len() <= 3 * 512, "{} bytes of a sentence", sentence.len());
        }
        Err(_) => {}
    }
}
