//! One end of a connection in bytes, and what an honest caller would send on it.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use hallpass_protocol::admin::AdminRequest;
use hallpass_protocol::auth::{AuthRequest, AuthResponse};
use hallpass_protocol::codec::{decode, encode};
use hallpass_protocol::hello::{MAGIC, Service, VERSION};
use hallpass_protocol::limits::{HELLO_DEADLINE, REQUEST_DEADLINE};
use serde::Serialize;
use tarpc::{ClientMessage, Request, Response, context};

use crate::support::{PATIENCE, POLL};

/// Longest wait for an honest caller's answer, connecting included.
pub(crate) const PROMPT: Duration = Duration::from_secs(1);
/// How much later than its deadline something may happen on a busy machine.
pub(crate) const SLACK: Duration = Duration::from_secs(3);

pub(crate) struct Raw(pub(crate) UnixStream);

/// How a connection went on after an attack.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// It was ended, after these bytes.
    Closed(Vec<u8>),
    /// It was still open after the wait.
    Open,
}

impl Raw {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the daemon listens");
        stream.set_write_timeout(Some(PROMPT)).expect("a timeout");
        Self(stream)
    }

    /// A connection that has said hello and was welcomed.
    pub(crate) fn introduced(socket: &Path, service: Service) -> Self {
        let mut raw = Self::connect(socket);
        raw.send(&hello(service as u8, VERSION));
        let (status, sentence) = raw.welcome();
        assert_eq!(status, 0, "{sentence}");
        raw
    }

    /// Sends what the other side still takes: it may have ended the connection in the middle.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends as much as there is room for, from this place on and over again, and says whether the other side is still there.
    pub(crate) fn pour(&mut self, bytes: &[u8], at: &mut usize) -> bool {
        (0..100).all(|_| self.some(bytes, at, bytes.len()))
    }

    /// The same with a few bytes.
    pub(crate) fn drip(&mut self, bytes: &[u8], at: &mut usize) -> bool {
        self.some(bytes, at, 64)
    }

    fn some(&mut self, bytes: &[u8], at: &mut usize, most: usize) -> bool {
        self.0.set_nonblocking(true).expect("a mode");
        let end = bytes.len().min(*at + most);
        match self.0.write(&bytes[*at..end]) {
            Ok(count) => *at = (*at + count) % bytes.len(),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
        true
    }

    /// The daemon's answer to a hello.
    pub(crate) fn welcome(&mut self) -> (u8, String) {
        self.0.set_read_timeout(Some(HELLO_DEADLINE + SLACK)).expect("a timeout");
        let mut answer = [0; 13];
        self.0.read_exact(&mut answer).expect("an answer to the hello");
        assert_eq!(answer[..8], MAGIC);
        let mut sentence = vec![0; usize::from(u16::from_be_bytes([answer[11], answer[12]]))];
        self.0.read_exact(&mut sentence).expect("the whole sentence");
        (answer[10], String::from_utf8(sentence).expect("words"))
    }

    /// The answer to a request, unless the connection has ended.
    pub(crate) fn try_answer(&mut self) -> Option<Vec<u8>> {
        self.0.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut length = [0; 4];
        self.0.read_exact(&mut length).ok()?;
        let mut payload = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some(payload)
    }

    /// The answer to a request.
    pub(crate) fn answer(&mut self) -> Response<AuthResponse> {
        decode(&self.try_answer().expect("an answer")).expect("an answer of the service")
    }

    /// Waits for the connection to end.
    pub(crate) fn end(&mut self, within: Duration) -> End {
        let (give_up, mut bytes, mut buffer) = (Instant::now() + within, Vec::new(), [0; 4096]);
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            self.0.set_read_timeout(Some(left.max(POLL))).expect("a timeout");
            match self.0.read(&mut buffer) {
                Ok(0) => return End::Closed(bytes),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return End::Open,
                // The daemon closed with bytes of ours unread.
                Err(_) => return End::Closed(bytes),
            }
        }
    }
}

pub(crate) fn hello(service: u8, version: u16) -> Vec<u8> {
    [&MAGIC[..], &[service], &version.to_be_bytes()].concat()
}

pub(crate) fn framed(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small payload");
    [&length.to_be_bytes()[..], payload].concat()
}

pub(crate) fn payload<T: Serialize>(id: u64, message: T) -> Vec<u8> {
    asked_in(context::current(), id, message)
}

/// The payload of a request that waits as long as the daemon lets it: for what takes its time, on a machine that has other work.
pub(crate) fn patient<T: Serialize>(id: u64, message: T) -> Vec<u8> {
    let mut context = context::current();
    context.deadline = Instant::now() + REQUEST_DEADLINE;
    asked_in(context, id, message)
}

fn asked_in<T: Serialize>(context: context::Context, id: u64, message: T) -> Vec<u8> {
    encode(&ClientMessage::Request(Request { context, id, message })).expect("a request can be encoded")
}

/// What takes a request back.
pub(crate) fn cancel(request_id: u64) -> Vec<u8> {
    let trace_context = context::current().trace_context;
    encode(&ClientMessage::<AuthRequest>::Cancel { trace_context, request_id })
        .expect("a message can be encoded")
}

/// The payload of a service's first call, which has no arguments, and its length without the method at its end.
pub(crate) fn plain(service: Service) -> (Vec<u8>, usize) {
    let payload = match service {
        Service::Auth => payload(7, AuthRequest::Hello {}),
        Service::Admin => payload(7, AdminRequest::Status {}),
    };
    let method = payload.len() - 1;
    (payload, method)
}

/// A call with another method and what follows it.
pub(crate) fn call(service: Service, method: u8, arguments: &[u8]) -> Vec<u8> {
    let (payload, end) = plain(service);
    framed(&[&payload[..end], &[method], arguments].concat())
}

/// A plain call that wants to be worked on for so long.
pub(crate) fn call_with_deadline(id: u64, seconds: u64, nanos: u32) -> Vec<u8> {
    let payload = payload(id, AuthRequest::Hello {});
    let start = |seconds: u64, nanos: u32| encode(&(0_u32, seconds, nanos)).expect("numbers");
    // The deadline of a request is what is left of it when it is written: somewhat less than ten seconds.
    let given = payload.iter().skip(2).take(5).copied().collect::<Vec<_>>();
    assert_eq!((payload[0], payload[1], given[0]), (0, 9, 0xFC), "tarpc writes its deadline otherwise now");
    framed(&[&start(seconds, nanos)[..], &payload[7..]].concat())
}

/// Bytes that look random and are the same in each run.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}
