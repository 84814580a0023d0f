//! The order of the rooms: each imports only from rooms below it, and no file imports itself in a circle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The rooms from the ground up.
const ROOMS: &[(&str, &str)] = &[
    ("interpose", "simulates the clock and the randomness of the system, for dependencies"),
    ("clock", "virtual time, and clocks that are off"),
    ("network", "delays, loss, duplication, partitions"),
    ("disk", "a store and how it fails"),
    ("schedule", "events to come"),
    ("trace", "events that were, and their hash"),
    ("report", "figures and failures"),
    ("plan", "what is decided before a world begins"),
    ("generate", "from a seed to a plan"),
    ("node", "a process and the operations that it runs"),
    ("server", "a homeserver: what its processes share"),
    ("user", "a user and its client"),
    ("adversary", "the dishonest homeserver"),
    ("oracle", "what must hold"),
    ("world", "all of it, event by event"),
];

/// A file, as the path of its module: `world::state` is `["world", "state"]`, the root `[]`.
type Module = Vec<String>;

/// All files below `folder` with their code: without comments and unit tests.
fn files(folder: &Path, module: &[String], found: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let inner: Module = module.iter().chain([&name]).cloned().collect();
        match name.as_str() {
            _ if path.is_dir() => files(&path, &inner, found),
            // Another crate, which imports this one as a whole.
            "main" => {}
            _ => {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                let code = code.lines().map(|line| line.split("//").next().unwrap());
                let is_folder = name == "mod" || name == "lib";
                let module = if is_folder { module.to_vec() } else { inner };
                assert!(found.insert(module, code.collect::<Vec<_>>().join("\n")).is_none(), "{path:?}");
            }
        }
    }
}

/// All paths in formatted `code`: those of `use` items with their braces expanded, and those in expressions
/// and types.
fn paths(code: &str) -> Vec<Vec<String>> {
    let (mut paths, mut open) = (Vec::new(), vec![Vec::new()]);
    let mut path: Vec<String> = Vec::new();
    let mut word = String::new();
    for character in code.chars().chain([';']) {
        if character.is_alphanumeric() || character == '_' {
            word.push(character);
            continue;
        }
        if !word.is_empty() {
            path.push(std::mem::take(&mut word));
        }
        match character {
            ':' => {}
            '{' => open.push(std::mem::take(&mut path)),
            _ => {
                paths.push([open.concat(), std::mem::take(&mut path)].concat());
                if character == '}' && open.len() > 1 {
                    open.pop();
                }
            }
        }
    }
    paths
}

/// The files that `module` imports from, by the longest part of each path that names one.
fn imports(module: &Module, code: &str, files: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let target = |path: Vec<String>| {
        let ups = path.iter().take_while(|part| *part == "super").count();
        let base = &module[..module.len() - ups];
        let child = [&module[..], &path[..1]].concat();
        let whole = match path[0].as_str() {
            "crate" => path[1..].to_vec(),
            "self" => [base, &path[1..]].concat(),
            "super" => [base, &path[ups..]].concat(),
            _ if files.contains_key(&child) => [base, &path[..]].concat(),
            _ => return None,
        };
        (0..=whole.len()).rev().map(|length| whole[..length].to_vec()).find(|part| files.contains_key(part))
    };
    let found = paths(code).into_iter().filter(|path| path.len() > 1).filter_map(target);
    found.filter(|target| target != module).collect()
}

#[test]
fn rooms_import_from_below_and_files_in_no_circle() {
    let mut files = BTreeMap::new();
    self::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut files);
    let mut imports: BTreeMap<Module, BTreeSet<Module>> =
        files.iter().map(|(module, code)| (module.clone(), self::imports(module, code, &files))).collect();

    let rooms: BTreeSet<&str> = files.keys().filter_map(|module| Some(module.first()?.as_str())).collect();
    assert_eq!(rooms, ROOMS.iter().map(|(room, _)| *room).collect());
    let floor =
        |module: &Module| ROOMS.iter().position(|(room, _)| module.first().is_some_and(|of| of == room));
    for (module, targets) in imports.iter().filter(|(module, _)| !module.is_empty()) {
        for target in targets {
            let is_allowed = floor(target) < floor(module) || target.first() == module.first();
            assert!(is_allowed && !target.is_empty(), "{module:?} imports {target:?}, which is not below it");
        }
    }

    // Files that import none that is left are taken away, until only circles are left.
    while let Some(module) = imports.iter().find(|(_, targets)| targets.is_empty()) {
        let module = module.0.clone();
        imports.remove(&module);
        imports.values_mut().for_each(|targets| targets.retain(|target| *target != module));
    }
    assert!(imports.is_empty(), "files import each other in a circle: {imports:#?}");
}

#[test]
fn imports_are_found_in_every_form() {
    let names =
        ["a", "a::b", "a::c", "d"].map(|name| name.split("::").map(str::to_owned).collect::<Module>());
    let files: BTreeMap<Module, String> = names.iter().map(|name| (name.clone(), String::new())).collect();
    let of = |code: &str| {
        imports(&names[0], code, &files).into_iter().map(|name| name.join("::")).collect::<Vec<_>>()
    };
    assert_eq!(of("use crate::{d::{E, F}, Root};"), ["d"]);
    assert_eq!(of("mod b; mod c; pub use b::E;"), ["a::b"]);
    assert_eq!(of("use self::c::{E as F, G}; fn f(d: other::D) { super::d::e() }"), ["a::c", "d"]);
    assert_eq!(of("use std::d::E; fn f() { Self::d(d) }"), [] as [&str; 0]);
}
