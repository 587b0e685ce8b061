//! `bench-peers`: Hallpass, Redis and PostgreSQL on Unix sockets, asked for the same sessions by the same callers, in one run.

mod inprocess;
mod jwt;
mod peer;
mod picture;
mod place;
mod report;
mod rounds;
mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Any failure ends the run with a sentence.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const USAGE: &str = "\
bench-peers [--rounds N] [--millis N] [--only WORD] [--peers LIST] [--json FILE] [--svg FILE]

Measures Hallpass beside Redis, PostgreSQL and jsonwebtoken. Starts all of them itself, in a temporary directory.

  --rounds N    how often everything is measured, peers in turn; 7
  --millis N    how long each measurement takes; 300
  --only WORD   only the rows whose name holds this word
  --peers LIST  which servers are measured; hallpass,redis,postgresql
  --json FILE   where the results go; target/bench-peers.json
  --svg FILE    where a picture of them goes; none";

/// What is asked for on the command line.
struct Args {
    rounds: usize,
    length: Duration,
    only: String,
    peers: String,
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
                "--json" => args.json = value()?.into(),
                "--svg" => args.svg = Some(value()?.into()),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(args)
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
    let mut results = runtime.block_on(async {
        let peers = peer::start_all(dir.path(), &args.peers).await?;
        rounds::measure(&peers, args.rounds, args.length, &args.only).await
    })?;
    place::everywhere()?;
    results.extend(inprocess::measure(args.rounds, &args.only)?);
    results.extend(jwt::measure(args.rounds, &args.only)?);
    println!("{}", report::table(&results));
    std::fs::write(&args.json, report::json(&results)?)?;
    println!("The same as JSON: {}", args.json.display());
    if let Some(svg) = &args.svg {
        std::fs::write(svg, picture::draw(&results))?;
        println!("As a picture: {}", svg.display());
    }
    Ok(())
}
