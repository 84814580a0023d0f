//! A small world, lived through: its table is whole, and leaks planted in its stores are found.

use phoenix_core::store::{Commit, Key, Version, Write};
use tempfile::TempDir;

use crate::{
    bench::Story,
    thief::{
        cells::{Cell, Link},
        options::Options,
        report::Report,
        run::judge,
        world::World,
    },
};

const OPTIONS: Options = Options { users: 16, groups: 4, days: 2, messages: 2, seed: 1 };

const LINKS: [Link; 9] = [
    Link::UserQs,
    Link::QsGroup,
    Link::MemberMember,
    Link::UserDomain,
    Link::Sender,
    Link::Token,
    Link::GroupSize,
    Link::MessageLength,
    Link::ActivityHour,
];

fn cell(report: &Report, link: Link, image: &str) -> Cell {
    report.cells.iter().find(|cell| cell.link == link && cell.image == image).unwrap().clone()
}

#[test]
fn a_small_world_has_a_whole_table_and_planted_leaks_turn_cells_red() {
    let folder = TempDir::new().unwrap();
    let story = Story::new(false);
    let mut world = World::live(&OPTIONS, folder.path(), &story).unwrap();
    let truth = world.truth();
    assert_eq!(truth.users.len(), OPTIONS.users);
    assert!(truth.users.iter().all(|user| user.queuing.is_some() && user.account.len() == 2));
    assert!(truth.groups.len() > OPTIONS.groups && !truth.messages.is_empty());
    assert!(truth.redemptions.len() > truth.messages.len(), "every message has cost a token");
    let report = judge(&world, &story).unwrap();
    assert_eq!(report.cells.len(), 3 * LINKS.len());
    for cell in &report.cells {
        assert!(cell.low <= cell.score && cell.score <= cell.high, "{cell:?}");
        assert!(cell.low >= -1.0 && cell.high <= 1.0, "{cell:?}");
        assert!(cell.is_red() || !cell.co_writing, "{cell:?}");
    }
    for link in LINKS {
        assert!(cell(&report, link, "two").pairs > 0, "{link:?}");
    }
    let json = serde_json::to_value(&report).unwrap();
    let first = &json["cells"][0];
    assert_eq!((&first["link"], &first["image"]), (&"user-qs".into(), &"one".into()));
    assert!(first["score"].is_f64() && first["co_writing"].is_boolean() && first["pairs"].is_u64());
    // The journal still has messages on their way, and the key file opens the queues that they are for.
    let opened = cell(&report, Link::QsGroup, "key-file");
    assert!(opened.is_red() && !opened.co_writing, "{opened:?}");

    plant(&mut world);
    let planted = cell(&judge(&world, &story).unwrap(), Link::UserQs, "two");
    assert!(planted.score > 0.9 && planted.is_red() && !planted.co_writing, "{planted:?}");
}

/// Writes every user's name into the row of its queue, one commit for each.
fn plant(world: &mut World) {
    // Not in the order of registrations, and so not near in time to what they are like.
    let users = world.truth().users.iter().rev().enumerate();
    let planted = users.map(|(number, user)| {
        let key = Key::from_bytes(user.queuing.as_ref().unwrap()).unwrap();
        let write = Write { key, bytes: Some(user.account[0][1..17].to_vec()) };
        let version = Version([number as u8; 16]);
        (user.site, Commit { expect: Vec::new(), writes: vec![write], version })
    });
    let planted = planted.collect();
    world.plant(planted).unwrap();
}
