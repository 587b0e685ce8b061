//! The app as people deploy it: behind nginx, which speaks TLS.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::DESKTOP;
use crate::driver::Driver;
use crate::site::{Elsewhere, Site, log_in};

const PAGE: &str = include_str!("../../../docs/nginx.md");
/// Longest wait for nginx to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A real nginx that is configured as the page says, but for ports, paths and names.
struct Nginx {
    process: Child,
    port: u16,
    _dir: TempDir,
}

impl Nginx {
    fn before(app: u16) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name).to_str().expect("a plain path").to_owned();
        let (certificate, key) = (path("shop.pem"), path("shop.key"));
        let make =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let mut openssl = Command::new("openssl");
        openssl.args(make).args(["-subj", "/CN=localhost", "-keyout", &key, "-out", &certificate]);
        let certified = openssl.output().expect("openssl is installed where nginx is");
        assert!(certified.status.success(), "{}", String::from_utf8_lossy(&certified.stderr));

        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("a port").port();
        drop(free);
        let (_, server) = PAGE.split_once("```nginx\n").expect("the configuration");
        let (server, _) = server.split_once("```").expect("its end");
        let mut server = server.to_owned();
        for (shown, here) in [
            ("443", &*format!("127.0.0.1:{port}")),
            ("shop.example;", "localhost;"),
            ("/etc/ssl/shop.example.pem", &certificate),
            ("/etc/ssl/shop.example.key", &key),
            ("127.0.0.1:3000", &format!("127.0.0.1:{app}")),
        ] {
            assert!(server.contains(shown), "{shown}");
            server = server.replacen(shown, here, 1);
        }
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", path(kind)))
            .concat();
        let whole = format!(
            "daemon off;\nmaster_process off;\npid {};\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n",
            path("pid")
        );
        fs::write(path("nginx.conf"), whole).expect("room for it");
        let mut nginx = Command::new("nginx");
        nginx.args(["-e", "stderr", "-c", &path("nginx.conf")]).stdin(Stdio::null());
        let process = nginx.spawn().expect("nginx is installed where Chromium is");
        let give_up = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < give_up, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { process, port, _dir: dir }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn behind_nginx_cookies_are_safe_origins_are_right_and_addresses_are_the_proxys_word() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::with("", |web| web.trusted_proxies(1));
    let nginx = Nginx::before(site.port);
    let url = format!("https://localhost:{}", nginx.port);
    let browser = driver.browser(DESKTOP);
    // What a caller says of itself stands before what nginx says, and is not believed.
    browser.devtools("Network.enable", json!({}));
    let forged = json!({ "headers": { "X-Forwarded-For": "203.0.113.9" } });
    browser.devtools("Network.setExtraHTTPHeaders", forged);
    browser.open(&format!("{url}/sessions"));
    log_in(&browser);
    browser.at("Your devices");
    let text = browser.text();
    assert!(text.contains("from 127.0.0.1") && !text.contains("203.0.113.9"), "{text}");
    let session = browser.cookies().into_iter().find(|cookie| cookie["name"] == "__Host-local-session");
    assert_eq!(session.expect("a session's cookie")["secure"], true);

    // Browsers that do not send `Sec-Fetch-Site` are judged by `Origin` and `Host`.
    let host = format!("localhost:{}", nginx.port);
    let bare = |origin: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sk", "-X", "POST", "-H"]);
        curl.arg(format!("Origin: {origin}")).arg(format!("https://{host}/logout"));
        let output = curl.output().expect("curl is installed where nginx is");
        String::from_utf8(output.stdout).expect("a sentence")
    };
    assert!(
        bare(&format!("https://{host}")).contains("carries no CSRF token"),
        "its origin is the app's own"
    );
    assert!(bare("https://evil.example").contains("a page of another site"));

    let page = format!(r#"<form method="post" action="{url}/logout"><button>You have won</button></form>"#);
    let elsewhere = Elsewhere::with(page);
    browser.open(&format!("http://localhost:{}", elsewhere.port));
    browser.press("You have won");
    browser.at("Forbidden");
    browser.open(&url);
    browser.at("Your account");
    browser.press("Log out");
    browser.at("Log in");
}
