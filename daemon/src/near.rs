//! What somebody may have meant who wrote something that there is not.

/// The name among these that is so near to what was written that it may have been meant.
pub(crate) fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &str| strsim::damerau_levenshtein(written, name);
    let (near, distance) =
        names.into_iter().map(|name| (name, distance(name))).min_by_key(|&(_, distance)| distance)?;
    // A slip in every fourth character is the most that still looks like one.
    (distance <= written.chars().count() / 4 + 1 && distance < near.chars().count()).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_through_and_another_word_is_not() {
        let names = ["issuer", "idle", "slots", "alice"];
        for (written, meant) in [
            ("isuer", Some("issuer")),
            ("alcie", Some("alice")),
            ("slot", Some("slots")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, names), meant, "{written}");
        }
        assert_eq!(nearest("alice", []), None);
    }
}
