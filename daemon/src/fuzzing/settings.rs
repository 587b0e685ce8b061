//! The configuration.

use crate::config::Config;

/// The text of a `hallpass.toml`.
///
/// # Panics
/// If settings are taken that contradict each other, or one that nobody knows is passed over.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = match Config::parse(text) {
        Ok(config) => config,
        Err(error) => return assert!(!error.to_string().is_empty(), "it does not say what is wrong"),
    };
    let policy = config.policy();
    assert!(policy.lifetimes.idle <= policy.lifetimes.absolute);
    assert!(policy.lifetimes.access <= policy.lifetimes.absolute);
    let mut names: Vec<_> = config.app.iter().map(|app| app.name.as_str()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two apps of one name");
    for dir in [&config.state_dir, &config.runtime_dir].into_iter().flatten() {
        assert!(dir.is_absolute(), "{}", dir.display());
    }
    // It lands in whatever table comes last, and none of them may pass it over.
    let misspelt = format!("{text}\nno_such_setting = 1\n");
    assert!(Config::parse(&misspelt).is_err(), "what nobody knows is passed over");
}
