//! From a world to the table.

use std::path::Path;

use super::{
    cells::{Cell, cells},
    images::Image,
    options::Options,
    report::Report,
    view,
    world::{FIRST, SECOND, World},
};
use crate::{bench::Story, key_file, local::Failure};

/// The cells of one image.
const CELLS: usize = 9;

/// Has a world live in `folder`, and judges its images.
///
/// # Errors
/// [`Failure`] if something in the world does not work that should, or a file cannot be read.
pub fn run(options: &Options, folder: &Path, story: &Story) -> Result<Report, Failure> {
    judge(&World::live(options, folder, story)?, story)
}

/// Scores what the images of a world tell.
///
/// # Errors
/// [`Failure`] if a file cannot be read.
pub fn judge(world: &World, story: &Story) -> Result<Report, Failure> {
    let progress = story.progress("stealing", 3 * CELLS);
    let (mut first, mut both, mut opened) = (Vec::new(), Vec::new(), Vec::new());
    for site in world.sites() {
        let read = |name| Image::read(&site.image(name)).map_err(|error| Failure::of("an image")(&error));
        let one = read(FIRST)?;
        let mut two = read(SECOND)?;
        two.add(&one);
        let mut with_keys = two.clone();
        let keys = key_file::read_for(&site.data.keys(), site.domain());
        with_keys.open(&keys.map_err(|error| Failure::of("the key file")(&error))?);
        first.push(one);
        both.push(two);
        opened.push(with_keys);
    }
    let ends: Vec<u64> = first.iter().map(Image::end).collect();
    let judged = [
        ("one", first, world.truth_before()),
        ("two", both, world.truth()),
        ("key-file", opened, world.truth()),
    ];
    let mut table: Vec<Cell> = Vec::new();
    for (name, images, truth) in &judged {
        let sites = images.iter().enumerate().map(|(number, image)| {
            let other = world.sites()[1 - number].domain();
            view::Site::new(image, ends[number], truth, number, other.as_str())
        });
        table.extend(cells(&sites.collect::<Vec<_>>(), truth, name, || progress.one()));
    }
    Ok(Report { cells: table })
}
