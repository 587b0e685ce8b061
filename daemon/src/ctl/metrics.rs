//! What the daemon has counted, as `OpenMetrics` text for the node exporter's textfile collector and its like, or as JSON.

mod json;
mod openmetrics;

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use hallpass_client::admin::AdminClient;
use hallpass_protocol::error::{ErrorCode, Refusal};

use super::args::MetricsArgs;
use super::failure::Failure;
use super::render::Out;
pub(super) use json::{MetricsView, outcomes};

/// Prints what was counted, or puts it into a file.
pub(super) async fn run(args: &MetricsArgs, admin: &AdminClient, out: &mut Out<'_>) -> Result<(), Failure> {
    let metrics = admin.metrics().await?;
    let text = if out.json {
        let json = serde_json::to_string(&MetricsView::from(&metrics)).map_err(Failure::surprise)?;
        format!("{json}\n")
    } else {
        openmetrics::text(metrics)
    };
    match &args.output {
        None => Ok(out.to.write_all(text.as_bytes())?),
        Some(path) => put(path, text.as_bytes()).map_err(|error| {
            let place = path.display();
            let sentence = format!(
                "{place} cannot be written: {error}; name a file in a directory that you may write to"
            );
            Refusal::because(ErrorCode::InvalidRequest, sentence).into()
        }),
    }
}

/// Puts a file in its place in one step, for everybody to read: whoever reads it meets the one before or this one, and never a part.
fn put(path: &Path, text: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it is no name of a file"))?;
    // Collectors take up files by what their names end in, and must not take this one.
    let new = path.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
    let written = write(&new, text).and_then(|()| fs::rename(&new, path));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

fn write(new: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(text)?;
    file.set_permissions(Permissions::from_mode(0o644))
}

#[cfg(test)]
pub(in crate::ctl) mod sample;
#[cfg(test)]
mod tests;
