//! When and on what it was measured: numbers without that say nothing.

use std::time::SystemTime;

/// The day, as in 2026-11-24.
pub fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}

/// The processor and how many of its cores there are to use.
pub fn kind() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    let cores = crate::place::cores().map_or(0, |cores| cores.len());
    format!("{model}, {cores} cores")
}
