//! The steps of the demonstration. Each step checks what it shows.

use std::path::Path;

use phoenix_core::{
    codec::{decode, encode},
    identifiers::{Domain, GroupId},
    wire::fan_out::GapReason,
};

use super::{
    evil::{self, Answer, Evil, Order, Verdict},
    people::{Comparison, Message, Person},
    report::{Report, StepFailed},
};
use crate::{
    local::{Failure, Homeserver, Place, Program, free_address, reach},
    peers::Peers,
};

/// Peers are retried sooner than by default, so that the demonstration is short.
const SETTINGS: &str = "[times]\nbackoff_first = \"100 ms\"\nbackoff_limit = \"1 s\"\n";

/// The homeservers, the users, and what they have written.
struct Story {
    a: Homeserver,
    b: Homeserver,
    _evil_home: Homeserver,
    evil: Evil,
    /// The way of clients to homeservers.
    peers: Peers,
    alice: Person,
    bob: Person,
    carol: Person,
    group: GroupId,
    /// The messages that were acknowledged, in the order of the group.
    written: Vec<Message>,
    /// Superfluous entries found in queues.
    came_again: u64,
}

/// The homeservers before the first user registers.
struct Stage {
    a: Homeserver,
    b: Homeserver,
    evil_home: Homeserver,
    evil: Evil,
    peers: Peers,
}

/// Runs all steps.
///
/// # Errors
/// [`StepFailed`] names the first step that does not hold.
pub async fn run(folder: &Path, program: &Program, report: &mut Report) -> Result<(), StepFailed> {
    let stage = report.step("homeservers start", start(folder, program)).await?;
    let people = report.step("users register", register(&stage)).await?;
    let mut story = report.step("alice creates a group", gather(stage, people)).await?;
    let held = report.step("all write and read", story.converse()).await;
    story.count(report);
    held?;
    let held = report.step("b is killed while alice writes, and comes back", story.outage()).await;
    story.count(report);
    held?;
    report.step("an attacker gains a contact", story.acquaint()).await?;
    for attack in ATTACKS {
        let held = report.step(attack.title(), story.attack(*attack)).await;
        story.count(report);
        report.figures.refused.insert(attack.name().to_owned(), held?);
    }
    let held = report.step("all write and read, as before", story.converse()).await;
    story.count(report);
    held
}

fn domain(name: &str) -> Result<Domain, Failure> {
    name.parse().map_err(|error| Failure(format!("{name}: {error}")))
}

/// Creates and starts the homeservers.
async fn start(folder: &Path, program: &Program) -> Result<(Stage, String), Failure> {
    let failed = Failure::of("preparing homeservers");
    let mut a = Homeserver::create(folder, domain("a.localhost")?, program)?;
    let mut b = Homeserver::create(folder, domain("b.localhost")?, program)?;
    // The dishonest homeserver runs the honest program.
    let honest = Program { plant: None, ..program.clone() };
    let mut evil_home = Homeserver::create(folder, domain("evil.localhost")?, &honest)?;
    let places = [&a, &b, &evil_home].map(|homeserver| homeserver.place.clone());
    let tap = |homeserver: &Homeserver| {
        let address = free_address().map_err(|error| failed(&error))?;
        let domain = homeserver.place.domain.clone();
        Ok::<_, Failure>(evil::Tap { domain, address, data: homeserver.data() })
    };
    let taps = [tap(&b)?, tap(&evil_home)?];
    // Others reach b through the proxy that its operator rented: the attacker's.
    let seen =
        |homeserver: &Homeserver, tap: &evil::Tap| Place { address: tap.address, ..homeserver.place.clone() };
    let [seen_b, seen_evil] = [seen(&b, &taps[0]), seen(&evil_home, &taps[1])];
    a.configure(&[seen_b, seen_evil.clone()], SETTINGS)?;
    b.configure(&[a.place.clone(), seen_evil], SETTINGS)?;
    evil_home.configure(&[a.place.clone(), b.place.clone()], SETTINGS)?;
    let peers = reach(&places).and_then(Peers::new).map_err(|error| failed(&error))?;
    let setup = evil::Setup {
        places: places.to_vec(),
        home: evil_home.place.domain.clone(),
        data: evil_home.data(),
        taps: taps.into(),
    };
    tokio::try_join!(a.start(&peers), b.start(&peers), evil_home.start(&peers))?;
    let evil = Evil::start(&program.path, folder, &setup).await?;
    let shown = "a.localhost, b.localhost and evil.localhost, each a process of its own, TLS 1.3".to_owned();
    Ok((Stage { a, b, evil_home, evil, peers }, shown))
}

async fn register(stage: &Stage) -> Result<([Person; 3], String), Failure> {
    let (at_a, at_b) = (&stage.a.place.domain, &stage.b.place.domain);
    let register =
        |name, domain| Person::register(name, domain, stage.peers.clone(), "correct horse battery staple");
    let (alice, bob, carol) =
        tokio::try_join!(register("alice", at_a), register("bob", at_b), register("carol", at_b))?;
    Ok(([alice, bob, carol], "alice at a, bob and carol at b".to_owned()))
}

async fn gather(stage: Stage, people: [Person; 3]) -> Result<(Story, String), Failure> {
    let [mut alice, mut bob, mut carol] = people;
    alice.connect(&mut bob).await?;
    alice.connect(&mut carol).await?;
    let group = alice.client.create_group().await.map_err(alice.failed("creating a group"))?;
    let users = [bob.user().clone(), carol.user().clone()];
    alice.client.invite(&group, &users).await.map_err(alice.failed("inviting"))?;
    for person in [&mut bob, &mut carol] {
        person.until("the invitation", |seen| seen.joined.contains(&group)).await?;
    }
    let Stage { a, b, evil_home, evil, peers } = stage;
    let story = Story {
        a,
        b,
        _evil_home: evil_home,
        evil,
        peers,
        alice,
        bob,
        carol,
        group,
        written: Vec::new(),
        came_again: 0,
    };
    Ok((story, "on a, with her contacts bob and carol, who have joined".to_owned()))
}

impl Story {
    fn people(&self) -> [&Person; 3] {
        [&self.alice, &self.bob, &self.carol]
    }

    /// Updates deliveries, losses and duplicates in the figures, over all messages so far.
    fn count(&self, report: &mut Report) {
        let figures = &mut report.figures;
        (figures.delivered, figures.lost, figures.duplicated) = (0, 0, self.came_again);
        for person in self.people() {
            if let Ok(Comparison { delivered, lost, duplicated }) = person.compare(&self.written) {
                figures.delivered += delivered;
                figures.lost += lost;
                figures.duplicated += duplicated;
            }
        }
    }

    /// Waits until all users have read all messages: none lost, none twice, all in the same order.
    async fn read(&mut self) -> Result<(), Failure> {
        self.written.sort_by_key(|message| message.position);
        let Self { alice, bob, carol, written, .. } = self;
        tokio::try_join!(alice.read(written), bob.read(written), carol.read(written))?;
        for person in self.people() {
            let Comparison { lost, duplicated, .. } = person.compare(&self.written)?;
            if lost + duplicated > 0 {
                let name = person.name;
                return Err(Failure(format!("{name}: {lost} messages lost, {duplicated} duplicated")));
            }
        }
        Ok(())
    }

    async fn converse(&mut self) -> Result<((), String), Failure> {
        let before = self.surplus().await?;
        let round = self.written.len();
        let write = |person: &'static str, number: usize| format!("{person}'s message {number}");
        for number in 0..2 {
            let number = round + number;
            let [alice, bob, carol] = self.people();
            let (one, two, three) = tokio::try_join!(
                bob.write(&self.group, write("bob", number)),
                carol.write(&self.group, write("carol", number)),
                alice.write(&self.group, write("alice", number)),
            )?;
            self.written.extend([one, two, three]);
        }
        self.finish(before, [0, 0]).await?;
        let shown =
            format!("{} messages in one order, each read once by both others", self.written.len() - round);
        Ok(((), shown))
    }

    /// The surplus entries of bob's and carol's queues.
    async fn surplus(&self) -> Result<[u64; 2], Failure> {
        Ok([self.bob.surplus().await?, self.carol.surplus().await?])
    }

    /// Sends one more message of alice's, so that everything before it is in the queues. Then checks that
    /// nothing is lost and that, besides the messages, bob's and carol's queues held as many entries as
    /// `others` says.
    async fn finish(&mut self, before: [u64; 2], others: [u64; 2]) -> Result<(), Failure> {
        let last = self.alice.write(&self.group, format!("message {}", self.written.len())).await?;
        self.written.push(last);
        self.read().await?;
        let after = self.surplus().await?;
        for (name, before, after, others) in
            [("bob", before[0], after[0], others[0]), ("carol", before[1], after[1], others[1])]
        {
            let held = after.wrapping_sub(before);
            if held != others {
                self.came_again += held.abs_diff(others);
                return Err(Failure(format!(
                    "{name}'s queue held {held} entries besides the messages, not {others}: something came again"
                )));
            }
        }
        Ok(())
    }

    async fn outage(&mut self) -> Result<((), String), Failure> {
        let before = self.surplus().await?;
        self.b.kill().await?;
        for number in 1..=3 {
            let text = format!("message {number} that alice wrote while b was away");
            self.written.push(self.alice.write(&self.group, text).await?);
        }
        // Acknowledged messages are durable: a is killed, too, and no new message triggers the delivery.
        self.a.kill().await?;
        self.a.start(&self.peers).await?;
        self.b.start(&self.peers).await?;
        self.read().await?;
        self.finish(before, [0, 0]).await?;
        Ok(((), "bob and carol have read her 3 messages, in order, each once; a was killed, too".to_owned()))
    }

    async fn acquaint(&mut self) -> Result<((), String), Failure> {
        let answer = self.evil.order(&Order::Register).await?;
        let Answer::Registered(mallory) = &answer else { return Err(evil::unexpected(&answer)) };
        let mallory = decode(mallory).map_err(|error| Failure::of("mallory's id")(&error))?;
        let bob = &mut self.bob;
        bob.client.connect(&mallory).await.map_err(bob.failed("connecting"))?;
        self.evil.order(&Order::Invite(encode(bob.user()))).await?;
        bob.until("mallory accepts", |seen| seen.connected.contains(&mallory)).await?;
        bob.until("mallory's invitation", |seen| {
            seen.joined.iter().any(|group| group.domain == mallory.domain)
        })
        .await?;
        let shown =
            "mallory at evil is a contact of bob; and b's operator has rented a reverse proxy from evil";
        Ok(((), shown.to_owned()))
    }

    async fn attack(&mut self, attack: Attack) -> Result<(String, String), Failure> {
        let before = self.surplus().await?;
        let (a, b) = (self.a.place.domain.clone(), self.b.place.domain.clone());
        let answered = match attack {
            Attack::ForgedSource => {
                let order = Order::ForgeSource { source: a, victim: b };
                refused(&self.evil.attack(&order).await?, attack.code())
            }
            Attack::Redirected => {
                let order = Order::Redirect { source: b, victim: a };
                refused(&self.evil.attack(&order).await?, attack.code())
            }
            Attack::SpentToken => {
                let order = Order::SpendAgain { victim: b };
                refused(&self.evil.attack(&order).await?, attack.code())
            }
            Attack::Replayed => self.replayed(&Order::Replay { source: a, victim: b }).await,
            Attack::Configuration => self.presented(&Order::PresentConfiguration { victim: b }).await,
        }?;
        // The gap marker is the only entry that any attack leaves in a queue.
        let markers = u64::from(attack == Attack::Configuration);
        self.finish(before, [markers, 0]).await?;
        Ok(answered)
    }

    /// A repeated frame is passed over, not refused: honest homeservers repeat a frame that was not answered.
    async fn replayed(&mut self, order: &Order) -> Result<(String, String), Failure> {
        let answer = self.evil.order(order).await?;
        if let Answer::Replayed {
            before: Verdict::Accepted { through: Some(before) },
            now: Verdict::Accepted { through: Some(now) },
        } = &answer
            && before == now
        {
            let short = format!("passed over: accepted through {now} before and after");
            let long = format!("b answers “accepted through {now}”, as before, and delivers nothing");
            return Ok((short, long));
        }
        Err(Failure(format!("b did not pass over the frame: {answer:?}")))
    }

    /// The frame is valid, and one recipient's missing authorisation does not fail it: the recipient's queue
    /// gets a gap marker instead of the message.
    async fn presented(&mut self, order: &Order) -> Result<(String, String), Failure> {
        let bob = &mut self.bob;
        let entries = bob.client.entries_read().await.map_err(bob.failed("looking"))?;
        let answer = self.evil.order(order).await?;
        let Answer::Presented { group, verdict: Verdict::Accepted { .. } } = &answer else {
            return Err(Failure(format!("b did not accept the frame, which is valid: {answer:?}")));
        };
        let group: GroupId = decode(group).map_err(|error| Failure::of("a group's id")(&error))?;
        bob.until_queue_grows(entries).await?;
        let marker = bob.seen.gaps.iter().find(|(of, _)| *of == group).map(|(_, reason)| *reason);
        match marker {
            Some(reason @ GapReason::NotAuthorised) => {
                let short = format!("gap {}: not authorised", reason as u8);
                let shown =
                    format!("b accepts the frame, and bob's client finds a marker in its queue, “{short}”");
                Ok((short, shown))
            }
            Some(other) => {
                Err(Failure(format!("bob's client found a marker with another reason: {other:?}")))
            }
            None => Err(Failure("the message of evil is in bob's queue, without a marker".to_owned())),
        }
    }
}

/// The attacks of evil.localhost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    ForgedSource,
    Replayed,
    Redirected,
    Configuration,
    SpentToken,
}

const ATTACKS: &[Attack] =
    &[Attack::ForgedSource, Attack::Replayed, Attack::Redirected, Attack::Configuration, Attack::SpentToken];

impl Attack {
    /// The name in the figures.
    const fn name(self) -> &'static str {
        match self {
            Self::ForgedSource => "forged_source",
            Self::Replayed => "replayed_frame",
            Self::Redirected => "redirected_frame",
            Self::Configuration => "foreign_configuration",
            Self::SpentToken => "spent_token",
        }
    }

    /// The title of the step.
    const fn title(self) -> &'static str {
        match self {
            Self::ForgedSource => "an attack: evil delivers to b in a's name",
            Self::Replayed => "an attack: evil delivers to b a frame of a's that was delivered before",
            Self::Redirected => "an attack: evil carries to a a frame that b made for evil",
            Self::Configuration => {
                "an attack: evil uses a queue configuration of bob's that is for invitations only"
            }
            Self::SpentToken => "an attack: evil spends a token at b that mallory has spent there",
        }
    }

    /// The code with which the victim must refuse the attack; `None` if it must not refuse.
    const fn code(self) -> Option<u16> {
        match self {
            Self::ForgedSource => Some(704),
            Self::Redirected => Some(700),
            Self::SpentToken => Some(303),
            Self::Replayed | Self::Configuration => None,
        }
    }
}

/// Checks that the victim refused with the expected code.
fn refused(verdict: &Verdict, code: Option<u16>) -> Result<(String, String), Failure> {
    if let Verdict::Refused { code: found, reason } = verdict
        && Some(*found) == code
    {
        return Ok((found.to_string(), format!("refused with {found}, “{reason}”")));
    }
    Err(Failure(format!("the victim must refuse this with {code:?}, and answered {verdict:?}")))
}
