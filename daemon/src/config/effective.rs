//! What holds in the end: every setting with its value, whether it was written or not.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Config;

impl Config {
    /// Every setting that has a value, by its key. Those of an app have its name in their key: `app.shop.uids`.
    pub(crate) fn effective(&self) -> BTreeMap<String, Value> {
        let resolved = Self { lifetimes: self.lifetimes.written_out(), ..self.clone() };
        let mut found = BTreeMap::new();
        // Nothing in it has a key that is no text, which is all that could fail.
        let Ok(Value::Object(mut all)) = serde_json::to_value(&resolved) else { return found };
        all.remove("app");
        flatten("", all, &mut found);
        for app in &self.app {
            if let Ok(Value::Object(of_app)) = serde_json::to_value(app.written_out()) {
                flatten(&format!("app.{}.", app.name), of_app, &mut found);
            }
        }
        found
    }
}

fn flatten(before: &str, table: Map<String, Value>, found: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let key = format!("{before}{key}");
        match value {
            Value::Null => {}
            Value::Object(table) => flatten(&format!("{key}."), table, found),
            value => drop(found.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_profile_or_an_app_leaves_open_is_written_out() {
        let config = Config::parse(
            "[lifetimes]\nprofile = \"strict\"\nidle = \"1800s\"\n[[app]]\nname = \"shop\"\nuids = [33]\n\
             [passwords]\npepper = { id = \"p1\", file = \"/p\" }",
        );
        let effective = config.unwrap().effective();
        for (key, value) in [
            ("lifetimes.access", serde_json::json!("5m")),
            ("lifetimes.idle", serde_json::json!("30m")),
            ("app.shop.audiences", serde_json::json!(["shop"])),
            ("app.shop.rights", serde_json::json!(["login", "verify", "refresh", "revoke", "list"])),
            ("app.shop.uids", serde_json::json!([33])),
            ("passwords.pepper.id", serde_json::json!("p1")),
            ("limits.connections", serde_json::json!(1024)),
        ] {
            assert_eq!(effective.get(key), Some(&value), "{key}");
        }
        assert!(!effective.contains_key("master_key"), "it is nowhere yet");
    }
}
