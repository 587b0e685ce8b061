//! A verification that is told from memory allocates nothing, and a flood of tokens that are none leaves nothing behind.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::alloc::System;
use std::hint::black_box;
use std::time::Duration;

use hallpass_client::{ErrorClass, Needs, Token, Verifier, Way};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{Daemon, PASSWORD, add_user, cookie, tokens};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many bad tokens of each kind the flood has. The documented long run has five million of each.
const FLOOD: &str = "HALLPASS_FLOOD";

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
    let verifier = Verifier::builder().deadline(Duration::from_secs(5)).connect(daemon.socket()).unwrap();
    let access = tokens(&client, "ann", PASSWORD).await.unwrap().access;
    let good = [access, cookie(&client, "ann", PASSWORD).await.unwrap().0];
    for token in &good {
        verifier.verify(token.expose()).unwrap();
        assert_eq!(verifier.verify(token.expose()).unwrap().way(), Way::Memory);
        let needs = Needs { roles: vec!["editor".into()], ..Needs::default() };
        let hits = || {
            let region = Region::new(ALLOCATOR);
            for _ in 0..10_000 {
                let roles = verifier.verify_with(token.expose(), &needs, None, |bearer| bearer.roles().len());
                black_box(roles.unwrap());
            }
            region.change().allocations
        };
        hits();
        // The thread that asks the daemon may do something of its own now and then, but not each time.
        assert_eq!((0..10).map(|_| hits()).min(), Some(0));
    }

    let each: u64 = std::env::var(FLOOD).map_or(20_000, |text| text.parse().expect("a number"));
    let refused = |number: u64, from: &Token| {
        let text = forged(from.expose(), number);
        let class = verifier.verify(&text).unwrap_err().class();
        assert_eq!(class, ErrorClass::Invalid);
    };
    // What a flood takes up by being one, it takes up at its beginning.
    for number in 0..each / 10 {
        for from in &good {
            refused(number, from);
        }
    }
    let (before, held) = (rss(), verifier.cached_bytes());
    for number in each / 10..each {
        for from in &good {
            refused(number, from);
        }
        for token in &good {
            assert_eq!(verifier.verify(token.expose()).unwrap().way(), Way::Memory);
        }
    }
    assert_eq!(verifier.cached_bytes(), held);
    let grown = rss().saturating_sub(before);
    assert!(grown < 2_048, "the flood left {grown} KiB");
    daemon.stop().await;
}
