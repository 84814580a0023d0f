//! The days: who does what when.

use std::{path::Path, time::Duration};

use phoenix_core::{Random, Timestamp, identifiers::Domain, time::DAY};

use super::{engine::Engine, people::People, site::Site, truth::Truth};
use crate::{
    bench::Story,
    environment,
    local::Failure,
    thief::{images, options::Options},
};
#[cfg(test)]
use phoenix_core::store::Commit;

/// The world, which has come to its end: its stores, and what is true of it.
pub struct World {
    people: People,
    /// What was true when the first image was taken.
    before: Truth,
}

/// The names of the two images.
pub const FIRST: &str = "one";
/// The image a day later.
pub const SECOND: &str = "two";

/// The domains of the homeservers.
const DOMAINS: [&str; 2] = ["a.localhost", "b.localhost"];

/// How often a user reads its queues in a day.
const READINGS: u32 = 6;

/// The hours of a day in which people are awake.
const AWAKE: u64 = 16;

/// The most members of a group, besides the one who forms it.
const OTHERS: u64 = 7;

/// Something that somebody does at some time.
#[derive(Debug, Clone)]
enum Act {
    Register(usize),
    Form(Vec<usize>),
    Send { group: usize },
    Read(usize),
}

impl World {
    /// Creates the world in `folder`, lives all its days, and takes both images.
    ///
    /// # Errors
    /// [`Failure`] if something does not work that should.
    pub fn live(options: &Options, folder: &Path, story: &Story) -> Result<Self, Failure> {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&options.seed.to_be_bytes());
        let mut random = Random::from_seed(seed);
        // In the past of the machine's clock, which parts of MLS look at.
        let start = environment::now() - DAY * (options.days + 1);
        let start = Timestamp::from_milliseconds(start.milliseconds() / DAY_MILLISECONDS * DAY_MILLISECONDS);
        let mut sites = Vec::new();
        for domain in DOMAINS {
            let domain: Domain = domain.parse().map_err(|error| Failure::of("a domain")(&error))?;
            sites.push(Site::create(folder, &domain, &mut random, start)?);
        }
        let people = People::new(Engine::start(sites, random, start)?);
        let mut world = Self { people, before: Truth::default() };
        let acts = world.plan(options, start);
        let first_image = start + DAY * (options.days.max(2) - 1);
        let mut taken = false;
        let mut groups = Vec::new();
        let progress = story.progress("living", acts.len());
        for (time, act) in &acts {
            if !taken && *time >= first_image {
                world.steal(FIRST, first_image)?;
                world.before = world.truth().clone();
                taken = true;
            }
            world.people.engine.pass_to(*time)?;
            world.act(act, &mut groups)?;
            progress.one();
        }
        world.steal(SECOND, start + DAY * options.days.max(2))?;
        Ok(world)
    }

    /// The homeservers.
    pub fn sites(&self) -> &[Site] {
        &self.people.engine.sites
    }

    /// What was true when the first image was taken.
    pub fn truth_before(&self) -> &Truth {
        &self.before
    }

    /// What is true at the end.
    pub fn truth(&self) -> &Truth {
        &self.people.truth
    }

    /// Takes an image of every store, anew if there is one of this name.
    pub fn steal(&mut self, name: &str, time: Timestamp) -> Result<(), Failure> {
        self.people.engine.pass_to(time)?;
        for site in self.sites() {
            let stolen = images::steal(&site.data.store(), &site.image(name));
            stolen.map_err(|error| Failure::of("taking an image")(&error))?;
        }
        Ok(())
    }

    /// Writes rows into a store behind its homeserver's back, and takes the second image anew.
    #[cfg(test)]
    pub fn plant(&mut self, planted: Vec<(usize, Commit)>) -> Result<(), Failure> {
        for (site, commit) in planted {
            self.people.engine.commit(site, None, commit);
        }
        self.steal(SECOND, self.people.engine.now())
    }

    /// Returns all that happens, by time: registrations in the first hours, groups on the first day but for a
    /// fourth of them, readings and messages while people are awake.
    fn plan(&mut self, options: &Options, start: Timestamp) -> Vec<(Timestamp, Act)> {
        let random = &mut self.people.engine.random;
        let mut acts = Vec::new();
        let users = options.users.max(4);
        let mut sites: Vec<usize> = (0..users).map(|user| user % DOMAINS.len()).collect();
        shuffle(random, &mut sites);
        let hour = |random: &mut Random, from: u64, to: u64| {
            from * HOUR_MILLISECONDS + random.below((to - from) * HOUR_MILLISECONDS)
        };
        let mut times: Vec<u64> = sites.iter().map(|_| hour(random, 0, 5)).collect();
        times.sort_unstable();
        acts.extend(times.into_iter().zip(&sites).map(|(time, site)| (time, Act::Register(*site))));
        let mut formed: Vec<u64> = (0..options.groups)
            .map(|group| if group % 4 == 3 { hour(random, 24, 30) } else { hour(random, 6, 12) })
            .collect();
        formed.sort_unstable();
        for (group, time) in formed.iter().enumerate() {
            acts.push((*time, Act::Form(members(random, &sites))));
            for day in 0..u64::from(options.days.max(2)) {
                for _ in 0..random.below(u64::from(2 * options.messages) + 1) {
                    let from = if day == 0 { 13 } else { 24 * day + 6 };
                    let time = hour(random, from, 24 * day + 6 + AWAKE);
                    acts.extend((time > formed[group]).then_some((time, Act::Send { group })));
                }
            }
        }
        for user in 0..users {
            // Everybody gets up at another hour.
            let up = 5 + random.below(3);
            for reading in 0..READINGS * options.days.max(2) {
                let day = u64::from(reading / READINGS);
                let from = 24 * day + if day == 0 { 6 } else { up };
                acts.push((hour(random, from, 24 * day + up + AWAKE), Act::Read(user)));
            }
        }
        acts.sort_by_key(|(time, _)| *time);
        acts.into_iter().map(|(time, act)| (start + Duration::from_millis(time), act)).collect()
    }

    fn act(&mut self, act: &Act, groups: &mut Vec<usize>) -> Result<(), Failure> {
        match act {
            Act::Register(site) => self.people.register(*site),
            Act::Form(members) => {
                groups.push(self.people.form(members.clone())?);
                Ok(())
            }
            Act::Read(user) => self.people.read(*user),
            Act::Send { group } => {
                let group = groups[*group];
                let members = self.people.truth.groups[group].members.clone();
                let random = &mut self.people.engine.random;
                // Some write more than others.
                let one = random.below(members.len() as u64);
                let other = random.below(members.len() as u64);
                let sender = members[one.min(other) as usize];
                // Mostly short: 8 to 4096 bytes, each doubling as frequent as the next.
                let longest = 1 << (4 + random.below(9));
                let length = random.below(longest) + 4;
                self.people.read(sender)?;
                self.people.send(group, sender, length as usize)
            }
        }
    }
}

const HOUR_MILLISECONDS: u64 = 3_600_000;
const DAY_MILLISECONDS: u64 = 24 * HOUR_MILLISECONDS;

/// Draws the members of a group: half of all groups are of one homeserver.
fn members(random: &mut Random, sites: &[usize]) -> Vec<usize> {
    let first = random.below(sites.len() as u64) as usize;
    let is_local = random.below(2) == 0;
    let others = (0..sites.len()).filter(|user| *user != first);
    let mut others: Vec<usize> = others.filter(|user| !is_local || sites[*user] == sites[first]).collect();
    shuffle(random, &mut others);
    others.truncate(1 + random.below(OTHERS) as usize);
    others.insert(0, first);
    others
}

fn shuffle<T>(random: &mut Random, values: &mut [T]) {
    for last in (1..values.len()).rev() {
        values.swap(last, random.below(last as u64 + 1) as usize);
    }
}
