//! What an app does that does its worst: connections as fast as it can, garbage, half frames, answers that it never reads, and as many logins at once as
//! one connection carries, and requests that are as good as anybody's, as many as are answered.

use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use hallpass_client::SessionKind;
use hallpass_protocol::auth::{AuthRequest, AuthResponse, Needs, Verify};
use hallpass_protocol::hello::{Service, VERSION};
use hallpass_protocol::limits::VERIFY_BATCH;
use hallpass_protocol::secret::Token;

use crate::raw::{Raw, framed, hello, noise, payload, plain};
use crate::support::dice::Dice;
use crate::support::{PASSWORD, PATIENCE, login};

/// Connections that it keeps half open.
const HELD: usize = 100;
/// Connections whose answers it never reads.
const DEAF: usize = 16;
/// Connections that verify as much as they can.
const ASKING: usize = 16;
/// Logins that are under way at any moment.
pub(crate) const LOGINS: u32 = 64;

/// Does all of it until it is told to stop.
pub(crate) fn do_it(socket: &Path, stop: &AtomicBool) {
    std::thread::scope(|scope| {
        scope.spawn(|| keep_connecting(socket, stop));
        scope.spawn(|| never_read(socket, stop));
        scope.spawn(|| keep_logging_in(socket, stop));
        scope.spawn(|| keep_asking(socket, stop));
    });
}

/// The connections there are room for are full most of the time, so that most of these are sent away.
fn keep_connecting(socket: &Path, stop: &AtomicBool) {
    let greeting = hello(Service::Auth as u8, VERSION);
    let request = framed(&plain(Service::Auth).0);
    let (mut dice, mut held) = (Dice::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let Ok(stream) = std::os::unix::net::UnixStream::connect(socket) else { continue };
        let mut raw = Raw(stream);
        match dice.below(5) {
            0 => {}
            1 => raw.send(&noise(dice.next(), 500)),
            2 => raw.send(&greeting[..5]),
            3 => raw.send(&[&greeting[..], &request[..7]].concat()),
            _ => raw.send(&[&greeting[..], &framed(&noise(dice.next(), 300))].concat()),
        }
        held.push(raw);
        if held.len() > HELD {
            let at = usize::try_from(dice.below(HELD as u64)).expect("one of them");
            held.swap_remove(at);
        }
    }
}

fn never_read(socket: &Path, stop: &AtomicBool) {
    let greeting = hello(Service::Auth as u8, VERSION);
    let requests: Vec<u8> = (0..1000).flat_map(|id| framed(&payload(id, AuthRequest::Jwks {}))).collect();
    let mut deaf: Vec<(Raw, usize)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        while deaf.len() < DEAF {
            let Ok(stream) = std::os::unix::net::UnixStream::connect(socket) else { break };
            let mut raw = Raw(stream);
            raw.send(&greeting);
            deaf.push((raw, 0));
        }
        deaf.retain_mut(|(raw, at)| raw.drip(&requests, at));
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn keep_logging_in(socket: &Path, stop: &AtomicBool) {
    let mut number = 0;
    'anew: while !stop.load(Ordering::Relaxed) {
        let Ok(stream) = std::os::unix::net::UnixStream::connect(socket) else { continue };
        let mut raw = Raw(stream);
        raw.send(&hello(Service::Auth as u8, VERSION));
        let mut log_in = |raw: &mut Raw| {
            number += 1;
            let request = login(&format!("nobody-{number}"), PASSWORD, SessionKind::Token);
            raw.send(&framed(&payload(number, AuthRequest::Login { request })));
        };
        if !is_welcome(&mut raw) {
            continue;
        }
        (0..LOGINS).for_each(|_| log_in(&mut raw));
        while !stop.load(Ordering::Relaxed) {
            if raw.try_answer().is_none() {
                continue 'anew;
            }
            log_in(&mut raw);
        }
    }
}

/// Connections with as much to verify as a call can have, each asked again as soon as it has answered. Half of the tokens name the key that signs, so
/// that their signatures have to be looked at.
fn keep_asking(socket: &Path, stop: &AtomicBool) {
    let mut raw = Raw::introduced(socket, Service::Auth);
    raw.send(&framed(&payload(1, AuthRequest::Jwks {})));
    let Ok(AuthResponse::Jwks(Ok(published))) = raw.answer().message else {
        unreachable!("keys are for everybody")
    };
    let keys: serde_json::Value = serde_json::from_str(&published.jwks).expect("a key set");
    let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":{}}}"#, keys["keys"][0]["kid"]);
    // By another key: what is wrong with it comes out at the end of the work.
    let signature = SigningKey::from_bytes(&[1; 32]).sign(b"something else").to_bytes();
    let part = Base64UrlUnpadded::encode_string;
    let signed = format!("{}.e30.{}", part(header.as_bytes()), part(&signature));
    let calls = [(signed, 64), (format!("hps_{}", "A".repeat(67)), VERIFY_BATCH)].map(|(token, count)| {
        let verify = Verify { token: Token::new(token), needs: Needs::default(), context: None };
        framed(&payload(2, AuthRequest::VerifyMany { requests: vec![verify; count] }))
    });
    let mut asking: Vec<Raw> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        while asking.len() < ASKING {
            let Ok(stream) = std::os::unix::net::UnixStream::connect(socket) else { break };
            let mut raw = Raw(stream);
            raw.send(&hello(Service::Auth as u8, VERSION));
            if is_welcome(&mut raw) {
                asking.push(raw);
            }
        }
        for (number, raw) in asking.iter_mut().enumerate() {
            raw.send(&calls[number % calls.len()]);
        }
        asking.retain_mut(|raw| raw.try_answer().is_some());
    }
}

fn is_welcome(raw: &mut Raw) -> bool {
    let mut answer = [0; 13];
    raw.0.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    raw.0.read_exact(&mut answer).is_ok() && answer[10] == 0
}
