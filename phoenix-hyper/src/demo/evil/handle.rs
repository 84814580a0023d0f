//! The handle through which the demonstration gives orders to the dishonest homeserver's process.

use std::{fs, path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time,
};

use super::orders::{Answer, Order, Setup, Verdict};
use crate::local::{Failure, PATIENCE};

/// The process. Dropping this ends it.
pub struct Evil {
    _process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Evil {
    /// Starts the process, with its setup in a file in `folder`.
    ///
    /// # Errors
    /// [`Failure`] if it does not start.
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
        let answer = evil.answer().await?;
        if answer == Answer::Ready { Ok(evil) } else { Err(unexpected(&answer)) }
    }

    /// Gives an order and returns the answer.
    ///
    /// # Errors
    /// [`Failure`] if the order could not be carried out.
    pub async fn order(&mut self, order: &Order) -> Result<Answer, Failure> {
        let failed = Failure::of("giving an order to the dishonest homeserver");
        let mut line = serde_json::to_vec(order).map_err(|error| failed(&error))?;
        line.push(b'\n');
        self.orders.write_all(&line).await.map_err(|error| failed(&error))?;
        let answer = self.answer().await?;
        if let Answer::Failed(reason) = &answer {
            return Err(Failure(format!("the dishonest homeserver failed: {reason}")));
        }
        Ok(answer)
    }

    /// Orders an attack and returns the victim's answer.
    ///
    /// # Errors
    /// [`Failure`] if the attack could not be carried out.
    pub async fn attack(&mut self, order: &Order) -> Result<Verdict, Failure> {
        let answer = self.order(order).await?;
        if let Answer::Verdict(verdict) = answer { Ok(verdict) } else { Err(unexpected(&answer)) }
    }

    async fn answer(&mut self) -> Result<Answer, Failure> {
        let failed = Failure::of("reading the answer of the dishonest homeserver");
        let line = time::timeout(PATIENCE, self.answers.next_line()).await.map_err(|error| failed(&error))?;
        let line = line.map_err(|error| failed(&error))?.unwrap_or_default();
        serde_json::from_str(&line).map_err(|error| failed(&format!("{error}: {line:?}")))
    }
}

/// The failure of an answer that belongs to another order.
pub fn unexpected(answer: &Answer) -> Failure {
    Failure(format!("the dishonest homeserver answered another order: {answer:?}"))
}
