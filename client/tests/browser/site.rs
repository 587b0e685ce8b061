//! The example app, served on a port of its own by a daemon of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use axum::Router;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::response::Html;
use axum::routing::get;
use hallpass_client::web::WebBuilder;
use hallpassd::testing::TestDaemon;
use tokio::runtime::Runtime;

use crate::driver::Browser;
use crate::{PASSWORD, app};

/// An app that is served until this is dropped.
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) daemon: TestDaemon,
    _runtime: Runtime,
}

impl Site {
    /// The app as it is behind TLS: browsers take `localhost` for as safe.
    pub(crate) fn served() -> Self {
        Self::with("", |web| web)
    }

    /// The app set up further, on a daemon with this configuration. Its user is alice.
    pub(crate) fn with(config: &str, further: impl FnOnce(WebBuilder) -> WebBuilder) -> Self {
        let daemon = TestDaemon::with_config(config).expect("a daemon");
        daemon.add_user("alice", PASSWORD, &["editor"]).expect("a user");
        let runtime = Runtime::new().expect("a runtime");
        let connecting = further(app::web()).connect(daemon.socket());
        let web = runtime.block_on(connecting).expect("the daemon serves");
        let (listener, port) = listener();
        runtime.spawn(serve(listener, app::app(&web)));
        Self { url: format!("http://localhost:{port}"), port, daemon, _runtime: runtime }
    }

    /// Another app of the same host, by its name.
    pub(crate) fn named(name: &str) -> Self {
        let uid = nix::unistd::geteuid();
        Self::with(&format!("[admin]\nuids = [{uid}]\n[[app]]\nname = \"{name}\"\nuids = [{uid}]\n"), |web| {
            web
        })
    }

    /// Logs alice in, who is then where she wanted to go.
    pub(crate) fn log_in(&self, browser: &Browser) {
        browser.open(&self.url);
        log_in(browser);
        browser.at("Your account");
    }

    /// Runs the control command on its daemon, and gives what it prints.
    pub(crate) fn hallpass(&self, args: &[&str]) -> String {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(workspace).args(["run", "--quiet", "-p", "hallpassd", "--bin", "hallpass", "--"]);
        command.arg("--socket").arg(self.daemon.socket()).args(args);
        let output = command.output().expect("cargo runs");
        let [said, complained] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        assert!(output.status.success(), "{args:?}: {said}{complained}");
        said.into_owned()
    }
}

/// Fills the login form in as alice would.
pub(crate) fn log_in(browser: &Browser) {
    browser.at("Log in");
    browser.fill("Name", "alice");
    browser.fill("Password", PASSWORD);
    browser.press("Log in");
}

/// A page of somebody else, on another port.
pub(crate) struct Elsewhere {
    pub(crate) port: u16,
    _runtime: Runtime,
}

impl Elsewhere {
    pub(crate) fn with(page: String) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (listener, port) = listener();
        let router = Router::new().route("/", get(async move || Html(page)));
        runtime.spawn(serve(listener, router.into_make_service_with_connect_info()));
        Self { port, _runtime: runtime }
    }
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("a port").port();
    (listener, port)
}

async fn serve(listener: TcpListener, app: IntoMakeServiceWithConnectInfo<Router, std::net::SocketAddr>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    axum::serve(listener, app).await.expect("it serves for ever");
}
