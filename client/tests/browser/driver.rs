//! A real browser, driven as the standard of W3C says: as much of it as these tests need.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Names the browser. The suite is skipped without it.
pub(crate) const CHROMIUM: &str = "HALLPASS_CHROMIUM";
/// Longest wait for a page.
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);
/// What an element is called in the protocol (the standard's section 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The program that drives browsers. It goes with all of them when this is dropped.
pub(crate) struct Driver {
    process: Child,
    port: u16,
}

/// One browser with cookies of its own.
pub(crate) struct Browser {
    port: u16,
    session: String,
}

impl Driver {
    /// Starts it; nothing where no browser is named, which is said.
    pub(crate) fn start() -> Option<Self> {
        if env::var_os(CHROMIUM).is_none() {
            let why = format!("skipped: {CHROMIUM} names no Chromium; `.ci/run` installs one\n");
            std::io::stderr().write_all(why.as_bytes()).expect("an open standard error");
            return None;
        }
        let mut command = Command::new("chromedriver");
        command.args(["--port=0"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("chromedriver is installed where Chromium is");
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let started = "started successfully on port ";
        let port = lines.map_while(Result::ok).find_map(|line| {
            line.split_once(started).and_then(|(_, port)| port.trim_end_matches('.').parse().ok())
        });
        Some(Self { process, port: port.expect("chromedriver says where it listens") })
    }

    /// Opens a browser without a window, as wide and as high as that.
    pub(crate) fn browser(&self, (width, height): (u32, u32)) -> Browser {
        let mut args = vec!["--headless=new".to_owned(), "--disable-dev-shm-usage".to_owned()];
        args.push("--force-prefers-reduced-motion".to_owned());
        // Its sandbox cannot be set up by root, who runs this in CI. Only pages of the test are opened.
        args.push("--no-sandbox".to_owned());
        let binary = env::var(CHROMIUM).expect("a path of UTF-8");
        let options = json!({ "args": args, "binary": binary });
        let wanted =
            json!({ "browserName": "chrome", "acceptInsecureCerts": true, "goog:chromeOptions": options });
        let asked = json!({ "capabilities": { "alwaysMatch": wanted } });
        let answer = exchange(self.port, "POST", "/session", &asked).expect("a browser starts");
        let session = answer["sessionId"].as_str().expect("a session").to_owned();
        let browser = Browser { port: self.port, session };
        // What is asked for here is the page and not a window around it: phones are narrower than windows can be.
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        browser.devtools("Emulation.setDeviceMetricsOverride", metrics);
        browser
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = exchange(self.port, "DELETE", &format!("/session/{}", self.session), &Value::Null);
    }
}

impl Browser {
    fn ask(&self, method: &str, path: &str, body: Value) -> Result<Value, String> {
        exchange(self.port, method, &format!("/session/{}{path}", self.session), &body)
    }

    fn tell(&self, path: &str, body: Value) -> Value {
        self.ask("POST", path, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn get(&self, path: &str) -> Value {
        self.ask("GET", path, Value::Null).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn devtools(&self, command: &str, params: Value) -> Value {
        self.tell("/goog/cdp/execute", json!({ "cmd": command, "params": params }))
    }

    pub(crate) fn open(&self, url: &str) {
        self.tell("/url", json!({ "url": url }));
    }

    pub(crate) fn back(&self) {
        self.tell("/back", json!({}));
    }

    pub(crate) fn url(&self) -> String {
        self.get("/url").as_str().expect("a text").to_owned()
    }

    /// Waits until the heading is this one.
    pub(crate) fn at(&self, heading: &str) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let found = self.script("return document.querySelector('h1')?.innerText ?? ''");
            if found == heading {
                return;
            }
            assert!(
                Instant::now() < give_up,
                "{}: {found} instead of {heading}:\n{}",
                self.url(),
                self.text()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Everything that can be read on the page.
    pub(crate) fn text(&self) -> String {
        self.script("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn script(&self, script: &str) -> Value {
        self.tell("/execute/sync", json!({ "script": script, "args": [] }))
    }

    /// The first element that a selector finds, which may take the page a moment.
    fn find(&self, using: &str, what: &str) -> String {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match self.ask("POST", "/element", json!({ "using": using, "value": what })) {
                Ok(found) => return found[ELEMENT].as_str().expect("an element").to_owned(),
                Err(error) => {
                    assert!(Instant::now() < give_up, "no {what}: {error}\n{}", self.text());
                    std::thread::sleep(POLL);
                }
            }
        }
    }

    pub(crate) fn click(&self, selector: &str) {
        let element = self.find("css selector", selector);
        self.tell(&format!("/element/{element}/click"), json!({}));
    }

    /// Clicks a button or a link by what stands on it.
    pub(crate) fn press(&self, words: &str) {
        let path = format!("//button[normalize-space()='{words}'] | //a[normalize-space()='{words}']");
        let element = self.find("xpath", &path);
        self.tell(&format!("/element/{element}/click"), json!({}));
    }

    /// Types into a field as its label calls it, instead of what was in it.
    pub(crate) fn fill(&self, label: &str, text: &str) {
        let path = format!("//input[@id=//label[normalize-space()='{label}']/@for]");
        let element = self.find("xpath", &path);
        self.tell(&format!("/element/{element}/clear"), json!({}));
        self.tell(&format!("/element/{element}/value"), json!({ "text": text }));
    }

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) fn keys(&self, keys: &str) {
        let press = |key: char| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }));
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        self.tell("/actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Opens another tab and goes there; gives what to come back with.
    pub(crate) fn new_tab(&self) -> (String, String) {
        let here = self.get("/window").as_str().expect("a name").to_owned();
        let there = self.tell("/window/new", json!({ "type": "tab" }));
        let there = there["handle"].as_str().expect("a name").to_owned();
        self.switch(&there);
        (here, there)
    }

    pub(crate) fn switch(&self, tab: &str) {
        self.tell("/window", json!({ "handle": tab }));
    }

    /// The cookies that go with the present page, by name.
    pub(crate) fn cookies(&self) -> Vec<Value> {
        self.get("/cookie").as_array().expect("a list").clone()
    }

    /// A picture of the whole page, in base64.
    pub(crate) fn picture(&self) -> String {
        let params = json!({ "captureBeyondViewport": true });
        self.devtools("Page.captureScreenshot", params)["data"].as_str().expect("a picture").to_owned()
    }
}

/// Sends one command, and gives its value or the error's message.
fn exchange(port: u16, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let sent = if body.is_null() { String::new() } else { body.to_string() };
    let length = sent.len();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(PATIENCE * 4)).expect("a timeout that is not zero");
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{sent}").as_bytes()).map_err(|error| error.to_string())?;
    let answer = answer(&mut BufReader::new(stream)).map_err(|error| format!("{path}: {error}"))?;
    let value = answer["value"].clone();
    value["error"].as_str().map_or_else(
        || Ok(value.clone()),
        |error| Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default())),
    )
}

fn answer(stream: &mut BufReader<TcpStream>) -> std::io::Result<Value> {
    let mut length = 0;
    let mut line = String::new();
    while stream.read_line(&mut line)? > 0 && line != "\r\n" {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or_default();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}
