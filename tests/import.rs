//! Moving in: users whose hashes other programs have made log in with the passwords they know, and are hashed as everybody from then on.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use hallpass_client::{ErrorCode, Needs};
use hallpass_protocol::codec::decode;
use hallpass_protocol::id::UserId;
use hallpass_protocol::time::{Millis, Stamp};
use redb::{ReadOnlyDatabase, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Deserialize;
use support::{Daemon, PASSWORD, clear_environment, tokens};

/// Hashes of [`PASSWORD`]: who has it, what the format is called, and the hash as the tool wrote it.
const TAKEN: [(&str, &str, &str); 19] = [
    // argon2-cffi 25.1: PasswordHasher, of type ID, I and D
    (
        "argon2-cffi",
        "argon2id",
        "$argon2id$v=19$m=8192,t=2,p=4$IzU+QNhRpL7849zDTlsZVg$9/8nEe/lxd0YMQosaozwEaCWdkFA4feb296mUdrnU+s",
    ),
    (
        "argon2-cffi-i",
        "argon2i",
        "$argon2i$v=19$m=8192,t=3,p=1$VWFB3lRbZlDzho/kdHgNcg$aG/8dj0haA9op3faCqFljrh8ei4jYCXrc+Pn8HzFUt4",
    ),
    (
        "argon2-cffi-d",
        "argon2d",
        "$argon2d$v=19$m=8192,t=3,p=1$bjghbvEVg6bZng+JsdfCsw$KclnZYt/6rNKleG0cDmtFb6otC7wsQ3ODmz5wqBRKww",
    ),
    // the command argon2 of the reference code, 20171227: argon2 saltsaltsaltsalt -id -t 3 -k 4096 -p 1 -e
    (
        "argon2",
        "argon2id",
        "$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$nnBLarf35YhYOqvM3X2mbtm40BH517tO8antbl+XJjE",
    ),
    // bcrypt 4.0 for Python: hashpw with prefixes 2b and 2a
    ("bcrypt-2b", "bcrypt", "$2b$08$x/VA0WJpuNYpqP5U1SjAz.IF/m6UAbaNP/S93wkERbJShFnAyc5Si"),
    ("bcrypt-2a", "bcrypt", "$2a$08$FQREkxU.gfeD29doIiIsau1pLbFzX5Uj.pHuSsnPc3n6Ra0QJDQqK"),
    // htpasswd of Apache 2.4.67: htpasswd -nB -C 8
    ("htpasswd-bcrypt", "bcrypt", "$2y$08$CeaWc4n5NfdED/cw6O4ELO8pqC8Bkb.A9./EDSHdnGtMMsezTPkTK"),
    // passlib 1.7.4: bcrypt, scrypt, pbkdf2_sha256 and pbkdf2_sha512
    ("passlib-bcrypt", "bcrypt", "$2b$08$/IsaGlmC4WyvO/ZwBFalD.BEDC7SmjftwgPNqOB93Kdo7mZj.cCOG"),
    (
        "passlib-scrypt",
        "scrypt",
        "$scrypt$ln=12,r=8,p=1$ZwxB6D1HKMWYkzIGAGDsvQ$ensMUVbR+jdW4jgE0ICGWUVImu9JmRLuR20HaLL7j2c",
    ),
    (
        "passlib-pbkdf2-sha256",
        "pbkdf2-sha256",
        "$pbkdf2-sha256$29000$x5iT8v6fE0JICQGAkJJyrg$M6YBGpmAmohyAgtsFS/6Z3uybAeHFVj2rK6Gstpt9RI",
    ),
    (
        "passlib-pbkdf2-sha512",
        "pbkdf2-sha512",
        "$pbkdf2-sha512$25000$DUGIsZbSGmPMWauVUirlfA$6sl/yfyuqbgQUfoOqNiHUjuypjoVcXVwBRMroqnabEv0ioqAstpwF3Rjv3cn/Zvre2B8pFZfFO2YYY4DZZgb3w",
    ),
    // OpenSSL 3.0.19: openssl kdf PBKDF2 and SCRYPT, put into the PHC form by hand
    (
        "openssl-pbkdf2-sha256",
        "pbkdf2-sha256",
        "$pbkdf2-sha256$i=20000,l=32$Gtve/5bDx1TIS+8bwFqlPA$7EW71PKJ2CApUYa1GJJyAuVs+SBE3yeUSUw01v4yHXA",
    ),
    (
        "openssl-pbkdf2-sha512",
        "pbkdf2-sha512",
        "$pbkdf2-sha512$i=20000,l=64$Gtve/5bDx1TIS+8bwFqlPA$Q9dVdOD0c4ysKQVF2DuzRIZyiQ41oA/0KPzHymXbn0EQIEPPlsgrgJT2lEfSNu3ND+q3A+pyfqGny69WkK5SJA",
    ),
    (
        "openssl-scrypt",
        "scrypt",
        "$scrypt$ln=12,r=8,p=1$Gtve/5bDx1TIS+8bwFqlPA$GP+r4yksU1CL71uEGlngtImoBaBFBYG8Tb9TpOQckkg",
    ),
    // Django 5.2: every hasher of its that is taken
    (
        "django-pbkdf2-sha256",
        "pbkdf2-sha256",
        "pbkdf2_sha256$30000$CEbw1gu8DjWrtP0e75wfJG$JH+GuIK8FjYdNAkLL47kQSak5rNTDOnF+hennueps74=",
    ),
    (
        "django-bcrypt-sha256",
        "bcrypt-sha256",
        "bcrypt_sha256$$2b$08$gJ1LJWgyxnz5HoK9t9xg4eEXTtwNdaQruGtfPrKKK9oOh79ZvA/bu",
    ),
    ("django-bcrypt", "bcrypt", "bcrypt$$2b$08$MEm8PeUaT81GZqZ7aN4XguP5A924uAgx8WPVkXnPOfc49BnsC8r2S"),
    (
        "django-argon2id",
        "argon2id",
        "argon2$argon2id$v=19$m=8192,t=2,p=2$cHlSNWVnd2dOa01KQ2RWWmV1MVdEZQ$VYe74YDYG4gIyCm0RIl/XRWh6psI+TjUaQwZsl+c7wo",
    ),
    (
        "django-scrypt",
        "scrypt",
        "scrypt$4096$GxSIVyP9hhCSCTEBASwxgn$8$5$ddlwq+F45LP96wxQi2ORm5C1WF4n5kVAupaVfP56pOLQ5sJkYzv3hZQHxTswgaD03HSU6X9Ph0/z3+GYepb2/w==",
    ),
];

/// Hashes that nobody could check: 4 GiB, more than four thousand million passes, and what comes to the same elsewhere.
const BOMBS: [&str; 7] = [
    "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$nnBLarf35YhYOqvM3X2mbtm40BH517tO8antbl+XJjE",
    "$argon2id$v=19$m=4096,t=4294967295,p=1$c2FsdHNhbHRzYWx0c2FsdA$nnBLarf35YhYOqvM3X2mbtm40BH517tO8antbl+XJjE",
    "argon2$argon2id$v=19$m=4194304,t=2,p=2$cHlSNWVnd2dOa01KQ2RWWmV1MVdEZQ$VYe74YDYG4gIyCm0RIl/XRWh6psI+TjUaQwZsl+c7wo",
    "$2b$31$x/VA0WJpuNYpqP5U1SjAz.IF/m6UAbaNP/S93wkERbJShFnAyc5Si",
    "$scrypt$ln=22,r=8,p=1$ZwxB6D1HKMWYkzIGAGDsvQ$ensMUVbR+jdW4jgE0ICGWUVImu9JmRLuR20HaLL7j2c",
    "scrypt$4194304$GxSIVyP9hhCSCTEBASwxgn$8$5$ddlwq+F45LP96wxQi2ORm5C1WF4n5kVAupaVfP56pOLQ5sJkYzv3hZQHxTswgaD03HSU6X9Ph0/z3+GYepb2/w==",
    "$pbkdf2-sha256$4294967295$x5iT8v6fE0JICQGAkJJyrg$M6YBGpmAmohyAgtsFS/6Z3uybAeHFVj2rK6Gstpt9RI",
];

/// Most that refusing a bomb may add to what the daemon has had resident at most, in KiB.
const RESIDENT_KIB: u64 = 16 * 1024;
/// The same for the address space, where threads reserve much and use little.
const RESERVED_KIB: u64 = 1024 * 1024;

/// Imports what is in the file, as a process that may not have more address space than that.
fn import(daemon: &Daemon, file: &Path, options: &[&str]) -> Output {
    let mut command = Command::new("sh");
    clear_environment(&mut command);
    command.args(["-c", &format!("ulimit -v {RESERVED_KIB}; exec \"$@\""), "sh"]);
    command.arg(env!("CARGO_BIN_EXE_hallpass")).arg("--socket").arg(daemon.socket());
    command.args(["user", "import"]).arg(file).arg("--json").args(options).output().expect("hallpass runs")
}

/// The report: what became of each line in order, and the summary.
fn report(output: &Output) -> (Vec<serde_json::Value>, serde_json::Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| unreachable!("{error}: {text}"));
    let mut lines: Vec<serde_json::Value> = text.lines().map(parse).collect();
    let summary = lines.pop().expect("a summary")["summary"].take();
    (lines, summary)
}

fn users<'a>(daemon: &Daemon, users: impl Iterator<Item = (&'a str, &'a str)>) -> std::path::PathBuf {
    let line =
        |(name, hash)| serde_json::json!({"name": name, "hash": hash, "roles": ["reader"]}).to_string();
    let path = daemon.dir().join("users.jsonl");
    fs::write(&path, users.map(line).collect::<Vec<_>>().join("\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// The password hashes in the database of a daemon that was stopped, by name.
fn stored_hashes(daemon: &Daemon) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct User {
        _id: UserId,
        name: String,
        password: Option<String>,
        _roles: Vec<String>,
        _disabled: bool,
        _credential_version: u32,
        _not_before: Stamp,
        _attributes: BTreeMap<String, String>,
        _code: Option<([u8; 16], Millis)>,
    }
    const VERSION: usize = 1;
    const CHECKSUM: usize = 8;
    let database = ReadOnlyDatabase::open(daemon.state_dir().join("hallpass.redb")).unwrap();
    let users = database.begin_read().unwrap();
    let users = users.open_table(TableDefinition::<&[u8], &[u8]>::new("users")).unwrap();
    let rows = users.iter().unwrap().map(|row| row.unwrap().1.value().to_vec());
    rows.map(|row| decode::<User>(&row[VERSION..row.len() - CHECKSUM]).unwrap())
        .map(|user| (user.name, user.password.unwrap()))
        .collect()
}

/// What the daemon has had at most so far: resident and reserved, in KiB.
fn peaks(daemon: &Daemon) -> [u64; 2] {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    ["VmHWM:", "VmPeak:"].map(|field| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    })
}

#[tokio::test]
async fn d18_whoever_moves_in_logs_in_and_has_todays_hash_from_then_on() {
    let mut daemon = Daemon::start().await;
    let file = users(&daemon, TAKEN.iter().map(|(name, _, hash)| (*name, *hash)));
    let count = TAKEN.len();

    let (lines, summary) = report(&import(&daemon, &file, &["--dry-run"]));
    assert_eq!(
        summary,
        serde_json::json!({"dry_run": true, "added": count, "already_there": 0, "refused": 0}),
        "{lines:#?}"
    );
    assert!(daemon.admin().await.user_list(None).await.unwrap().users.is_empty(), "a dry run adds nobody");

    let (lines, summary) = report(&import(&daemon, &file, &[]));
    assert_eq!(
        summary,
        serde_json::json!({"dry_run": false, "added": count, "already_there": 0, "refused": 0})
    );
    for (line, (name, format, _)) in lines.iter().zip(TAKEN) {
        let said = ["outcome", "name", "format"].map(|member| line[member].as_str().unwrap());
        assert_eq!(said, ["added", name, format]);
    }
    let (_, again) = report(&import(&daemon, &file, &[]));
    assert_eq!(
        (&again["added"], &again["already_there"]),
        (&0.into(), &count.into()),
        "run again, it is done"
    );

    daemon.stop().await;
    let given: BTreeMap<_, _> =
        TAKEN.iter().map(|&(name, _, hash)| (name.to_owned(), hash.to_owned())).collect();
    assert_eq!(stored_hashes(&daemon), given);
    daemon.restart().await;
    let client = daemon.client().await;
    for (name, ..) in TAKEN {
        let wrong = tokens(&client, name, "correct horse battery stable").await.map(|_| ()).unwrap_err();
        assert_eq!(wrong.code(), ErrorCode::InvalidCredentials, "{name}");
        // Once by the imported hash, once by the one that has replaced it.
        for _ in 0..2 {
            let granted = tokens(&client, name, PASSWORD).await;
            let granted = granted.unwrap_or_else(|error| unreachable!("{name}: {error:?}"));
            let identity = client.verify(granted.access, Needs::default()).await.unwrap();
            assert_eq!((identity.name.as_str(), identity.roles), (name, vec!["reader".to_owned()]));
        }
    }
    drop(client);
    daemon.stop().await;
    for (name, hash) in stored_hashes(&daemon) {
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{name}: {hash}");
    }
}

#[tokio::test]
async fn a_hash_that_nobody_could_check_is_refused_without_its_memory() {
    let mut daemon = Daemon::start().await;
    // One that is taken makes the daemon do all that an import needs before the measurement.
    let (name, _, hash) = TAKEN[0];
    let first = users(&daemon, [(name, hash)].into_iter());
    assert!(import(&daemon, &first, &[]).status.success());
    let names: Vec<_> = (0..BOMBS.len()).map(|number| format!("bomb-{number}")).collect();
    let file = users(&daemon, names.iter().map(String::as_str).zip(BOMBS));
    let before = peaks(&daemon);
    let begun = Instant::now();
    for options in [&["--dry-run"][..], &[]] {
        let output = import(&daemon, &file, options);
        let (lines, summary) = report(&output);
        assert_eq!((&summary["added"], &summary["refused"]), (&0.into(), &BOMBS.len().into()));
        for line in lines {
            let why = line["error"]["message"].as_str().unwrap();
            assert!(why.contains("out of bounds"), "{line}");
        }
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "nothing was computed: {:?}", begun.elapsed());
    let [resident, reserved] = peaks(&daemon);
    assert!(resident - before[0] < RESIDENT_KIB, "{resident} KiB were resident, and {} before", before[0]);
    assert!(reserved - before[1] < RESERVED_KIB, "{reserved} KiB were reserved, and {} before", before[1]);
    assert_eq!(daemon.admin().await.user_list(None).await.unwrap().users.len(), 1, "nobody else was added");
    daemon.stop().await;
}
