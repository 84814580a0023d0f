//! The bot of `examples/bot.rs` and its homeserver are killed repeatedly while a user writes to the bot: each
//! message is answered once, in order.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../examples/bot.rs"]
mod bot;

use std::{path::Path, process::Stdio, sync::Arc};

use phoenix_core::identifiers::{GroupId, UserId};
use phoenix_hyper::{
    demo::people::Person,
    local::{Homeserver, PATIENCE, Place, Program, reach},
    peers::Peers,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::Semaphore,
    time,
};

/// How often bot and homeserver are killed in total, unless the environment variable `BOT_KILLS` says otherwise.
const KILLS: usize = 20;

/// How many messages are not answered yet, at most.
const UNANSWERED: usize = 30;

/// Failures are retried soon, so that the test is short; no rate is in the way.
const SETTINGS: &str = "[times]\nbackoff_first = \"50 ms\"\nbackoff_limit = \"1 s\"\n\n[rates]\n\
    client_per_minute = 1000000\nmembership_per_minute = 1000000\ntoken_allowance = 1000000\n";

/// Set in the bot's process only.
const IS_BOT: &str = "BOT_DOMAIN";

#[test]
#[ignore = "a process that another test kills"]
fn is_the_bot() {
    if std::env::var_os(IS_BOT).is_some() {
        bot::main().unwrap();
    }
}

/// The bot as a process.
struct Bot {
    process: Child,
    /// Its pipe is open for as long as the process runs.
    said: Lines<BufReader<ChildStdout>>,
    /// Its user, once it has said that it answers.
    user: Option<UserId>,
}

impl Bot {
    fn start(folder: &Path, place: &Place) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "is_the_bot", "--ignored", "--nocapture"]);
        command.env(IS_BOT, place.domain.as_str()).env("BOT_STATE", folder.join("bot"));
        command.env("BOT_KEY", "07".repeat(32)).env("BOT_PASSWORD", "a password of its own");
        command.env("BOT_ADDRESS", place.address.to_string()).env("BOT_CERTIFICATE", &place.certificate);
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, said, user: None }
    }

    /// Waits until the bot says that it answers. Returns its user.
    async fn answers(&mut self) -> UserId {
        if let Some(user) = &self.user {
            return user.clone();
        }
        let listening = async {
            while let Some(line) = self.said.next_line().await.unwrap() {
                if let Some(line) = line.strip_suffix(" answers") {
                    // The test harness may have begun the line.
                    return line.rsplit(' ').next().unwrap().parse().unwrap();
                }
            }
            panic!("the bot has ended");
        };
        let user: UserId = time::timeout(PATIENCE, listening).await.expect("the bot is ready");
        self.user.insert(user).clone()
    }

    /// Kills it (SIGKILL), unless it has ended by itself: that is a failure.
    async fn kill(mut self) {
        assert_eq!(self.process.try_wait().unwrap(), None, "the bot has ended by itself");
        self.process.kill().await.unwrap();
    }
}

/// A pseudo-random number below `limit`, for each kill and purpose another one.
fn draw(kill: usize, purpose: u64, limit: usize) -> usize {
    let mixed = ((kill as u64) << 8 | purpose).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 33) as usize % limit
}

/// Writes numbered messages, as many at once as there are permits for. Returns their number once no more are
/// permitted.
fn write(person: &Person, group: &GroupId, permits: Arc<Semaphore>) -> tokio::task::JoinHandle<usize> {
    let (client, group) = (person.client.clone(), group.clone());
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok(permit) = permits.acquire().await {
            permit.forget();
            let (group, text) = (group.clone(), number.to_string());
            client.act(move |core| core.send(&group, text.as_bytes())).await.unwrap();
            number += 1;
        }
        number
    })
}

/// Waits for this many answers in all, and permits as many further messages.
async fn answered(alice: &mut Person, count: usize, permits: &Semaphore) {
    let before = alice.seen.messages.len();
    alice.until("answers", |seen| seen.messages.len() >= count).await.unwrap();
    permits.add_permits(alice.seen.messages.len() - before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_is_killed_answers_each_message_once() {
    let kills = std::env::var("BOT_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let program = Program { path: env!("CARGO_BIN_EXE_phoenix").into(), plant: None, log_level: "info" };
    let domain = "a.localhost".parse().unwrap();
    let mut homeserver = Homeserver::create(folder.path(), domain, &program).unwrap();
    let place = homeserver.place.clone();
    let peers = Peers::new(reach(std::slice::from_ref(&place)).unwrap()).unwrap();
    homeserver.configure(&[], SETTINGS).unwrap();
    homeserver.start(&peers).await.unwrap();

    let mut alice = Person::register("alice", &place.domain, peers.clone(), "password").await.unwrap();
    let mut bot = Bot::start(folder.path(), &place);
    let user = bot.answers().await;
    alice.client.connect(&user).await.unwrap();
    // It looks for connection requests when it starts.
    bot.kill().await;
    bot = Bot::start(folder.path(), &place);
    alice.until("the connection", |seen| seen.connected.contains(&user)).await.unwrap();
    let group = alice.client.groups().await.unwrap().remove(0).group_id;

    let permits = Arc::new(Semaphore::new(UNANSWERED));
    let writer = write(&alice, &group, Arc::clone(&permits));
    for kill in 0..kills {
        // In the middle of others: some kills come right after the one before.
        let wait = draw(kill, 0, 8);
        if wait > 0 {
            let count = alice.seen.messages.len() + wait;
            answered(&mut alice, count, &permits).await;
        } else if draw(kill, 1, 2) == 0 {
            bot.answers().await;
        }
        if draw(kill, 2, 2) == 0 {
            bot.kill().await;
            bot = Bot::start(folder.path(), &place);
        } else {
            homeserver.kill().await.unwrap();
            homeserver.start(&peers).await.unwrap();
        }
    }
    permits.close();
    let written = writer.await.unwrap();
    alice.until("all answers", |seen| seen.messages.len() >= written).await.unwrap();
    // What the bot still had to say would come before its answer to a last message.
    bot.kill().await;
    let _bot = Bot::start(folder.path(), &place);
    alice.client.send(&group, written.to_string().as_bytes()).await.unwrap();
    alice.until("the last answer", |seen| seen.messages.len() > written).await.unwrap();

    let texts: Vec<&str> = alice.seen.messages.iter().map(|message| message.text.as_str()).collect();
    let expected: Vec<String> = (0..=written).map(|number| number.to_string()).collect();
    assert_eq!(texts, expected, "each message is answered once, in order");
    assert!(written > 2 * kills, "{written} messages, {kills} kills");
}
