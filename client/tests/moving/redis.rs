//! Sessions in Redis, as most session libraries keep them: a random name in a cookie, and under it a record with an end.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::carry_over::Before;

/// Sessions at `sess:<id>`, the user's name in the field `user`.
pub(crate) struct InRedis {
    pub(crate) socket: std::path::PathBuf,
}

impl Before for InRedis {
    const COOKIE: &'static str = "sid";

    async fn user(&self, session: &str) -> Option<String> {
        self.command(&["HGET", &format!("sess:{session}"), "user"]).await.ok().flatten()
    }

    async fn end(&self, session: &str) {
        // One that stays is over at its own end.
        let _ = self.command(&["DEL", &format!("sess:{session}")]).await;
    }
}

impl InRedis {
    /// One command, and its answer if that is a text. Your app has a Redis client, which does this better.
    pub(crate) async fn command(&self, words: &[&str]) -> std::io::Result<Option<String>> {
        let mut stream = BufReader::new(UnixStream::connect(&self.socket).await?);
        let words: Vec<String> = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
        stream.write_all(format!("*{}\r\n{}", words.len(), words.concat()).as_bytes()).await?;
        let (mut kind, mut text) = (String::new(), String::new());
        stream.read_line(&mut kind).await?;
        if !kind.starts_with('$') || kind.starts_with("$-1") {
            return Ok(None);
        }
        stream.read_line(&mut text).await?;
        Ok(Some(text.trim_end().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::Moved;

    struct Server(Child);

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// A Redis of its own; nothing where there is none.
    async fn redis(dir: &std::path::Path) -> Option<(Server, InRedis)> {
        let socket = dir.join("redis.sock");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket).current_dir(dir);
        let Ok(child) = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn() else {
            let why =
                b"skipped: there is no redis-server; install the package to see sessions move from it\n";
            std::io::stderr().write_all(why).unwrap();
            return None;
        };
        let (server, redis) = (Server(child), InRedis { socket });
        for _ in 0..1000 {
            if redis.command(&["PING"]).await.is_ok() {
                return Some((server, redis));
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        unreachable!("Redis does not answer");
    }

    #[tokio::test]
    async fn who_is_logged_in_by_redis_stays_logged_in() {
        let dir = tempfile::TempDir::new().unwrap();
        let Some((_server, redis)) = redis(dir.path()).await else { return };
        redis.command(&["HSET", "sess:5f1c", "user", "alice"]).await.unwrap();
        redis.command(&["HSET", "sess:90aa", "user", "nobody-knows"]).await.unwrap();
        let look = InRedis { socket: redis.socket.clone() };
        let moved = Moved::from(redis).await;
        moved.carries_over("sid=5f1c").await;
        assert_eq!(look.user("5f1c").await, None, "it is over in Redis");
        moved.does_not_know("sid=5f1c").await;
        moved.does_not_know("sid=made-up").await;
        let (status, ..) = moved.get("sid=90aa").await;
        assert!(status.is_client_error(), "a user who has not moved: {status}");
    }
}
