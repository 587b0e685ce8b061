//! What the package does for whoever collects counts: a timer that is off until it is switched on, and a request that is followed in the journal.

use crate::machine;

const FILE: &str = "/var/lib/prometheus/node-exporter/hallpass.prom";

#[test]
fn counts_are_written_once_that_is_switched_on_and_only_while_the_daemon_runs() {
    let Some(machine) = machine("counts") else { return };
    let machine = machine.with_hallpass();
    assert_eq!(machine.tries("systemctl is-enabled hallpass-metrics.timer").text.trim(), "disabled");
    machine.does("mkdir -p /var/lib/prometheus/node-exporter");
    machine.does("systemctl start hallpass-metrics.service");
    let text = machine.does(&format!("cat {FILE}"));
    assert!(text.contains("hallpass_users 1.0") && text.trim_end().ends_with("# EOF"), "{text}");
    assert_eq!(machine.does(&format!("stat -c '%a %U:%G' {FILE}")).trim(), "644 root:root");

    machine.does(&format!("rm {FILE} && systemctl stop hallpassd.service"));
    machine.does("systemctl start hallpass-metrics.service");
    machine.does(&format!("test ! -e {FILE}"));
    assert_eq!(machine.shows("ActiveState"), "inactive", "to count is no reason to start");

    machine.does("hallpass status && systemctl enable --now hallpass-metrics.timer");
    machine.comes_to(&format!("test -e {FILE}"));
    machine.does("dpkg -r hallpass");
    machine.does(&format!("test ! -e {FILE}"));
    assert_ne!(machine.tries("systemctl is-active hallpass-metrics.timer").code, 0);
}

#[test]
fn a_request_is_found_in_the_journal_by_its_name() {
    let Some(machine) = machine("followed") else { return };
    let machine = machine.with_hallpass();
    machine.does("sed -i 's/^level = \"info\"/level = \"debug\"/' /etc/hallpass/hallpass.toml && systemctl reload hallpassd");
    machine.does("hallpass user roles alice --set editor,owner");
    machine.comes_to("journalctl -u hallpassd -o export | grep -q ^HALLPASS_REQUEST=");
    let line = machine.does("journalctl -u hallpassd -o export | grep ^HALLPASS_REQUEST= | tail -n 1");
    let name = line.trim().strip_prefix("HALLPASS_REQUEST=").expect("a field");
    let told = machine.does(&format!("journalctl -o cat HALLPASS_REQUEST={name}"));
    assert!(told.contains("on disk") && told.contains("was answered"), "{told}");
}
