//! What a running daemon can take over from a configuration that has changed, and what it cannot.

use super::Config;

impl Config {
    /// The keys that say something else in `changed` and are read at the start only.
    ///
    /// Every key stands here, so a new one has to be thought about.
    pub(crate) fn only_at_start(&self, changed: &Self) -> Vec<&'static str> {
        let Self {
            issuer,
            state_dir,
            runtime_dir,
            master_key,
            passwords,
            board,
            log,
            // These are taken over, but for what of the limits is set aside at the start.
            lifetimes: _,
            refresh: _,
            sessions: _,
            keys: _,
            limits,
            throttle: _,
            audit: _,
            admin: _,
            app: _,
        } = self;
        let differs = [
            ("issuer", *issuer != changed.issuer),
            ("state_dir", *state_dir != changed.state_dir),
            ("runtime_dir", *runtime_dir != changed.runtime_dir),
            ("master_key", *master_key != changed.master_key),
            ("passwords", *passwords != changed.passwords),
            ("board", *board != changed.board),
            ("limits.frame_memory_mib", limits.frame_memory_mib != changed.limits.frame_memory_mib),
            ("limits.idle_connection", limits.idle_connection != changed.limits.idle_connection),
            ("log.format", log.format != changed.log.format),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reload_cannot_change_is_named_and_the_rest_is_not() {
        let config = |text: &str| Config::parse(text).unwrap();
        let changed = config(
            "issuer = \"x\"\nmaster_key = \"/k\"\n[passwords]\nmin_length = 20\n[board]\nslots = 1024\n\
             [log]\nlevel = \"debug\"\nformat = \"json\"\n[lifetimes]\nprofile = \"strict\"\n[limits]\nconnections = 9\n\
             [admin]\nuids = [7]\n[[app]]\nname = \"a\"\nuids = [7]",
        );
        assert_eq!(
            Config::default().only_at_start(&changed),
            ["issuer", "master_key", "passwords", "board", "log.format"]
        );
        assert_eq!(changed.only_at_start(&changed), [""; 0]);
    }
}
