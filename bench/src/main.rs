//! `bench-peers`: Hallpass, Redis and PostgreSQL on Unix sockets, asked for the same sessions by the same callers, in one run.

mod args;
mod daemon;
mod disk;
mod inprocess;
mod jwt;
mod machine;
mod peer;
mod picture;
mod place;
mod refresh;
mod report;
mod rounds;
mod scale;
mod server;
mod sessions;
mod share;

use std::path::{Path, PathBuf};

use args::{Args, Suite};

/// Any failure ends the run with a sentence.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

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
    let results = match args.suite {
        Suite::Verify => verify(&args)?,
        Suite::Refresh => durably(&args)?,
        Suite::Scale => return sizes(&args),
        Suite::Revocations => runtime()?.block_on(share::measure(temporary()?.path()))?,
    };
    println!("{}", report::table(&results));
    std::fs::write(&args.json, report::json(&results)?)?;
    println!("The same as JSON: {}", args.json.display());
    if let Some(svg) = &args.svg {
        std::fs::write(svg, picture::draw(&results))?;
        println!("As a picture: {}", svg.display());
    }
    Ok(())
}

/// One thread for all callers: it shares no core with the servers, unless a row wants just that.
fn runtime() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// A directory for sockets and logs, which ends with the run.
fn temporary() -> Outcome<tempfile::TempDir> {
    Ok(tempfile::Builder::new().prefix("bench-peers").tempdir()?)
}

fn verify(args: &Args) -> Outcome<Vec<report::Row>> {
    let dir = temporary()?;
    runtime()?.block_on(async {
        let peers = peer::start_all(dir.path(), &args.peers()).await?;
        let mut rows = rounds::measure(&peers, args.rounds, args.length, &args.only).await?;
        let extent = inprocess::Extent {
            rounds: args.rounds,
            length: args.length,
            only: &args.only,
            tokens: args.tokens,
        };
        rows.extend(inprocess::measure(dir.path(), &peers, &extent).await?);
        Ok(rows)
    })
}

fn durably(args: &Args) -> Outcome<Vec<report::Row>> {
    let (dir, disk) = (temporary()?, disk::Disk::open(&args.data)?);
    let plan = refresh::Plan {
        sizes: &args.sessions(),
        rounds: args.rounds,
        length: args.length,
        only: &args.only,
        peers: &args.peers(),
    };
    disk::open_to_all(dir.path())?;
    runtime()?.block_on(refresh::measure(&disk, dir.path(), &plan))
}

fn sizes(args: &Args) -> Outcome<()> {
    let (dir, disk) = (temporary()?, disk::Disk::open(&args.data)?);
    let columns = runtime()?.block_on(scale::measure(&disk, dir.path(), &args.sessions(), args.length))?;
    println!("{}", scale::table(&columns));
    std::fs::write(&args.json, scale::json(&columns)?)?;
    println!("The same as JSON: {}", args.json.display());
    Ok(())
}
