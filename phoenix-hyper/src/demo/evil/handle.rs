//! The dishonest homeserver's process, as the demonstration tells it what to do.

use std::{fs, path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time,
};

use super::{Answer, Order, Setup, Verdict};
use crate::local::{Failure, PATIENCE};

/// The process, which ends with this.
pub struct Evil {
    _process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Evil {
    /// Starts the process, with its setup in a file in `folder`.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn start(program: &Path, folder: &Path, setup: &Setup) -> Result<Self, Failure> {
        let failed = Failure::of("starting the dishonest homeserver");
        let path = folder.join("setup.json");
        let setup = serde_json::to_vec(setup).map_err(|error| failed(&error))?;
        fs::write(&path, setup).map_err(|error| failed(&error))?;
        let log = fs::File::create(folder.join("evil.log")).map_err(|error| failed(&error))?;
        let mut command = Command::new(program);
        command.arg("demo-evil").arg(path).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut process = command.spawn().map_err(|error| failed(&error))?;
        let (Some(orders), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Failure("the dishonest homeserver has no pipes".to_owned()));
        };
        let mut evil = Self { _process: process, orders, answers: BufReader::new(answers).lines() };
        match evil.answer().await? {
            Answer::Ready => Ok(evil),
            other => Err(unexpected(&other)),
        }
    }

    /// Has it do something, and returns what came of it.
    ///
    /// # Errors
    /// [`Failure`] if it could not even be tried.
    pub async fn order(&mut self, order: &Order) -> Result<Answer, Failure> {
        let failed = Failure::of("telling the dishonest homeserver what to do");
        let mut line = serde_json::to_vec(order).map_err(|error| failed(&error))?;
        line.push(b'\n');
        self.orders.write_all(&line).await.map_err(|error| failed(&error))?;
        match self.answer().await? {
            Answer::Failed(reason) => {
                Err(Failure(format!("the dishonest homeserver got no further: {reason}")))
            }
            answer => Ok(answer),
        }
    }

    /// Has it try something, and returns what the victim answered.
    ///
    /// # Errors
    /// [`Failure`] if it could not even be tried.
    pub async fn attack(&mut self, order: &Order) -> Result<Verdict, Failure> {
        match self.order(order).await? {
            Answer::Verdict(verdict) => Ok(verdict),
            other => Err(unexpected(&other)),
        }
    }

    async fn answer(&mut self) -> Result<Answer, Failure> {
        let failed = Failure::of("hearing of the dishonest homeserver");
        let line = time::timeout(PATIENCE, self.answers.next_line()).await.map_err(|error| failed(&error))?;
        let line = line.map_err(|error| failed(&error))?.unwrap_or_default();
        serde_json::from_str(&line).map_err(|error| failed(&format!("{error}: {line:?}")))
    }
}

/// An answer to another order than was given.
pub fn unexpected(answer: &Answer) -> Failure {
    Failure(format!("the dishonest homeserver answered to something else: {answer:?}"))
}
