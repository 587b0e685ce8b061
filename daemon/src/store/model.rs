//! Random commands, moves of the clock and restarts, done by the real store and told a second time in plain maps.
//!
//! `HALLPASS_MODEL_CASES` says how many sequences are tried and `HALLPASS_MODEL_SEED` which; a failure names its seed and is shrunk to the
//! shortest sequence that shows it. After every command: the outcome is the reference's, at most one refresh token of a family advances it,
//! nothing that was taken back verifies, no absolute end moves, no identifier comes twice, and the audit chain tells of it.

mod commands;
mod compact;
mod disk;
mod driver;
mod flips;
mod full;
pub(super) mod house;
mod power;
mod reference;
mod seen;

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use driver::Driver;
use seen::Seen;

/// What so many sequences must have met, or they test less than they say.
const MUST_HAPPEN: [&str; 22] = [
    "user.add ok",
    "user.remove ok",
    "user.disable ok",
    "user.password ok",
    "login ok",
    "login invalid_credentials",
    "evicted",
    "rotated",
    "refresh.retry ok",
    "refresh.reuse reused",
    "refresh.rollback revoked",
    "refresh.other_app invalid_token",
    "refresh expired",
    "refresh revoked",
    "refresh reused",
    "session.revoke ok",
    "session.revoke not_found",
    "user.revoke ok",
    "everything.revoke ok",
    "touched",
    "swept",
    "restarted",
];

/// One step of a sequence. Numbers name users, apps and sessions by their place among those there are.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// Time goes by.
    Wait(u64),
    /// The wall clock is set, by milliseconds; time itself stands still.
    SetClock(i64),
    /// The daemon stops and starts again, after a while.
    Restart(u64),
    /// Adds a user.
    Add(usize),
    /// Changes a user.
    Change(usize, Change),
    /// Begins a login, from a known device or not.
    Begin { name: usize, app: usize, device: bool },
    /// Ends a login that was begun, with the right password or not.
    Settle { pending: usize, right: bool, cookie: bool },
    /// Both, with nothing between.
    Login { name: usize, app: usize, device: bool, right: bool, cookie: bool },
    /// Shows a refresh token.
    Refresh { session: usize, which: Which, own: bool, attempt: Option<u8> },
    /// Ends one session.
    RevokeSession { session: usize, own: bool },
    /// Ends a user's sessions with an app, all or all but one.
    RevokeOfApp { session: usize, app: usize, but_it: bool },
    /// Ends a user's sessions.
    RevokeUser(usize),
    /// Ends every session.
    RevokeEverything,
    /// Writes use down.
    Touch(usize),
    /// Removes what is over.
    Sweep,
}

/// A change of a user.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Enable,
    Disable,
    Password,
    Roles(u8),
    Remove,
}

/// Which of a family's tokens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    Current,
    Parent,
    Older,
    Ahead(u32),
}

fn while_() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 1_u64..5_000,
        3 => 29_990_u64..30_010,
        2 => 5_000_u64..70_000,
        1 => 599_900_u64..600_100,
        1 => 1_190_000_u64..1_210_000,
        1 => 1_790_000_u64..1_810_000,
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => Just(Change::Enable),
        3 => Just(Change::Disable),
        2 => Just(Change::Password),
        2 => (0_u8..4).prop_map(Change::Roles),
        1 => Just(Change::Remove),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        12 => Just(Which::Current),
        6 => Just(Which::Parent),
        1 => Just(Which::Older),
        1 => (1_u32..3).prop_map(Which::Ahead),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let attempt = prop_oneof![Just(None), (1_u8..3).prop_map(Some)];
    let own = || prop::bool::weighted(0.95);
    prop_oneof![
        10 => while_().prop_map(Op::Wait),
        1 => (-90_000_000_i64..4_000_000).prop_map(Op::SetClock),
        1 => (0_u64..40_000).prop_map(Op::Restart),
        2 => (0_usize..4).prop_map(Op::Add),
        4 => (0_usize..3, change()).prop_map(|(name, change)| Op::Change(name, change)),
        2 => (0_usize..4, 0_usize..2, any::<bool>())
            .prop_map(|(name, app, device)| Op::Begin { name, app, device }),
        3 => (0_usize..4, own(), any::<bool>())
            .prop_map(|(pending, right, cookie)| Op::Settle { pending, right, cookie }),
        9 => (0_usize..3, 0_usize..2, any::<bool>(), own(), prop::bool::weighted(0.25))
            .prop_map(|(name, app, device, right, cookie)| Op::Login { name, app, device, right, cookie }),
        30 => (0_usize..6, which(), own(), attempt)
            .prop_map(|(session, which, own, attempt)| Op::Refresh { session, which, own, attempt }),
        2 => (0_usize..6, own()).prop_map(|(session, own)| Op::RevokeSession { session, own }),
        1 => (0_usize..6, 0_usize..2, any::<bool>())
            .prop_map(|(session, app, but_it)| Op::RevokeOfApp { session, app, but_it }),
        1 => (0_usize..4).prop_map(Op::RevokeUser),
        1 => Just(Op::RevokeEverything),
        3 => (0_usize..6).prop_map(Op::Touch),
        3 => Just(Op::Sweep),
    ]
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn the_store_does_what_plain_maps_do() {
    let cases = from_environment("HALLPASS_MODEL_CASES", 300);
    let seed = from_environment("HALLPASS_MODEL_SEED", 20_261_121);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let config = Config {
        cases: u32::try_from(cases).unwrap(),
        failure_persistence: None,
        max_shrink_iters: 1_500,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let happened = RefCell::new(Seen::default());
    let sequence = prop::collection::vec(op(), 1..120);
    if let Err(error) = runner.run(&sequence, |ops| {
        let mut driver = Driver::new();
        ops.iter().try_for_each(|op| driver.step(op))?;
        driver.finish(&mut happened.borrow_mut())
    }) {
        panic!("HALLPASS_MODEL_SEED={seed} HALLPASS_MODEL_CASES={cases}: {error}");
    }
    if cases >= 300 {
        happened.borrow().all_of(&MUST_HAPPEN);
    }
}
