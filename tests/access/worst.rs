//! What an app does that does its worst: connections as fast as it can, garbage, half frames, answers that it never reads, and as many logins at once as
//! one connection carries.

use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hallpass_client::SessionKind;
use hallpass_protocol::auth::AuthRequest;
use hallpass_protocol::hello::{Service, VERSION};

use crate::raw::{Raw, framed, hello, noise, payload, plain};
use crate::support::dice::Dice;
use crate::support::{PASSWORD, PATIENCE, login};

/// Connections that it keeps half open.
const HELD: usize = 100;
/// Connections whose answers it never reads.
const DEAF: usize = 16;
/// Logins that are under way at any moment.
const LOGINS: usize = 64;

/// Does all of it until it is told to stop.
pub(crate) fn do_it(socket: &Path, stop: &AtomicBool) {
    std::thread::scope(|scope| {
        scope.spawn(|| keep_connecting(socket, stop));
        scope.spawn(|| never_read(socket, stop));
        scope.spawn(|| keep_logging_in(socket, stop));
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

fn is_welcome(raw: &mut Raw) -> bool {
    let mut answer = [0; 13];
    raw.0.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    raw.0.read_exact(&mut answer).is_ok() && answer[10] == 0
}
