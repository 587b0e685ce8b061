//! What is asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Outcome, repository};

const USAGE: &str = "\
bench-peers [--suite NAME] [--rounds N] [--millis N] [--only WORD] [--peers LIST] [--sessions LIST] [--data DIR]
            [--json FILE] [--svg FILE]

Measures Hallpass beside Redis, PostgreSQL and jsonwebtoken. Starts all of them itself, in a temporary directory.

  --suite NAME     verify: sessions looked up and tokens checked; refresh: refresh tokens exchanged, durably; scale: what
                   grows with the sessions of a database and what does not; verify
  --rounds N       how often everything is measured, peers in turn; 7
  --millis N       how long each measurement takes; 300
  --only WORD      only the rows whose name holds this word
  --peers LIST     which servers are measured; hallpass,redis,postgresql, and for refresh also
                   unsigned: Hallpass without the signature in each grant
  --sessions LIST  refresh, scale: how many sessions there are; 100000,1000000, or for scale 10000,100000,1000000
  --data DIR       refresh, scale: where databases lie, on a disk and not in memory; filled ones are kept there
                   for the next run; target/bench-data
  --json FILE      where the results go; target/bench-peers.json
  --svg FILE       where a picture of them goes; none";

/// Which suite is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// Sessions looked up, and tokens checked.
    Verify,
    /// Refresh tokens exchanged.
    Refresh,
    /// Databases of several sizes.
    Scale,
}

/// What is asked for on the command line.
pub struct Args {
    /// Which suite.
    pub suite: Suite,
    /// How often everything is measured.
    pub rounds: usize,
    /// How long each measurement takes.
    pub length: Duration,
    /// Only the rows whose name holds this.
    pub only: String,
    /// Which servers, with commas between.
    peers: Option<String>,
    /// How many sessions there are.
    sessions: Option<Vec<usize>>,
    /// Where databases lie.
    pub data: PathBuf,
    /// Where the results go.
    pub json: PathBuf,
    /// Where a picture of them goes.
    pub svg: Option<PathBuf>,
}

impl Args {
    /// Reads the command line.
    pub fn read() -> Outcome<Self> {
        let mut args = Self {
            suite: Suite::Verify,
            rounds: 7,
            length: Duration::from_millis(300),
            only: String::new(),
            peers: None,
            sessions: None,
            data: repository().join("target/bench-data"),
            json: repository().join("target/bench-peers.json"),
            svg: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n\n{USAGE}"));
            match word.as_str() {
                "--suite" => args.suite = suite(&value()?)?,
                "--rounds" => args.rounds = value()?.parse::<usize>()?.max(1),
                "--millis" => args.length = Duration::from_millis(value()?.parse::<u64>()?.max(1)),
                "--only" => args.only = value()?,
                "--peers" => args.peers = Some(value()?),
                "--sessions" => args.sessions = Some(numbers(&value()?)?),
                "--data" => args.data = value()?.into(),
                "--json" => args.json = value()?.into(),
                "--svg" => args.svg = Some(value()?.into()),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(args)
    }

    /// Who is compared.
    pub fn peers(&self) -> String {
        let usual = match self.suite {
            Suite::Refresh => "hallpass,unsigned,redis,postgresql",
            Suite::Verify | Suite::Scale => "hallpass,redis,postgresql",
        };
        self.peers.clone().unwrap_or_else(|| usual.to_owned())
    }

    /// How many sessions there are, the smallest number first.
    pub fn sessions(&self) -> Vec<usize> {
        let usual: &[usize] =
            if self.suite == Suite::Scale { &[10_000, 100_000, 1_000_000] } else { &[100_000, 1_000_000] };
        self.sessions.clone().unwrap_or_else(|| usual.to_vec())
    }
}

fn numbers(list: &str) -> Outcome<Vec<usize>> {
    Ok(list.split(',').map(str::parse).collect::<Result<_, _>>()?)
}

fn suite(name: &str) -> Outcome<Suite> {
    match name {
        "verify" => Ok(Suite::Verify),
        "refresh" => Ok(Suite::Refresh),
        "scale" => Ok(Suite::Scale),
        name => Err(format!("{name:?} is no suite\n\n{USAGE}").into()),
    }
}
