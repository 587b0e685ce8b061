//! A web app as one would deploy it: login, one's own sessions, another proof before something dangerous, and how people get in.
//!
//!     cargo run -p hallpass-client --example console --features axum -- --plain-localhost
//!
//! Behind nginx, as in `docs/nginx.md`: `--listen 127.0.0.1:3000 --proxies 1`, and no `--plain-localhost`.

mod app;

use std::net::SocketAddr;
use std::path::PathBuf;

use hallpass_client::web::{Web, WebBuilder};
use tokio::net::TcpListener;

/// What the command line says.
struct Settings {
    listen: SocketAddr,
    socket: Option<PathBuf>,
    web: WebBuilder,
}

const USAGE: &str =
    "usage: console [--listen ADDRESS:PORT] [--socket HALLPASS.SOCK] [--proxies COUNT] [--plain-localhost]";

fn settings(mut words: impl Iterator<Item = String>) -> Result<Settings, Box<dyn std::error::Error>> {
    let listen = SocketAddr::from(([127, 0, 0, 1], 3000));
    let mut settings = Settings { listen, socket: None, web: app::web() };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(USAGE);
        match word.as_str() {
            "--listen" => settings.listen = value()?.parse()?,
            "--socket" => settings.socket = Some(value()?.into()),
            "--proxies" => settings.web = settings.web.trusted_proxies(value()?.parse()?),
            "--plain-localhost" => settings.web = settings.web.plain_localhost(),
            _ => return Err(USAGE.into()),
        }
    }
    Ok(settings)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings(std::env::args().skip(1))?;
    let web: Web = match settings.socket {
        Some(socket) => settings.web.connect(socket).await?,
        None => settings.web.connect_default().await?,
    };
    let listener = TcpListener::bind(settings.listen).await?;
    axum::serve(listener, app::app(&web)).await?;
    Ok(())
}
