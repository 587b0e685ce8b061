//! The package in a machine with a real systemd: from the first call to the purge, through upgrades, crashes, hangs and lost keys.
//!
//! `tests/systemd/run` builds what it needs and calls it. Without that there is nothing to try, and each test says so.

mod app;
mod broken;
mod counting;
mod everything;
mod machine;

use std::io::Write;

use machine::{Machine, prepared};

/// A machine, or a word about why there is none.
fn machine(name: &str) -> Option<Machine> {
    let prepared = prepared();
    if prepared.is_none() {
        // Nobody reads it where the output is closed.
        let _ = writeln!(std::io::stderr(), "{name}: skipped: as root, tests/systemd/run tries it");
    }
    prepared.map(|prepared| Machine::boot(&prepared, name))
}

/// As the user of the app.
const SHOP: &str = "setpriv --reuid=shop --regid=shop --init-groups";
const PASSWORD: &str = "printf 'correct horse battery staple\\n' |";

#[test]
fn a_package_serves_from_the_first_call_to_the_purge() {
    let Some(machine) = machine("life") else { return };
    let before = files(&machine);
    machine.does("dpkg -i /mnt/hallpass-1.deb");
    machine.keeps_its_sockets();
    assert_eq!(machine.shows("ActiveState"), "inactive", "nobody has called yet");
    assert_eq!(
        machine.does("stat -c '%a %U:%G' /etc/credstore.encrypted/hallpass.master-key").trim(),
        "600 root:root"
    );
    let machine = machine.with_hallpass();
    assert_eq!(machine.shows("ActiveState"), "active", "the first call has started it");
    knows_its_callers(&machine);
    lies_where_it_should(&machine);

    machine.does(&format!("{PASSWORD} {SHOP} hallpass login alice --password-stdin --json >/srv/grant"));
    machine.does("sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/' /srv/grant >/srv/access");
    assert!(machine.does(&format!("{SHOP} hallpass verify - </srv/access")).contains("editor"));
    machine.reboot();
    machine.keeps_its_sockets();
    assert!(
        machine.does(&format!("{SHOP} hallpass verify - </srv/access")).contains("editor"),
        "she is still logged in"
    );
    machine.does("rm /srv/grant /srv/access");

    machine.does("dpkg -r hallpass");
    assert_ne!(machine.tries("systemctl is-active hallpassd.service hallpassd.socket").code, 0);
    machine.does("test ! -e /run/hallpass/hallpass.sock && test -e /var/lib/hallpass/hallpass.redb");
    let said = machine.does("dpkg -P hallpass");
    assert!(said.contains("removing every user, session, key and audit entry"), "{said}");
    let left: Vec<_> = files(&machine).into_iter().filter(|file| !before.contains(file)).collect();
    assert_eq!(left, [""; 0], "the purge leaves files");
}

/// Every file of the machine, but for what dpkg, the journal and systemd write down about others.
fn files(machine: &Machine) -> Vec<String> {
    let others = "^/(proc|sys|dev|mnt|tmp|root)/|^/var/(log|cache|lib/(dpkg|apt|systemd))/|^/etc/(passwd|group|shadow|gshadow|subuid|subgid|machine-id|[.]pwd[.]lock)|^/run/(systemd|log|dbus|user|credentials|initctl|sudo|mount|lock|shm|motd)";
    let list = machine.does(&format!("find / -xdev -print; find /run -print | grep -Ev '{others}'"));
    list.lines().filter(|line| machine_file(line)).map(str::to_owned).collect()
}

fn machine_file(line: &str) -> bool {
    let others = [
        "/proc",
        "/sys",
        "/dev",
        "/mnt",
        "/tmp",
        "/root",
        "/var/log",
        "/var/cache",
        "/var/lib/dpkg",
        "/var/lib/apt",
        "/var/lib/systemd",
        "/run/systemd",
        "/run/log",
        "/run/credentials",
        "/var/tmp",
    ];
    let accounts = [
        "/etc/passwd",
        "/etc/group",
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/subuid",
        "/etc/subgid",
        "/etc/.pwd.lock",
    ];
    !others.iter().chain(&accounts).any(|other| line.starts_with(other))
}

fn knows_its_callers(machine: &Machine) {
    machine.does("useradd -M stranger && useradd -M -G hallpass-clients unnamed");
    let said = machine.tries(&format!("{PASSWORD} setpriv --reuid=stranger --regid=stranger --clear-groups hallpass login alice --password-stdin"));
    assert!(
        said.code == 77 && said.text.contains("add this user to the group hallpass-clients"),
        "{}",
        said.text
    );
    let said = machine.tries(&format!("{PASSWORD} setpriv --reuid=unnamed --regid=unnamed --init-groups hallpass login alice --password-stdin"));
    assert!(said.code == 77 && said.text.contains("belongs to no app"), "{}", said.text);
    let said = machine.tries(&format!("{SHOP} hallpass user list"));
    assert_eq!(said.code, 77, "{}", said.text);
}

fn lies_where_it_should(machine: &Machine) {
    for (path, wanted) in [
        ("/run/hallpass", "755 root:root"),
        ("/run/hallpass/hallpass.sock", "660 root:hallpass-clients"),
        ("/run/hallpass/admin.sock", "600 root:root"),
        ("/run/hallpass/daemon", "755 hallpass:hallpass"),
        ("/run/hallpass/daemon/board", "644 hallpass:hallpass"),
        ("/run/hallpass/daemon/jwks.json", "644 hallpass:hallpass"),
        ("/var/lib/hallpass", "700 hallpass:hallpass"),
        ("/var/lib/hallpass/hallpass.redb", "600 hallpass:hallpass"),
    ] {
        assert_eq!(machine.does(&format!("stat -c '%a %U:%G' {path}")).trim(), wanted, "{path}");
    }
    let keys = machine.does("cat /run/hallpass/daemon/jwks.json");
    assert_eq!(keys.trim(), machine.does("hallpass key jwks").trim(), "the file says what the daemon says");
}

#[test]
fn every_operation_works_in_a_sandbox_of_at_most_0_3() {
    let Some(machine) = machine("sandbox") else { return };
    let machine = machine.with_hallpass();
    let said = machine.does("systemd-analyze security --no-pager hallpassd.service");
    let score = said.lines().last().and_then(|line| line.split(':').nth(1)).unwrap_or_default();
    let score: f64 = score.split_whitespace().next().and_then(|score| score.parse().ok()).expect("a score");
    assert!(score <= 0.3, "{said}");
    // As an administrator and as an app; what a command needs from another lies in /root.
    for operation in [
        "hallpass status --json",
        "printf 'another horse battery staple\\n' | hallpass user add bob --password-stdin",
        "hallpass user list && hallpass user show bob && hallpass user roles bob --set a,b && hallpass user set bob k=v",
        "hallpass user disable bob && hallpass user enable bob && hallpass user rename bob robert",
        "printf 'a third horse battery staple\\n' | hallpass user passwd robert --password-stdin",
        "hallpass user code robert --out /srv/code",
        "printf '{\"name\":\"carol\",\"hash\":\"$2b$04$abcdefghijklmnopqrstuuDqLkpZ9Lno7QbLxvSVGv5aTLEIQ2GVe\"}\\n' | hallpass user import -",
        "PW | APP hallpass login alice --password-stdin --json >/srv/grant",
        "sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/' /srv/grant >/srv/access",
        "sed 's/.*\"refresh_token\":\"\\([^\"]*\\)\".*/\\1/' /srv/grant >/srv/refresh",
        "APP hallpass verify - --role editor </srv/access && APP hallpass refresh - </srv/refresh",
        "PW | APP hallpass login alice --kind cookie --password-stdin --json",
        "hallpass session list --user alice && hallpass key list && hallpass key rotate && hallpass key rotate --mac",
        "head -c 32 /dev/urandom >/srv/next && chmod 600 /srv/next && hallpass key reseal --new-key /srv/next",
        "hallpass backup /srv/copy && hallpass check /srv/copy",
        "APP hallpass revoke --token - </srv/access && hallpass revocation list",
        "hallpass revoke --user alice && hallpass revoke --all --yes",
        "hallpass user remove robert --yes && hallpass audit tail --count 5",
    ] {
        let operation = operation.replace("APP", SHOP).replace("PW |", PASSWORD);
        machine.does(&operation);
    }
    let doctor = machine.does("hallpass doctor --json");
    assert!(doctor.contains("\"healthy\":true"), "{doctor}");
    assert!(doctor.contains("hallpassd.service is active"), "{doctor}");
    machine.does("hallpass config check && hallpass config show");
    let journal = machine.does("journalctl -u hallpassd.service -o json");
    assert!(journal.contains("\"HALLPASS_SOCKET\":\"/run/hallpass/hallpass.sock\""), "{journal}");
    assert!(!machine.journal().contains("no board"), "{}", machine.journal());
    reloads(&machine);
}

fn reloads(machine: &Machine) {
    let pid = machine.shows("MainPID");
    machine.does("sed -i 's/^connections = 1024/connections = 1000/' /etc/hallpass/hallpass.toml && systemctl reload hallpassd");
    machine.comes_to("journalctl -u hallpassd | grep -q 'the configuration was taken over'");
    machine
        .does("cp /etc/hallpass/hallpass.toml /srv/good && echo 'isuer = 1' >>/etc/hallpass/hallpass.toml");
    assert_ne!(machine.tries("systemctl reload hallpassd").code, 0, "it is refused");
    assert!(machine.journal().contains("did you mean"), "{}", machine.journal());
    assert!(machine.tries("hallpass doctor").text.contains("there is no setting"), "doctor says so too");
    machine.does("hallpass status");
    machine.does("cp /srv/good /etc/hallpass/hallpass.toml");
    assert_eq!(machine.shows("MainPID"), pid, "it was the same daemon all the time");
}

#[test]
fn an_upgrade_refuses_no_call_and_nobody_waits_for_a_second() {
    let Some(machine) = machine("upgrade") else { return };
    let machine = machine.with_hallpass().without_a_limit_on_rotations();
    let (app, pid) = (machine.starts_the_app(), machine.shows("MainPID"));
    for package in [2, 1, 2] {
        machine.does(&format!("dpkg -i /mnt/hallpass-{package}.deb"));
        machine.keeps_its_sockets();
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    assert_ne!(machine.shows("MainPID"), pid, "the upgrade restarts it");
    let seen = machine.stops_the_app(app);
    assert_eq!((&seen["failed"], &seen["wrong"]), (&serde_json::json!([]), &serde_json::json!([])), "{seen}");
    assert!(seen["longest"].as_u64().is_some_and(|longest| longest < 1000), "{seen}");
    assert!(seen["by_board"].as_u64() > Some(50), "{seen}");
    writeln!(std::io::stderr(), "three upgrades under a loop of calls: {seen}").expect("an output");
}
