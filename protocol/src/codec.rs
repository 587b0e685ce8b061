//! How values become bytes: bincode under a limit, in frames of a bounded length. Nothing else names bincode.
//!
//! This is the one place that bounds what a peer can make us read: the length of a frame, what a length inside it may claim, bytes
//! left over after a value, and the deadline of a request.

use std::io;
use std::marker::PhantomData;

use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use bytes::{Buf, BufMut, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::codec::{Decoder, Encoder};
use zeroize::Zeroize;

use crate::limits::{ADMIN_FRAME, REQUEST_DEADLINE};

/// Nothing that is decoded may claim more memory than the largest frame.
const DECODE_LIMIT: usize = ADMIN_FRAME;

/// Bytes that are not the value they should be.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The value could not be encoded.
    #[error("cannot encode: {0}")]
    Encode(#[from] EncodeError),
    /// The bytes are not an encoded value of this type.
    #[error("cannot decode: {0}")]
    Decode(#[from] bincode::error::DecodeError),
    /// Bytes were left over after the value.
    #[error("cannot decode: {0} bytes left over")]
    Trailing(usize),
}

impl From<CodecError> for io::Error {
    fn from(error: CodecError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// A value as bytes.
///
/// # Errors
/// Only a value whose own `Serialize` fails.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    Ok(bincode::serde::encode_to_vec(value, config())?)
}

/// Puts a value as bytes behind what is there. If it cannot be encoded, part of it may be there too.
///
/// # Errors
/// Only a value whose own `Serialize` fails.
pub fn encode_onto<T: Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    bincode::serde::encode_into_std_write(value, bytes, config())?;
    Ok(())
}

/// The value that is exactly these bytes.
///
/// # Errors
/// Bytes that are not such a value, claim more than a frame's worth of memory, or go on after it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, used) = bincode::serde::decode_from_slice(bytes, config())?;
    if used == bytes.len() { Ok(value) } else { Err(CodecError::Trailing(bytes.len() - used)) }
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODE_LIMIT>()
}

/// Which end of the connection a [`WireCodec`] stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Reads requests, whose deadlines it shortens to what is allowed.
    Server,
    /// Reads responses.
    Client,
}

/// Reads `In` and writes `Out`, each in a frame: its length in four bytes, big end first, then the value.
#[derive(Debug)]
pub struct WireCodec<In, Out> {
    max_frame: usize,
    end: End,
    values: PhantomData<fn(Out) -> In>,
}

impl<In, Out> WireCodec<In, Out> {
    /// A codec that neither reads nor writes a frame longer than `max_frame`.
    #[must_use]
    pub fn new(end: End, max_frame: usize) -> Self {
        Self { max_frame, end, values: PhantomData }
    }
}

const LENGTH_BYTES: usize = 4;

impl<In: DeserializeOwned, Out> Decoder for WireCodec<In, Out> {
    type Item = In;
    type Error = io::Error;

    /// The header stays in the buffer until the whole frame is there, so an empty buffer means that no frame has begun.
    fn decode(&mut self, src: &mut BytesMut) -> io::Result<Option<In>> {
        let Some(header) = src.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*header) as usize;
        if length > self.max_frame {
            return Err(oversize(length, self.max_frame));
        }
        if src.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        let frame = &mut src[LENGTH_BYTES..LENGTH_BYTES + length];
        let value = match self.end {
            End::Server => with_bounded_deadline(frame).and_then(|request| match request {
                Some(mut shortened) => {
                    let value = decode(&shortened);
                    shortened.zeroize();
                    value
                }
                None => decode(frame),
            }),
            End::Client => decode(frame),
        };
        frame.zeroize();
        src.advance(LENGTH_BYTES + length);
        Ok(Some(value?))
    }
}

impl<In, Out: Serialize> Encoder<Out> for WireCodec<In, Out> {
    type Error = io::Error;

    fn encode(&mut self, value: Out, dst: &mut BytesMut) -> io::Result<()> {
        put_frame(&value, &[], self.max_frame, dst)
    }
}

/// Puts a frame into a buffer: a value, and behind it what is in bytes already. It goes straight there: a buffer of its own for every frame would cost
/// more than the encoding.
///
/// # Errors
/// A frame that would be longer than `max_frame`, or a value whose own `Serialize` fails. Then nothing is put there.
pub fn put_frame<T: Serialize>(
    value: &T,
    rest: &[u8],
    max_frame: usize,
    out: &mut BytesMut,
) -> io::Result<()> {
    let start = out.len();
    out.put_u32(0);
    let mut pieces = Pieces { piece: [0; PIECE], used: 0, out };
    let encoded = bincode::serde::encode_into_writer(value, &mut pieces, config());
    pieces.put();
    let length = out.len() - start - LENGTH_BYTES + rest.len();
    let fault = match (encoded, u32::try_from(length)) {
        (Err(error), _) => CodecError::from(error).into(),
        (Ok(()), Ok(header)) if length <= max_frame => {
            out.put_slice(rest);
            out[start..start + LENGTH_BYTES].copy_from_slice(&header.to_be_bytes());
            return Ok(());
        }
        _ => oversize(length, max_frame),
    };
    out[start..].zeroize();
    out.truncate(start);
    Err(fault)
}

/// Values are encoded in pieces of this many bytes.
const PIECE: usize = 256;

/// Gathers what is encoded, which comes a byte at a time for the most part: each of them in a buffer that can grow costs more than the encoding.
struct Pieces<'a> {
    piece: [u8; PIECE],
    used: usize,
    out: &'a mut BytesMut,
}

impl Pieces<'_> {
    fn put(&mut self) {
        self.out.put_slice(&self.piece[..self.used]);
        self.used = 0;
    }
}

impl Writer for Pieces<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let upto = self.used + bytes.len();
        if let Some(room) = self.piece.get_mut(self.used..upto) {
            room.copy_from_slice(bytes);
            self.used = upto;
        } else {
            self.put();
            self.out.put_slice(bytes);
        }
        Ok(())
    }
}

fn oversize(length: usize, max: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes, where {max} are allowed"))
}

/// The index of `ClientMessage::Request`, whose first field is the time until its deadline in seconds and nanoseconds.
const REQUEST: u32 = 0;

/// The same request with its deadline shortened, or nothing if it needs no shortening.
///
/// tarpc adds the deadline to the present and puts it in a timer wheel; a large one panics in either step, so it must not get there.
fn with_bounded_deadline(frame: &[u8]) -> Result<Option<Vec<u8>>, CodecError> {
    // What does not even start like a request is decoded as what it is, or refused, by the caller.
    let Ok((prefix, used)) = bincode::serde::decode_from_slice::<(u32, u64, u32), _>(frame, config()) else {
        return Ok(None);
    };
    let (variant, seconds, _nanos) = prefix;
    if variant != REQUEST || seconds < REQUEST_DEADLINE.as_secs() {
        return Ok(None);
    }
    let mut shortened = encode(&(REQUEST, REQUEST_DEADLINE.as_secs(), 0_u32))?;
    shortened.extend_from_slice(&frame[used..]);
    Ok(Some(shortened))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::AuthRequest;
    use std::time::{Duration, Instant};
    use tarpc::{ClientMessage, Request, context};

    type Server = WireCodec<ClientMessage<AuthRequest>, String>;

    fn server() -> Server {
        WireCodec::new(End::Server, 1024)
    }

    fn framed(payload: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::new();
        bytes.put_u32(u32::try_from(payload.len()).unwrap());
        bytes.put_slice(payload);
        bytes
    }

    fn request_with_deadline(seconds: u64) -> Vec<u8> {
        let request = Request { context: context::current(), id: 7, message: AuthRequest::Hello {} };
        let bytes = encode(&ClientMessage::Request(request)).unwrap();
        let ((..), used): ((u32, u64, u32), usize) =
            bincode::serde::decode_from_slice(&bytes, config()).unwrap();
        let mut altered = encode(&(REQUEST, seconds, 0_u32)).unwrap();
        altered.extend_from_slice(&bytes[used..]);
        altered
    }

    #[test]
    fn a_long_deadline_is_shortened_before_tarpc_sees_it() {
        for seconds in [60, 61, 3 * 365 * 86_400, u64::MAX] {
            let message = server().decode(&mut framed(&request_with_deadline(seconds))).unwrap().unwrap();
            let ClientMessage::Request(request) = message else { panic!("not a request") };
            assert!(request.context.deadline <= Instant::now() + REQUEST_DEADLINE);
            assert!(matches!(request.message, AuthRequest::Hello {}));
        }
        let message = server().decode(&mut framed(&request_with_deadline(5))).unwrap().unwrap();
        let ClientMessage::Request(request) = message else { panic!("not a request") };
        assert!(
            request.context.deadline <= Instant::now() + Duration::from_secs(5),
            "a short one is left as it is"
        );
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_from_its_header_alone() {
        for length in [1025, u32::MAX] {
            let error = server().decode(&mut BytesMut::from(&length.to_be_bytes()[..])).unwrap_err();
            assert!(error.to_string().contains("1024 are allowed"), "{error}");
        }
    }

    #[test]
    fn e10_half_a_frame_waits_and_takes_nothing_from_the_buffer() {
        let whole = framed(&request_with_deadline(5));
        for cut in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..cut]);
            assert!(server().decode(&mut part).unwrap().is_none());
            assert_eq!(part.len(), cut);
        }
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let mut payload = request_with_deadline(5);
        payload.push(0);
        assert!(
            server().decode(&mut framed(&payload)).unwrap_err().to_string().contains("1 bytes left over")
        );
    }

    #[test]
    fn a_length_bomb_is_refused() {
        let bomb = [0xFD, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
        assert!(matches!(decode::<String>(&bomb), Err(CodecError::Decode(_))));
        assert!(matches!(decode::<Vec<u8>>(&bomb), Err(CodecError::Decode(_))));
    }

    #[test]
    fn an_unknown_method_is_refused() {
        let mut payload = request_with_deadline(5);
        *payload.last_mut().unwrap() = 200;
        assert!(server().decode(&mut framed(&payload)).is_err());
    }

    #[test]
    fn what_would_be_oversize_is_not_written() {
        let mut out = BytesMut::new();
        assert!(server().encode("x".repeat(1025), &mut out).is_err());
        assert!(out.is_empty());
    }
}
