//! The results as a table with a picture, and what each number means; or as JSON, whose field names are a promise.

use serde::Serialize;

use super::measure::Measured;
use crate::ctl::failure::Failure;
use crate::ctl::render::Out;
use crate::ctl::render::units::{bytes, duration, often};

/// Columns of what was measured.
const NAMES: usize = 28;
/// Columns of a time.
const TIME: usize = 8;
/// Columns of how often a second.
const RATE: usize = 12;
/// Powers of ten of a nanosecond that the picture reaches over: 10 ns to 1 s.
const DECADES: std::ops::Range<f64> = 1.0..9.0;
/// Columns of the picture at most, and where there is no terminal.
const PICTURE: std::ops::RangeInclusive<usize> = 16..=80;
const PLAIN: usize = 80;

/// What every result goes with.
pub(super) struct Report {
    pub(super) seconds: u8,
    pub(super) against: Against,
}

/// Which daemon is measured.
pub(super) enum Against {
    /// One that was made for it.
    Own {
        /// Where its database lies.
        place: String,
        /// Memory of one hash, in bytes.
        hash_memory: u64,
    },
    /// One that others use.
    Running {
        /// Where it is asked.
        socket: String,
        /// Whether verifications are measured too.
        verifies: bool,
    },
}

const HELLO: &str = "hello              The least that can be asked: what any call costs.\n";
const VERIFY: &str = "\
verify in process  A token seen before, in the app's own process, from memory.
verify by call     The same over the socket. Callers of one app share messages.
";

#[derive(Serialize)]
struct MeasuredView<'a> {
    name: &'a str,
    callers: usize,
    count: u64,
    seconds: f64,
    per_second: f64,
    p50_nanos: u64,
    p90_nanos: u64,
    p99_nanos: u64,
    max_nanos: u64,
}

impl<'a> From<&'a Measured> for MeasuredView<'a> {
    fn from(measured: &'a Measured) -> Self {
        Self {
            name: measured.name,
            callers: measured.callers,
            count: measured.count,
            seconds: measured.took.as_secs_f64(),
            per_second: measured.per_second(),
            p50_nanos: measured.quantile(0.5),
            p90_nanos: measured.quantile(0.9),
            p99_nanos: measured.quantile(0.99),
            max_nanos: measured.quantile(1.0),
        }
    }
}

impl Report {
    /// The head of the table.
    pub(super) fn begin(&self, out: &mut Out<'_>) -> Result<(), Failure> {
        if out.json {
            return Ok(());
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (which, place) = match &self.against {
            Against::Own { place, .. } => ("a daemon of its own in", place),
            Against::Running { socket, .. } => ("the daemon that answers on", socket),
        };
        writeln!(out.to, "Each for {} s, on {cores} cores, against {which}", self.seconds)?;
        writeln!(out.to, "{}", crate::ctl::render::text::neutral(place))?;
        let room = picture_room(out);
        writeln!(
            out.to,
            "\n{:<NAMES$}{:>TIME$}{:>TIME$}{:>RATE$}  10 ns{:>rest$}",
            "",
            "p50",
            "p99",
            "a second",
            "1 s",
            rest = room.saturating_sub("10 ns".len())
        )?;
        Ok(out.to.flush()?)
    }

    /// One result.
    pub(super) fn row(out: &mut Out<'_>, measured: &Measured) -> Result<(), Failure> {
        if out.json {
            return Ok(out.object(&MeasuredView::from(measured))?);
        }
        let callers = match measured.callers {
            1 => String::new(),
            callers => format!(", {callers} callers"),
        };
        let name = format!("{}{callers}", measured.name);
        let (p50, p99) = (float(measured.quantile(0.5)), float(measured.quantile(0.99)));
        let rate = often(measured.per_second());
        let picture = picture(p50, p99, picture_room(out));
        writeln!(
            out.to,
            "{name:<NAMES$}{:>TIME$}{:>TIME$}{rate:>RATE$}  {picture}",
            duration(p50),
            duration(p99)
        )?;
        Ok(out.to.flush()?)
    }

    /// What the numbers mean.
    pub(super) fn end(&self, out: &mut Out<'_>) -> Result<(), Failure> {
        if out.json {
            return Ok(());
        }
        writeln!(out.to, "\n█ to p50, ░ to p99, on a scale on which every column is the same factor.\n")?;
        match &self.against {
            Against::Own { hash_memory, .. } => write!(
                out.to,
                "{VERIFY}\
                 refresh            Answered once it is on disk: this one's. Many share one sync.\n\
                 login              Argon2id with {}, slow on purpose: a guess costs as much.\n",
                bytes(*hash_memory)
            )?,
            Against::Running { verifies, .. } => {
                write!(out.to, "{HELLO}{}", if *verifies { VERIFY } else { "" })?;
            }
        }
        Ok(())
    }
}

fn picture_room(out: &Out<'_>) -> usize {
    let taken = NAMES + 2 * TIME + RATE + 2;
    out.width.unwrap_or(PLAIN).saturating_sub(taken).clamp(*PICTURE.start(), *PICTURE.end())
}

/// A bar to the median and on to the slowest of a hundred, on a scale on which equal factors are equally long.
fn picture(p50: f64, p99: f64, room: usize) -> String {
    let (half, most) = (columns(p50, room), columns(p99, room));
    "█".repeat(half) + &"░".repeat(most.saturating_sub(half))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "it lies between nothing and the width of a terminal"
)]
fn columns(nanos: f64, room: usize) -> usize {
    let part = (nanos.max(1.0).log10() - DECADES.start) / (DECADES.end - DECADES.start);
    (part.clamp(0.0, 1.0) * room as f64).round() as usize
}

#[expect(clippy::cast_precision_loss, reason = "it is shown to two digits")]
fn float(nanos: u64) -> f64 {
    nanos as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_the_logarithm_of_its_time() {
        assert_eq!(picture(1e5, 1e5, 16), "█".repeat(8));
        assert_eq!(picture(1e3, 1e5, 16), "█".repeat(4) + &"░".repeat(4));
        assert_eq!(picture(0.0, 5e9, 16), "░".repeat(16));
    }
}
