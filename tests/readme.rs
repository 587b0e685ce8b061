//! README, followed to the letter: its commands run, and its app is built in an empty directory and used.
//!
//! `HALLPASS_README` (anything) has the app built as README says, which takes a minute and a package registry.
#![cfg(test)]

#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hallpass_client::{ErrorClass, Needs, Token};
use support::{Daemon, PASSWORD, PATIENCE, POLL, add_user, clear_environment, tokens};
use tempfile::TempDir;

const README: &str = include_str!("../README.md");

/// What stands under a heading, up to the next.
fn section(title: &str) -> &'static str {
    let (_, text) = README.split_once(&format!("\n## {title}\n")).expect("a heading");
    text.split_once("\n## ").expect("another heading").0
}

/// The commands of a section as they are typed, one a line.
fn commands(title: &str) -> Vec<&'static str> {
    let lines = section(title).lines().filter_map(|line| line.strip_prefix("    $ "));
    lines.map(|line| line.split_once("  #").map_or(line, |(command, _)| command).trim_end()).collect()
}

#[tokio::test]
async fn the_commands_of_readme_do_what_it_says() {
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let client = daemon.client().await;
    let session = tokens(&client, "alice", PASSWORD).await.unwrap();
    let run = |command: &str| {
        let hallpass = format!("{} --socket {}", env!("CARGO_BIN_EXE_hallpass"), daemon.socket().display());
        let command = command.replace("hallpass ", &format!("{hallpass} "));
        let command = command.replace(" ID", &format!(" {}", session.session));
        let command = command.replace("/var/backups", &daemon.dir().display().to_string());
        let mut shell = Command::new("sh");
        clear_environment(&mut shell);
        let output =
            shell.args(["-ec", &command]).current_dir(daemon.dir()).stdin(Stdio::null()).output().unwrap();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {complained}");
    };
    let is_over = async |access: Token| {
        let refused = client.verify(access, Needs::default()).await.map(drop);
        refused.is_err_and(|error| matches!(error.class(), ErrorClass::Login | ErrorClass::Refresh))
    };
    for title in ["Revoke", "Rotate keys", "Back up"] {
        assert!(!commands(title).is_empty(), "{title}");
        for command in commands(title) {
            run(command);
        }
    }
    assert!(is_over(session.access.clone()).await);
    let again = tokens(&client, "alice", PASSWORD).await.unwrap();
    let night = commands("At 2 a.m., when an account was stolen");
    let (first, later) = night.split_at(night.iter().position(|line| line.contains("enable")).unwrap());
    for command in first {
        run(command);
    }
    assert!(is_over(again.access).await);
    assert!(tokens(&client, "alice", PASSWORD).await.is_err(), "nobody logs in as her");
    let (morning, worse) = later.split_at(later.iter().position(|line| line.contains("rotate")).unwrap());
    for command in morning {
        run(command);
    }
    add_user(&daemon.admin().await, "bob", PASSWORD, &[]).await;
    let other = tokens(&client, "bob", PASSWORD).await.unwrap();
    for command in worse {
        run(command);
    }
    assert!(is_over(other.access).await);
    assert!(client.refresh(support::refresh(&other.refresh)).await.is_err(), "everybody logs in again");
}

/// The app of README, running.
struct App {
    process: Child,
    port: u16,
    _dir: TempDir,
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl App {
    /// Builds it in an empty directory by the commands of README, and starts it.
    fn from_readme(daemon: &Daemon) -> Self {
        let dir = TempDir::new().unwrap();
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        // One after the other, as they are typed: the first changes the directory for those after it.
        let script = commands("Protect an axum route")
            .join("\n")
            .replace("../hallpass/", &format!("{}/", top.display()));
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let cargo = Path::new(env!("CARGO")).parent().unwrap();
        let path = format!("{}:{}", cargo.display(), env::var("PATH").unwrap());
        let run = |script: &str, at: &Path| {
            let mut shell = Command::new("sh");
            clear_environment(&mut shell);
            shell.env("PATH", &path).env("CARGO_TARGET_DIR", top.join("target/readme")).current_dir(at);
            let output = shell.args(["-ec", script]).stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{script}:\n{}", String::from_utf8_lossy(&output.stderr));
        };
        run(&script, dir.path());
        let shop = dir.path().join("shop");
        let code =
            section("Protect an axum route").split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
        fs::write(shop.join("src/main.rs"), code.replace("127.0.0.1:3000", &format!("127.0.0.1:{port}")))
            .unwrap();
        fs::copy(top.join("Cargo.lock"), shop.join("Cargo.lock")).unwrap();
        run("cargo build", &shop);
        let mut app = Command::new(top.join("target/readme/debug/shop"));
        clear_environment(&mut app);
        let process = app.env("HALLPASS_SOCKET", daemon.socket()).spawn().unwrap();
        let app = Self { process, port, _dir: dir };
        let give_up = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < give_up, "the app does not listen");
            std::thread::sleep(POLL);
        }
        app
    }

    /// Sends a request with these cookies as a browser would, keeps those that it is given, and gives the whole answer.
    fn ask(&self, request: &str, cookies: &mut Vec<(String, String)>, form: &str) -> String {
        let shown: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (port, length, cookie) = (self.port, form.len(), shown.join("; "));
        let head = format!(
            "{request} HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\nAccept: text/html\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        );
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(format!("{head}{form}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        for line in answer.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            cookies.retain(|(other, _)| other != name);
            if !value.is_empty() {
                cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }
}

fn csrf(page: &str) -> &str {
    page.split(r#"name="csrf" value=""#).nth(1).expect("a form").split('"').next().unwrap()
}

#[tokio::test]
async fn the_app_of_readme_protects_logs_in_and_logs_out() {
    let code =
        section("Protect an axum route").split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    let own = code.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"));
    assert!(own.count() < 30, "it is as short as README says");
    if env::var_os("HALLPASS_README").is_none() {
        let why = b"skipped: HALLPASS_README is not set, so the app of README is not built; its text is compiled as an example\n";
        return std::io::stderr().write_all(why).unwrap();
    }
    let daemon = Daemon::start().await;
    add_user(&daemon.admin().await, "alice", PASSWORD, &["editor"]).await;
    let app = App::from_readme(&daemon);
    let mut cookies = Vec::new();
    let answer = app.ask("GET /", &mut cookies, "");
    assert!(answer.contains("location: /login?next=%2F"), "{answer}");
    let page = app.ask("GET /login?next=%2F", &mut cookies, "");
    let form = format!("csrf={}&name=alice&password={}", csrf(&page), PASSWORD.replace(' ', "+"));
    let answer = app.ask("POST /login?next=%2F", &mut cookies, &form);
    assert!(answer.contains("303 See Other") && answer.contains("location: /\r"), "{answer}");
    let page = app.ask("GET /", &mut cookies, "");
    assert!(page.contains(r#"["editor"]"#), "{page}");
    let before = cookies.clone();
    app.ask("POST /logout", &mut cookies, &format!("csrf={}", csrf(&page)));
    for mut shown in [cookies, before] {
        assert!(
            app.ask("GET /", &mut shown, "").contains("location: /login"),
            "it is over, whoever shows it"
        );
    }
}
