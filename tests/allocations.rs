//! A verification that is told from memory allocates nothing, and a flood of tokens that are none leaves nothing behind.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::alloc::System;
use std::hint::black_box;
use std::io::Write;
use std::ops::Range;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use futures_util::future::join_all;
use hallpass_client::{ErrorClass, Needs, Token, Verifier, Way};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{Daemon, PASSWORD, POLL, add_user, cookie, tokens};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many bad tokens of each kind the flood has. The documented long run has five million of each.
const FLOOD: &str = "HALLPASS_FLOOD";
/// Bad session tokens that are asked about at once: they go to the daemon in a few messages.
const AT_ONCE: usize = 64;

/// Memory of this process in KiB.
fn rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A text like this one but for some of its last characters, another for each number.
fn forged(token: &str, number: u64) -> String {
    let digits = format!("{number:012}");
    let cut = token.len() - 40;
    let middle = &token[cut + 12..];
    format!("{}{digits}{middle}", &token[..cut])
}

// In one test, since every thread of the process is counted.
#[tokio::test]
async fn what_is_held_costs_no_allocation_and_what_is_bad_leaves_none() {
    // A long flood must not outlive what is good.
    let mut daemon = Daemon::with_settings("[lifetimes]\naccess = \"1h\"\n").await;
    add_user(&daemon.admin().await, "ann", PASSWORD, &["editor"]).await;
    let client = daemon.client().await;
    let builder = Verifier::builder().deadline(Duration::from_secs(30));
    let verifier = builder.clone().connect(daemon.socket()).unwrap();
    let reporting = builder.report_every(Duration::from_secs(1)).connect(daemon.socket()).unwrap();
    let access = tokens(&client, "ann", PASSWORD).await.unwrap().access;
    let good = [access, cookie(&client, "ann", PASSWORD).await.unwrap().0];
    for (verifier, token) in [&verifier, &reporting]
        .into_iter()
        .flat_map(|verifier| good.each_ref().map(|token| (verifier, token)))
    {
        verifier.verify(token.expose()).unwrap();
        assert_eq!(verifier.verify(token.expose()).unwrap().way(), Way::Memory);
        let needs = Needs { roles: vec!["editor".into()], ..Needs::default() };
        let hits = || {
            let region = Region::new(ALLOCATOR);
            for _ in 0..10_000 {
                let roles = verifier.verify_with(token.expose(), &needs, None, |bearer| bearer.roles().len());
                black_box(roles.unwrap());
                black_box(verifier.verify_for(token.expose(), &needs).unwrap().roles().len());
            }
            region.change().allocations
        };
        hits();
        // The thread that asks the daemon may do something of its own now and then, but not each time.
        assert_eq!((0..10).map(|_| hits()).min(), Some(0));
    }

    let each: u64 = std::env::var(FLOOD).map_or(20_000, |text| text.parse().expect("a number"));
    // What a flood takes up by being one, it takes up at its beginning.
    flood(&verifier, &good, 0..each / 10);
    let (before, held) = (rss(), verifier.cached_bytes());
    let hits = flood(&verifier, &good, each / 10..each);
    let grown = rss().saturating_sub(before);
    writeln!(std::io::stdout(), "{each} bad tokens of each kind: {hits} hits meanwhile, {grown} KiB left")
        .unwrap();
    assert_eq!(verifier.cached_bytes(), held);
    assert!(grown < 2_048, "the flood left {grown} KiB");
    daemon.stop().await;
}

/// Shows bad tokens with these numbers, of both kinds at the same time, while somebody goes on verifying the good ones, which must go by memory. Gives how
/// often they did.
fn flood(verifier: &Verifier, good: &[Token; 2], numbers: Range<u64>) -> u64 {
    let [access, session] = good;
    let check_signatures = || {
        for number in numbers.clone() {
            let refused = verifier.verify(&forged(access.expose(), number)).unwrap_err();
            assert_eq!(refused.class(), ErrorClass::Invalid);
        }
    };
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for first in numbers.clone().step_by(AT_ONCE) {
            let these = first..numbers.end.min(first + AT_ONCE as u64);
            let tokens: Vec<_> = these.map(|number| forged(session.expose(), number)).collect();
            let needs = Needs::default();
            let asked = tokens.iter().map(|token| verifier.verify_async(token, &needs, None));
            for refused in runtime.block_on(join_all(asked)) {
                assert_eq!(refused.unwrap_err().class(), ErrorClass::Invalid);
            }
        }
    };
    std::thread::scope(|scope| {
        let flooding = [scope.spawn(check_signatures), scope.spawn(ask)];
        let mut hits = 0;
        while !flooding.iter().all(ScopedJoinHandle::is_finished) {
            for token in good {
                assert_eq!(verifier.verify(token.expose()).unwrap().way(), Way::Memory);
                hits += 1;
            }
            std::thread::sleep(POLL);
        }
        hits
    })
}
