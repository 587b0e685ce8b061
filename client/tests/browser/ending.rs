//! Getting out, here and elsewhere.

use crate::driver::Driver;
use crate::site::Site;
use crate::{DESKTOP, NEW_PASSWORD, PASSWORD, PHONE};

#[test]
fn a_logout_in_one_tab_is_seen_by_the_other_on_its_next_click() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::served();
    let browser = driver.browser(DESKTOP);
    site.log_in(&browser);
    let (first, second) = browser.new_tab();
    browser.open(&site.url);
    browser.at("Your account");
    browser.switch(&first);
    browser.press("Log out");
    browser.at("Log in");
    browser.switch(&second);
    browser.at("Your account");
    browser.press("Devices");
    browser.at("Log in");
    assert!(browser.cookies().iter().all(|cookie| cookie["name"] != "__Host-local-session"));
}

#[test]
fn the_back_button_shows_nothing_after_a_logout() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::served();
    let browser = driver.browser(DESKTOP);
    site.log_in(&browser);
    browser.press("Devices");
    browser.at("Your devices");
    browser.press("Log out");
    browser.at("Log in");
    for _ in 0..2 {
        browser.back();
        browser.at("Log in");
        assert!(!browser.text().contains("alice") && !browser.text().contains("Logged in"));
    }
}

#[test]
fn another_device_is_logged_out_and_so_are_all_by_a_new_password() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::served();
    let (here, phone) = (driver.browser(DESKTOP), driver.browser(PHONE));
    site.log_in(&here);
    site.log_in(&phone);
    here.press("Devices");
    assert!(here.text().contains("from 127.0.0.1"), "{}", here.text());
    here.press("Log out that device");
    here.at("Your devices");
    assert!(!here.text().contains("Log out that device"), "{}", here.text());
    phone.press("Password");
    phone.at("Log in");

    phone.open(&site.url);
    site.log_in(&phone);
    here.press("Password");
    here.fill("Present password", PASSWORD);
    here.fill("New password", "short");
    here.press("Change password");
    let invalid = "return document.querySelector('[aria-invalid]').name";
    assert_eq!(here.script(invalid), "new_password");
    here.fill("Present password", PASSWORD);
    here.fill("New password", NEW_PASSWORD);
    here.press("Change password");
    here.at("Your account");
    assert!(here.text().contains("Your password is changed"));
    phone.press("Devices");
    phone.at("Log in");

    here.press("Devices");
    here.press("Log out everywhere");
    here.at("Log in");
}
