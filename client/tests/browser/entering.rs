//! Getting in, and what may be done then.

use std::time::Duration;

use crate::driver::Driver;
use crate::site::{Site, log_in};
use crate::{DESKTOP, NEW_PASSWORD, PASSWORD, PHONE};

#[test]
fn a_wrong_password_is_told_beside_its_field_and_the_right_one_lets_in() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::served();
    let browser = driver.browser(DESKTOP);
    browser.open(&format!("{}/sessions", site.url));
    browser.at("Log in");
    browser.fill("Name", r#"alice"><b>"#);
    browser.fill("Password", "wrong horse battery staple");
    browser.press("Log in");
    let alert = browser.script("return document.querySelector('[role=alert]').innerText");
    assert!(alert.as_str().unwrap().contains("wrong"), "{alert}");
    let field = "const f = document.activeElement; return [f.name, f.getAttribute('aria-invalid'), f.getAttribute('aria-describedby')]";
    assert_eq!(browser.script(field), serde_json::json!(["password", "true", "problem"]));
    // What was typed comes back as it was, and as text.
    assert_eq!(browser.script("return document.getElementById('name').value"), r#"alice"><b>"#);
    browser.fill("Name", "alice");
    browser.fill("Password", PASSWORD);
    browser.press("Log in");
    browser.at("Your devices");
    browser.press("Account");
    browser.at("Your account");
    assert!(browser.text().contains("alice") && browser.text().contains("editor"));
}

#[test]
fn a_session_that_has_run_out_is_asked_to_log_in_and_comes_back_to_its_page() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::served();
    let browser = driver.browser(DESKTOP);
    site.log_in(&browser);
    site.daemon.advance(Duration::from_hours(8 * 24));
    browser.press("Devices");
    browser.at("Log in");
    assert_eq!(browser.url(), format!("{}/login?next=%2Fsessions", site.url));
    log_in(&browser);
    browser.at("Your devices");
    assert_eq!(browser.url(), format!("{}/sessions", site.url));
    for elsewhere in ["https://evil.example/", "//evil.example", r"/\evil.example", "%2F%09%2Fevil.example"] {
        browser.press("Log out");
        browser.at("Log in");
        browser.open(&format!("{}/login?next={elsewhere}", site.url));
        log_in(&browser);
        browser.at("Your account");
        assert_eq!(browser.url(), format!("{}/", site.url), "{elsewhere}");
    }
}

#[test]
fn a_role_that_is_given_or_taken_on_the_host_counts_for_the_next_click() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::served();
    let browser = driver.browser(DESKTOP);
    site.log_in(&browser);
    browser.press("People");
    browser.at("Forbidden");
    browser.press("Back to your account");
    site.hallpass(&["user", "roles", "alice", "--set", "admin"]);
    browser.press("People");
    browser.at("People");
    site.hallpass(&["user", "roles", "alice", "--set", "editor"]);
    browser.press("People");
    browser.at("Forbidden");
}

#[test]
fn an_administrator_lets_somebody_in_with_a_code_that_works_once() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::served();
    site.daemon.set_roles("alice", &["admin"]).unwrap();
    let browser = driver.browser(DESKTOP);
    site.log_in(&browser);
    browser.press("People");
    browser.fill("Name to log in with", "bob; rm");
    browser.press("Show the commands");
    assert!(browser.text().contains("letters a to z"), "{}", browser.text());
    browser.fill("Name to log in with", "bob");
    browser.fill("Role, if any", "editor");
    browser.press("Show the commands");
    let shown = browser.script("return document.querySelector('pre').innerText");
    // Whoever types them sees the code on their terminal; a test has none.
    let dir = tempfile::TempDir::new().unwrap();
    let code = dir.path().join("code");
    for line in shown.as_str().unwrap().lines() {
        let mut words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words.remove(0), "hallpass");
        if words.starts_with(&["user", "code"]) {
            words.extend(["--out", code.to_str().unwrap()]);
        }
        site.hallpass(&words);
    }
    let code = std::fs::read_to_string(code).unwrap();
    let other = driver.browser(PHONE);
    for (heading, tried) in [("Your account", 1), ("Set your password", 2)] {
        other.open(&format!("{}/join", site.url));
        other.fill("Name", "bob");
        other.fill("Code", code.trim());
        other.fill("New password", NEW_PASSWORD);
        other.press("Set password and log in");
        other.at(heading);
        assert_eq!(other.text().contains("editor"), tried == 1, "{}", other.text());
    }
}

#[test]
fn something_dangerous_takes_another_proof_and_only_for_a_while() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::served();
    let browser = driver.browser(PHONE);
    site.log_in(&browser);
    browser.press("Archive");
    browser.press("Delete them…");
    browser.at("Confirm it is you");
    browser.fill("Password", "wrong horse battery staple");
    browser.press("Go on");
    browser.at("Confirm it is you");
    browser.fill("Password", PASSWORD);
    browser.press("Go on");
    browser.at("Archive");
    // The button stood there for too long: it is asked again, and nothing is deleted meanwhile.
    site.daemon.advance(Duration::from_mins(6));
    browser.press("Delete 12 documents");
    browser.at("Confirm it is you");
    browser.open(&format!("{}/archive", site.url));
    browser.press("Delete them…");
    browser.fill("Password", PASSWORD);
    browser.press("Go on");
    browser.press("Delete 12 documents");
    browser.at("Archive");
    assert!(browser.text().contains("The archive is empty"), "{}", browser.text());
}
