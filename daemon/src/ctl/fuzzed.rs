//! Lines of JSON: users as they come in, entries of the audit chain as they go out.

use std::collections::BTreeSet;
use std::io::Cursor;

use hallpass_client::admin::{AuditEntry, ExportedUser};
use hallpass_protocol::codec;
use hallpass_protocol::time::Millis;
use serde_json::Value;

use super::export::line;
use super::import::Entries;
use super::render::{self, Out};

/// A file of users, as an import reads it.
///
/// # Panics
/// If a refusal repeats what stands in the line, two users of one name get through, or a user that is exported is not the one that was imported.
pub fn users(data: &[u8]) {
    let mut names = BTreeSet::new();
    for (_, entry) in Entries::of(Box::new(Cursor::new(data.to_vec()))) {
        let user = match entry {
            Ok(entry) => entry.into_user(false),
            Err(failure) => {
                // What stands in the line may be a hash.
                let said = failure.fault().message;
                let ours = said.starts_with("the line is ") || said.starts_with("line ");
                assert!(ours && said.len() < 128, "{said}");
                continue;
            }
        };
        assert!(names.insert(user.name.clone()), "two users of one name");
        let Some(user_id) = user.user_id else { continue };
        let exported = ExportedUser {
            user_id,
            name: user.name,
            hash: user.hash,
            roles: user.roles,
            attributes: user.attributes,
            disabled: user.disabled,
        };
        let once = line(&exported, true).expect("it has a JSON form");
        assert!(!once.chars().any(char::is_control), "{once:?}");
        if once.len() > super::import::LINE_BYTES {
            continue;
        }
        let again = Entries::of(Box::new(Cursor::new(once.clone().into_bytes()))).next();
        let Some((1, Ok(again))) = again else { unreachable!("what was exported is not imported: {once}") };
        let again = again.into_user(false);
        let said = (&again.name, again.user_id, &again.roles, &again.attributes, again.disabled);
        let wanted =
            (&exported.name, Some(user_id), &exported.roles, &exported.attributes, exported.disabled);
        assert_eq!(said, wanted);
        let hash = |hash: &Option<hallpass_protocol::secret::Password>| {
            hash.as_ref().map(|hash| hash.expose().to_owned())
        };
        assert_eq!(hash(&again.hash), hash(&exported.hash));
    }
}

/// An entry of the audit chain, whatever names and details are in it, is one line that says what the entry says.
pub(crate) fn exported(data: &[u8]) {
    let Ok(entry) = codec::decode::<AuditEntry>(data) else { return };
    let mut to = Vec::new();
    let mut out = Out { to: &mut to, json: true, now: Millis::default(), width: None, colour: false };
    render::audit().page(&mut out, std::slice::from_ref(&entry)).expect("it is written to memory");
    let text = String::from_utf8(to).expect("it is text");
    let text = text.strip_suffix('\n').expect("a line");
    assert!(!text.chars().any(char::is_control), "{text:?}");
    let value: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(value["number"], entry.number);
    assert_eq!(value["stamp"], entry.stamp.0);
    for (field, said) in [
        ("event", &entry.event),
        ("outcome", &entry.outcome),
        ("app", &entry.app),
        ("detail", &entry.detail),
        ("hash", &entry.hash),
    ] {
        assert_eq!(value[field].as_str(), Some(said.as_str()), "{field}");
    }
}
