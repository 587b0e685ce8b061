//! The guides of `docs/moving-in.md` for apps whose sessions are elsewhere today: their users stay logged in.
#![cfg(test)]

mod carry_over;
mod jwt;
mod redis;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use carry_over::{Before, carry_over};
use hallpass_client::web::{Identity, Web};
use hallpassd::testing::TestDaemon;
use tower::ServiceExt;

const GUIDE: &str = include_str!("../../../docs/moving-in.md");

/// The app after the change, with a user who has logged in before it.
pub(crate) struct Moved {
    app: Router,
    pub(crate) daemon: TestDaemon,
}

impl Moved {
    pub(crate) async fn from(before: impl Before) -> Self {
        let uid = nix::unistd::geteuid();
        let rights = r#"["login", "verify", "refresh", "revoke", "list", "vouch"]"#;
        let app = format!("[[app]]\nname = \"shop\"\nuids = [{uid}]\nrights = {rights}\n");
        let daemon = TestDaemon::with_config(&format!("[admin]\nuids = [{uid}]\n{app}")).expect("a daemon");
        daemon.add_user("alice", "correct horse battery staple", &["editor"]).expect("a user");
        let web = Web::builder().login_page("/login").connect(daemon.socket()).await.expect("it serves");
        let app = Router::new()
            .route("/me", get(async |who: Identity| format!("{:?}", who.roles())))
            .layer(from_fn_with_state(Arc::new(before), carry_over))
            .layer(web.layer());
        Self { app, daemon }
    }

    /// Asks for a page with these cookies. Gives the status, what it says, and the cookies that it sets.
    pub(crate) async fn get(&self, cookies: &str) -> (StatusCode, String, Vec<String>) {
        let request = Request::get("/me").header("cookie", cookies).body(Body::empty()).unwrap();
        let (parts, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        let text = to_bytes(body, 1 << 16).await.unwrap();
        let set = parts.headers.get_all("set-cookie").iter();
        let set = set.map(|cookie| cookie.to_str().unwrap().to_owned()).collect();
        (parts.status, String::from_utf8(text.to_vec()).unwrap(), set)
    }

    /// A browser with a session of before gets one of Hallpass's and goes on with it.
    pub(crate) async fn carries_over(&self, before: &str) {
        let (status, _, set) = self.get(before).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        let name = before.split('=').next().unwrap();
        assert!(set.iter().any(|cookie| cookie.starts_with(&format!("{name}=; Max-Age=0"))), "{set:?}");
        let session = set.iter().find(|cookie| cookie.starts_with("__Host-shop-session=hps_"));
        let session = session.expect("a session").split(';').next().unwrap();
        let (status, text, _) = self.get(session).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, r#"["editor"]"#));
        self.daemon.revoke_user("alice").unwrap();
        assert_eq!(self.get(session).await.0, StatusCode::UNAUTHORIZED, "and now it can be taken back");
    }

    /// Whoever shows this has to log in.
    pub(crate) async fn does_not_know(&self, cookies: &str) {
        let (status, _, set) = self.get(cookies).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{cookies}");
        assert!(set.iter().all(|cookie| !cookie.contains("hps_")), "{set:?}");
    }
}

#[test]
fn the_guide_shows_the_code_that_runs_here() {
    for file in [include_str!("carry_over.rs"), include_str!("redis.rs"), include_str!("jwt.rs")] {
        let (_, code) = file.split_once("\n\n").unwrap();
        let shown = code.split("\n\n#[cfg(test)]").next().unwrap().trim_end();
        assert!(
            GUIDE.contains(&format!("```rust\n{shown}\n```")),
            "the guide shows something else than:\n{shown}"
        );
    }
}
