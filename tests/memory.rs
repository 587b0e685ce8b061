//! Hashing takes the memory of its permits and no more, however many ask at once.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use futures_util::future::join_all;
use hallpass_client::admin::ImportUser;
use hallpass_client::{Client, Password};
use support::dice::report;
use support::{Daemon, PASSWORD, add_user, tokens};

const MIB: u64 = 1 << 20;
/// Those who log in at once.
const CROWD: usize = 64;
/// What else may grow while they do: their connections, sessions, and pages of the database that are kept. One more hash would not fit.
const ELSE: u64 = 16 * MIB;

/// A daemon that hashes one password at a time, and some connections to it.
async fn house() -> (Daemon, Vec<Client>) {
    let daemon = Daemon::with_settings("[passwords]\nparallel_hashes = 1\n").await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(daemon.client().await);
    }
    (daemon, clients)
}

fn name(number: usize) -> String {
    format!("user-{number}")
}

/// What the daemon holds once the first of them has logged in, so that the memory of one hash is there already.
async fn after_one_login(daemon: &Daemon, clients: &[Client]) -> u64 {
    tokens(&clients[0], &name(0), PASSWORD).await.unwrap();
    daemon.rss()
}

/// All others log in at once, which must not take much more than was held before.
async fn crowd(daemon: &Daemon, clients: &[Client], others: usize, before: u64, most: u64) {
    let logins = (1..=others).map(async |number| {
        tokens(&clients[number % clients.len()], &name(number), PASSWORD).await.unwrap();
    });
    join_all(logins).await;
    let (peak, after) = (daemon.peak_rss(), daemon.rss());
    report(&format!("{} MiB, {} at the most, {} after", before / MIB, peak / MIB, after / MIB));
    assert!(peak < before + most, "from {before} to {peak} bytes");
}

#[tokio::test]
async fn d6_64_logins_at_once_take_the_memory_of_their_permits() {
    let (daemon, clients) = house().await;
    let admin = daemon.admin().await;
    add_user(&admin, &name(0), PASSWORD, &[]).await;
    let before = after_one_login(&daemon, &clients).await;
    for number in 1..=CROWD {
        add_user(&admin, &name(number), PASSWORD, &[]).await;
    }
    crowd(&daemon, &clients, CROWD, before, ELSE).await;
}

/// What the imported formats need is taken and given back by the threads that hash, so the allocator keeps what a hash or two need, not what all of
/// them need.
#[tokio::test]
async fn d6_imported_hashes_take_no_more_than_one_at_a_time() {
    /// hashlib.scrypt(b"correct horse battery staple", salt=b"saltsaltsaltsalt", n=2**14, r=8, p=1, dklen=32): 16 MiB.
    const SCRYPT: &str =
        "$scrypt$ln=14,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$PJAV4qWLTjSe3lT4xOIAexIMw5uL3hBCiM6HFiXcgrY";
    const IMPORTED: usize = 24;
    let (daemon, clients) = house().await;
    let admin = daemon.admin().await;
    for number in 0..=IMPORTED {
        let hash = Password::new(SCRYPT.to_owned());
        let user = ImportUser { name: name(number), hash: Some(hash), ..ImportUser::default() };
        admin.user_import(user).await.unwrap();
    }
    let before = after_one_login(&daemon, &clients).await;
    crowd(&daemon, &clients, IMPORTED, before, ELSE + 2 * 16 * MIB).await;
}
