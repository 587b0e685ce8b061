//! The daemon that runs, asked for what changes nothing there but its counters: who it is and, with an access token, whose that is.

use std::time::Duration;

use hallpass_client::{Client, Needs, Verifier};
use hallpass_protocol::secret::Token;
use hallpass_protocol::token::TokenKind;

use super::measure::Bench;
use super::report::{Against, Report};
use super::{MANY, row};
use crate::ctl::args::BenchArgs;
use crate::ctl::failure::Failure;
use crate::ctl::input;
use crate::ctl::render::Out;

/// Measures it, and shows each result as soon as it is there.
pub(super) async fn run(
    args: &BenchArgs,
    app: impl AsyncFnOnce() -> Result<Client, Failure>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let token = args.token.map(|_| input::token(true).and_then(access)).transpose()?;
    let client = app().await?;
    let verified = match token {
        Some(token) => {
            // One that is not good is told before anything is measured.
            client.verify(token.clone(), Needs::default()).await?;
            Some((Verifier::connect(client.socket())?, token))
        }
        None => None,
    };
    let socket = client.socket().display().to_string();
    let report =
        Report { seconds: args.seconds, against: Against::Running { socket, verifies: verified.is_some() } };
    let bench = Bench { client, time: Duration::from_secs(args.seconds.into()) };
    report.begin(out)?;
    for callers in [1, MANY] {
        row("questions who is there", bench.hello(callers), out).await?;
    }
    if let Some((verifier, token)) = verified {
        row("verifications in this process", bench.in_process(&verifier, &token), out).await?;
        for callers in [1, MANY] {
            row("verifications", bench.verify(vec![token.clone(); callers]), out).await?;
        }
    }
    report.end(out)
}

/// A token that can be verified as often as one likes without a trace.
fn access(token: Token) -> Result<Token, Failure> {
    if TokenKind::of(token.expose()) == TokenKind::Access {
        return Ok(token);
    }
    Err(Failure::usage(
        "only an access token is measured here, since to verify a session token is to use its session; `hallpass login` gives one",
    ))
}
