//! How many guesses an attacker has, found by letting one try whenever they may for a day, under the settings that are shipped.
//!
//! `HALLPASS_THROTTLE_CONFIG` names another configuration to print the numbers of.

use std::io::Write;
use std::time::Duration;

use hallpass_protocol::id::{DeviceId, UserId};

use super::Config;
use crate::domain::command::{Command, Login};
use crate::domain::effect::Outcome;
use crate::domain::fixture::{World, user};
use crate::domain::throttle::{Source, ThrottlePolicy};

const DAY: Duration = Duration::from_hours(24);

/// How many passwords are looked at in a day, if somebody tries as soon as they may, each time as this says.
fn guesses(policy: ThrottlePolicy, mut next: impl FnMut(&mut World, u64) -> Login) -> u64 {
    let mut world = World::new();
    world.policy.throttle = policy;
    let (end, mut looked_at, mut tries) = (world.at.now.plus(DAY), 0, 0);
    while world.at.now < end {
        let login = next(&mut world, tries);
        tries += 1;
        let outcome = world.decide(&Command::Attempt(login)).outcome;
        let Ok(Outcome::Attempt(attempt)) = outcome else { unreachable!("every try is answered") };
        looked_at += u64::from(attempt.credential.is_some());
        if !attempt.allowed {
            world.after(attempt.retry_after);
        } else if attempt.credential.is_none() {
            // Locked: nothing that they try counts any more, so they try again later.
            world.after(Duration::from_mins(1));
        }
    }
    looked_at
}

fn from(address: String) -> Login {
    let source = Source { app: "shop".into(), address };
    Login { name: "alice".into(), source, device: None, session: None }
}

/// Has the next try be at an account that was not tried before.
fn another_account(world: &mut World, number: u64) {
    let id = [&number.to_be_bytes()[..], &[0; 8]].concat();
    world.user().id = UserId::from_bytes(id.try_into().unwrap());
}

struct Guesses {
    one_account: u64,
    one_account_many_addresses: u64,
    stolen_device: u64,
    many_accounts: u64,
    no_addresses: u64,
}

fn simulate(policy: ThrottlePolicy) -> Guesses {
    let one = || "192.0.2.1".to_owned();
    Guesses {
        one_account: guesses(policy, |_, _| from(one())),
        one_account_many_addresses: guesses(policy, |_, number| from(format!("address {number}"))),
        stolen_device: guesses(policy, |_, _| Login {
            device: Some((user().id, DeviceId::from_bytes([5; 16]))),
            ..from(one())
        }),
        many_accounts: guesses(policy, |world, number| {
            another_account(world, number);
            Login { name: format!("user{number}"), ..from(one()) }
        }),
        no_addresses: guesses(policy, |world, number| {
            another_account(world, number);
            Login { name: format!("user{number}"), ..from(String::new()) }
        }),
    }
}

/// The numbers that SECURITY.md states, and no other.
#[test]
fn d2_d4_an_attacker_has_the_guesses_a_day_that_are_documented() {
    let shipped = include_str!("../../../packaging/hallpass.toml").to_owned();
    let other = std::env::var_os("HALLPASS_THROTTLE_CONFIG");
    let text = other.as_ref().map_or(shipped, |path| std::fs::read_to_string(path).unwrap());
    let found = simulate(Config::parse(&text).unwrap().policy().throttle);
    let rows = [
        ("one account, from one address", found.one_account),
        ("one account, from any number of addresses", found.one_account_many_addresses),
        ("one account, with a stolen device token of its user", found.stolen_device),
        ("any number of accounts, from one address", found.many_accounts),
        ("any number of accounts, through an app that tells no addresses", found.no_addresses),
    ];
    let table: Vec<_> =
        rows.iter().map(|(of, guesses)| format!("| {of} | {} |", thousands(*guesses))).collect();
    let _ = writeln!(std::io::stderr(), "guesses a day:\n{}", table.join("\n"));
    if other.is_none() {
        let documented = include_str!("../../../SECURITY.md");
        for row in table {
            assert!(documented.contains(&row), "SECURITY.md does not say: {row}");
        }
    }
}

fn thousands(number: u64) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", number / 1000, number % 1000) }
}
