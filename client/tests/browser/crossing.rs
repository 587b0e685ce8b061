//! Pages of others, and other apps on the same host.

use std::collections::BTreeSet;

use crate::DESKTOP;
use crate::driver::Driver;
use crate::site::{Elsewhere, Site};

#[test]
fn a_page_from_elsewhere_cannot_act_for_a_user() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::served();
    let browser = driver.browser(DESKTOP);
    site.log_in(&browser);
    let form = |path: &str, words: &str| {
        format!(
            r#"<form method="post" action="{}{path}"><input name="name" value="mallory"><input name="password" value="x">
            <button>{words}</button></form>"#,
            site.url
        )
    };
    let page =
        format!("{}{}", form("/logout-everywhere", "You have won"), form("/login", "You have won again"));
    let elsewhere = Elsewhere::with(page);
    // Another site, and another port of the same site, to which the browser sends the cookies all the same.
    for host in ["127.0.0.1", "localhost"] {
        for words in ["You have won", "You have won again"] {
            browser.open(&format!("http://{host}:{}/", elsewhere.port));
            browser.press(words);
            browser.at("Forbidden");
            assert!(browser.text().contains("a page of another site"), "{}", browser.text());
            browser.open(&site.url);
            browser.at("Your account");
        }
    }
}

#[test]
fn two_apps_on_two_ports_leave_each_others_cookies_alone() {
    let Some(driver) = Driver::start() else { return };
    let (shop, blog) = (Site::named("shop"), Site::named("blog"));
    let browser = driver.browser(DESKTOP);
    shop.log_in(&browser);
    blog.log_in(&browser);
    let cookies = browser.cookies();
    let sessions: BTreeSet<&str> = cookies
        .iter()
        .filter_map(|cookie| cookie["name"].as_str())
        .filter(|name| name.ends_with("session"))
        .collect();
    assert_eq!(sessions, BTreeSet::from(["__Host-blog-session", "__Host-shop-session"]));
    for cookie in cookies.iter().filter(|cookie| cookie["name"].as_str().unwrap().starts_with("__Host-")) {
        assert!(cookie["secure"] == true && cookie["httpOnly"] == true && cookie["path"] == "/", "{cookie}");
    }
    browser.open(&shop.url);
    browser.at("Your account");
    browser.press("Log out");
    browser.at("Log in");
    browser.open(&blog.url);
    browser.at("Your account");
}
