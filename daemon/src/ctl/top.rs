//! What the daemon does at this moment: on a terminal until somebody has seen enough, or printed once.

mod history;
mod json;
mod screen;
mod sight;
mod tty;

use futures_util::future::OptionFuture;
use hallpass_client::Error;
use hallpass_client::admin::{AdminClient, Metrics};
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::args::TopArgs;
use super::failure::Failure;
use super::render::Out;
use crate::clock::{SystemTime, TimeSource};
use hallpass_protocol::time::Millis;
use history::History;
use json::TopView;
use screen::Screen;
use tty::{Happened, Tty, pulse};

/// Columns and rows where there is no terminal to ask.
const PLAIN: (usize, usize) = (80, 24);

/// Shows what the daemon does.
pub(super) async fn run(args: &TopArgs, admin: &AdminClient, out: &mut Out<'_>) -> Result<(), Failure> {
    if args.once {
        return once(args, admin, out).await;
    }
    if args.interval == 0 {
        return Err(Failure::usage("--interval 0 goes together with --once; give 1 to 60 seconds"));
    }
    if out.json {
        return stream(args, admin, out).await;
    }
    if out.width.is_none() {
        return Err(Failure::usage(
            "top draws on a terminal, and this is none; for a snapshot give --once, for objects --json",
        ));
    }
    watch(args, admin).await
}

/// One snapshot, of an interval or of all since the start.
async fn once(args: &TopArgs, admin: &AdminClient, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut history = History::default();
    if args.interval > 0 {
        history.add(admin.metrics().await?);
        let (mut ticks, _stop) = pulse(args.interval, false);
        ticks.recv().await;
    }
    history.add(admin.metrics().await?);
    let sight = history
        .sight()
        .ok_or_else(|| Failure::surprise("the daemon was started anew meanwhile; ask again"))?;
    if out.json {
        return Ok(out.object(&TopView::from(&sight))?);
    }
    let (width, _) = tty::size().unwrap_or(PLAIN);
    let screen =
        Screen { sight: &sight, history: &history, trouble: None, clock: &now(), socket: &place(admin) };
    for line in screen.plain(out.width.unwrap_or(width)) {
        writeln!(out.to, "{line}")?;
    }
    Ok(())
}

/// One object for each interval, until whoever reads them has enough.
async fn stream(args: &TopArgs, admin: &AdminClient, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut history = History::default();
    let (mut ticks, _stop) = pulse(args.interval, false);
    loop {
        history.add(admin.metrics().await?);
        if let Some(sight) = history.sight().filter(|_| history.has_interval()) {
            out.object(&TopView::from(&sight))?;
            out.to.flush()?;
        }
        ticks.recv().await;
    }
}

/// The live view. However it ends, the terminal is left as it was found.
async fn watch(args: &TopArgs, admin: &AdminClient) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Start)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::Start)?;
    let mut history = History::default();
    // A daemon that is not there at all is said on a terminal that is still as it was.
    history.add(admin.metrics().await?);
    let mut tty = Tty::take()?;
    let (mut happened, _stop) = pulse(args.interval, true);
    let (mut trouble, socket) = (None, place(admin));
    let (mut looking, mut is_looking): (OptionFuture<_>, bool) = (None.into(), false);
    loop {
        let clock = now();
        let sight = history.sight();
        let lines = sight.as_ref().map(|sight| {
            let screen = Screen {
                sight,
                history: &history,
                trouble: trouble.as_deref(),
                clock: &clock,
                socket: &socket,
            };
            screen.lines(tty.width, tty.height)
        });
        tty.draw(&lines.unwrap_or_default())?;
        let next = tokio::select! {
            next = happened.recv() => next.unwrap_or(Happened::Quit),
            Some(asked) = &mut looking => {
                (looking, is_looking) = (None.into(), false);
                trouble = take(asked, &mut history);
                continue;
            }
            _ = terminate.recv() => return Err(Failure::Signal(Signal::SIGTERM)),
            _ = hangup.recv() => return Err(Failure::Signal(Signal::SIGHUP)),
        };
        match next {
            Happened::Quit => return Ok(()),
            Happened::Resized => tty.resized()?,
            // One that is not answered yet goes on: keys are heard while it is waited for.
            Happened::Tick if !is_looking => {
                (looking, is_looking) = (Some(Box::pin(admin.metrics())).into(), true);
            }
            Happened::Tick => {}
        }
    }
}

/// Takes in one more answer. What keeps the daemon from answering is said, and it is asked again.
fn take(asked: Result<Metrics, Error>, history: &mut History) -> Option<String> {
    match asked {
        Ok(metrics) => {
            history.add(metrics);
            None
        }
        Err(error) => {
            history.miss();
            Some(error.to_string())
        }
    }
}

fn place(admin: &AdminClient) -> String {
    admin.socket().display().to_string()
}

/// The time of day, in UTC.
fn now() -> String {
    let text = super::render::text::moment(Millis::from_u64(SystemTime.wall_micros() / 1000));
    text.get(11..).map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests;
