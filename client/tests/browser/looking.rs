//! What the pages look like, as far as a machine can tell, and pictures of them for who can tell more.

use std::fs;
use std::path::PathBuf;

use base64ct::{Base64, Encoding};

use crate::driver::{Browser, Driver};
use crate::site::Site;
use crate::{DESKTOP, PASSWORD, PHONE};

/// A directory for the pictures, which are not taken without it.
const PICTURES: &str = "HALLPASS_PICTURES";

/// What is wrong with a page for somebody who cannot see it, or cannot see all of it.
const FAULTS: &str = "
    const faults = [];
    const all = (selector) => [...document.querySelectorAll(selector)];
    if (document.documentElement.scrollWidth > innerWidth) faults.push('wider than the screen');
    if (!document.documentElement.lang || !document.title) faults.push('no language or no title');
    if (all('main').length != 1 || all('header').length != 1 || all('h1').length != 1) faults.push('landmarks');
    for (const input of all('input:not([type=hidden])')) if (!input.labels.length) faults.push('no label: ' + input.name);
    for (const control of all('button, .button, nav a, input:not([type=hidden])'))
        if (control.getBoundingClientRect().height < 36) faults.push('hard to hit: ' + control.innerText);
    for (const element of all('[aria-describedby]'))
        for (const id of element.getAttribute('aria-describedby').split(' '))
            if (!document.getElementById(id)) faults.push('described by nothing: ' + id);
    const ids = all('[id]').map((element) => element.id);
    if (new Set(ids).size != ids.length) faults.push('an id twice');
    const light = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if (!colour.startsWith('rgba(0, 0, 0, 0')) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    for (const element of all('body *')) {
        if (![...element.childNodes].some((node) => node.nodeType == 3 && node.data.trim())) continue;
        const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
        if ((a + 0.05) / (b + 0.05) < 4.5) faults.push('hard to read: ' + element.innerText);
    }
    return faults;";

fn look(browser: &Browser, name: &str) {
    let faults = browser.script(FAULTS);
    assert_eq!(faults, serde_json::json!([]), "{name}");
    let Some(dir) = std::env::var_os(PICTURES) else { return };
    let picture = Base64::decode_vec(&browser.picture()).expect("base64");
    fs::create_dir_all(&dir).expect("a directory");
    fs::write(PathBuf::from(dir).join(format!("{name}.png")), picture).expect("room for it");
}

#[test]
fn every_page_can_be_read_on_a_phone_and_on_a_desktop_in_light_and_dark() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::served();
    site.daemon.set_roles("alice", &["admin", "editor"]).unwrap();
    for (width, size) in [("phone", PHONE), ("desktop", DESKTOP)] {
        for scheme in ["light", "dark"] {
            let browser = driver.browser(size);
            let feature = serde_json::json!([{ "name": "prefers-color-scheme", "value": scheme }]);
            browser.devtools("Emulation.setEmulatedMedia", serde_json::json!({ "features": feature }));
            let look = |page: &str| look(&browser, &format!("{page}-{width}-{scheme}"));
            browser.open(&site.url);
            browser.at("Log in");
            look("login");
            browser.fill("Name", "alice");
            browser.fill("Password", "wrong horse battery staple");
            browser.press("Log in");
            browser.click("[role=alert]");
            look("refused");
            browser.fill("Password", PASSWORD);
            browser.press("Log in");
            for (link, heading) in [
                ("Account", "Your account"),
                ("Devices", "Your devices"),
                ("Password", "Change your password"),
                ("Archive", "Archive"),
                ("People", "People"),
            ] {
                browser.press(link);
                browser.at(heading);
                look(&link.to_lowercase());
            }
            browser.open(&format!("{}/people?name=bob&role=editor", site.url));
            look("commands");
            for (path, page) in [("/prove?next=%2Farchive", "prove"), ("/join", "join")] {
                browser.open(&format!("{}{path}", site.url));
                look(page);
            }
        }
    }
}

#[test]
fn the_keyboard_alone_gets_in() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::served();
    let browser = driver.browser(DESKTOP);
    browser.open(&site.url);
    browser.at("Log in");
    // The first field has the focus already; Tab leads to the next, Enter sends the form.
    assert_eq!(browser.script("return document.activeElement.name"), "name");
    browser.keys(&format!("alice\u{e004}{PASSWORD}\u{e007}"));
    browser.at("Your account");
    browser.keys("\u{e004}");
    assert_eq!(browser.script("return document.activeElement.className"), "skip");
    browser.keys("\u{e007}");
    assert!(browser.url().ends_with("#main"), "{}", browser.url());
}
