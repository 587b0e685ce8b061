//! `bench-peers`: Hallpass, Redis and PostgreSQL on Unix sockets, asked for the same sessions by the same callers, in one run.

mod daemon;
mod inprocess;
mod jwt;
mod machine;
mod peer;
mod picture;
mod place;
mod report;
mod rounds;
mod server;
mod share;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Any failure ends the run with a sentence.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const USAGE: &str = "\
bench-peers [--rounds N] [--millis N] [--only WORD] [--peers LIST] [--tokens N]
            [--json FILE] [--svg FILE]
bench-peers --revocations [--json FILE]

Measures Hallpass beside Redis, PostgreSQL and jsonwebtoken. Starts all of them itself, in a temporary directory.

  --rounds N    how often everything is measured, peers in turn; 7
  --millis N    how long each measurement takes; 300
  --only WORD   only the rows whose name holds this word
  --peers LIST  which servers are measured; hallpass,redis,postgresql
  --tokens N    the most tokens that are held in process, up to 1000000; 100000
  --json FILE   where the results go; target/bench-peers.json
  --svg FILE    where a picture of them goes; none
  --revocations measures something else: how often an app has to ask under 100 revocations a second";

/// What is asked for on the command line.
struct Args {
    rounds: usize,
    length: Duration,
    only: String,
    peers: String,
    tokens: usize,
    revocations: bool,
    json: PathBuf,
    svg: Option<PathBuf>,
}

impl Args {
    fn read() -> Outcome<Self> {
        let mut args = Self {
            rounds: 7,
            length: Duration::from_millis(300),
            only: String::new(),
            peers: "hallpass,redis,postgresql".to_owned(),
            tokens: 100_000,
            revocations: false,
            json: repository().join("target/bench-peers.json"),
            svg: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n\n{USAGE}"));
            match word.as_str() {
                "--rounds" => args.rounds = value()?.parse::<usize>()?.max(1),
                "--millis" => args.length = Duration::from_millis(value()?.parse::<u64>()?.max(1)),
                "--only" => args.only = value()?,
                "--peers" => args.peers = value()?,
                "--tokens" => args.tokens = value()?.parse()?,
                "--revocations" => args.revocations = true,
                "--json" => args.json = value()?.into(),
                "--svg" => args.svg = Some(value()?.into()),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(args)
    }

    fn extent(&self) -> inprocess::Extent<'_> {
        inprocess::Extent { rounds: self.rounds, length: self.length, only: &self.only, tokens: self.tokens }
    }
}

/// The top of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn main() {
    if let Err(fault) = run() {
        eprintln!("bench-peers: {fault}");
        std::process::exit(1);
    }
}

fn run() -> Outcome<()> {
    let args = Args::read()?;
    let dir = tempfile::Builder::new().prefix("bench-peers").tempdir()?;
    // One thread for all callers: it shares no core with the servers, unless a row wants just that.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if args.revocations {
        return finish(&args, &runtime.block_on(share::measure(dir.path()))?);
    }
    let results = runtime.block_on(async {
        let peers = peer::start_all(dir.path(), &args.peers).await?;
        let mut rows = rounds::measure(&peers, args.rounds, args.length, &args.only).await?;
        rows.extend(inprocess::measure(dir.path(), &peers, &args.extent()).await?);
        Outcome::Ok(rows)
    })?;
    finish(&args, &results)
}

/// Says what was measured, in all the ways that were asked for.
fn finish(args: &Args, results: &[report::Row]) -> Outcome<()> {
    println!("{}", report::table(results));
    std::fs::write(&args.json, report::json(results)?)?;
    println!("The same as JSON: {}", args.json.display());
    if let Some(svg) = &args.svg {
        std::fs::write(svg, picture::draw(results))?;
        println!("As a picture: {}", svg.display());
    }
    Ok(())
}
