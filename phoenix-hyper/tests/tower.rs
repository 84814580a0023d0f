//! The plan of this crate: no import circle between files, and every room imports only rooms below it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The rooms from the ground up. Each may import only rooms listed before it.
const ROOMS: &[(&str, &str)] = &[
    ("host", "host names of services"),
    ("body", "HTTP bodies within limits and budgets"),
    ("web_socket", "what both ends of the web socket agree upon"),
    ("private_file", "files that only their owner may read"),
    ("store", "what a database must be able to do, with two implementations"),
    ("tls", "identities and trust"),
    ("node", "operations driven over a store"),
    ("peers", "requests to other homeservers"),
    ("environment", "clock, randomness and peers for a node"),
    ("listen", "the web socket, on the server's side"),
    ("service", "a node as an HTTP service"),
    ("server", "connections to the service"),
    ("client", "a client at work"),
    ("metrics", "measurements for the operator"),
    ("admin", "the address for the operator"),
    ("settings", "the operator's decisions"),
    ("logs", "the log, as the settings say"),
    ("key_file", "keys as files"),
    ("data_directory", "everything that outlives the process"),
    ("local", "homeservers as processes of one machine"),
    ("bench", "throughput, latency and cost of homeservers"),
    ("demo", "homeservers at work and under attack"),
    ("commands", "the command line, in a crate of its own"),
];

/// The path of a module, from the root of the crate.
type Module = Vec<String>;

/// The modules of the crate with their source, without comments and tests.
fn modules(folder: &Path, path: &[String], modules: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        if file.is_dir() {
            self::modules(&file, &[path, &[name]].concat(), modules);
        } else if file.extension().is_some_and(|extension| extension == "rs") && name != "tests" {
            let source = fs::read_to_string(&file).unwrap();
            let code = source.split("#[cfg(test)]\nmod ").next().unwrap().lines();
            let code: Vec<&str> = code.map(|line| line.split("//").next().unwrap_or_default()).collect();
            let root = ["mod", "lib", "main"].contains(&name.as_str());
            let module = if root { path.to_vec() } else { [path, &[name]].concat() };
            modules.insert(module, code.join("\n"));
        }
    }
}

/// The paths of a `use` tree: `a::{b, c::d}` has `a::b` and `a::c::d`.
fn paths(prefix: &str, tree: &str) -> Vec<String> {
    let Some((head, rest)) = tree.split_once('{') else { return vec![format!("{prefix}{}", tree.trim())] };
    let (mut depth, mut found, mut part) = (0, Vec::new(), String::new());
    for character in rest.rsplit_once('}').unwrap().0.chars().chain([',']) {
        match character {
            ',' if depth == 0 && part.trim().is_empty() => continue,
            ',' if depth == 0 => {
                found.extend(paths(&format!("{prefix}{}", head.trim()), &std::mem::take(&mut part)));
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        part.push(character);
    }
    found
}

/// The modules that a module imports: by `use`, and by paths in its code that begin with a child or a
/// keyword.
fn imports(module: &Module, code: &str, modules: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let (mut found, mut tree) = (Vec::new(), None);
    for line in code.lines().map(str::trim) {
        let begins = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];
        match (begins.iter().find_map(|begin| line.strip_prefix(begin)), &mut tree) {
            (Some(first), _) => tree = Some(first.to_owned()),
            (None, Some(tree)) => tree.push_str(line),
            (None, None) => {
                let words = line.split(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter));
                found.extend(words.filter(|word| word.contains("::")).map(str::to_owned));
            }
        }
        if let Some((tree, _)) =
            tree.take_if(|tree| tree.contains(';')).as_deref().and_then(|tree| tree.split_once(';'))
        {
            found.extend(paths("", tree));
        }
    }
    let known =
        |names: &[String]| (0..=names.len()).rev().find(|length| modules.contains_key(&names[..*length]));
    let resolve = |path: String| {
        let names: Vec<&str> =
            path.split("::").map(|name| name.split(' ').next().unwrap_or_default()).collect();
        let up = names.iter().take_while(|name| **name == "super").count();
        let child = || modules.contains_key(&[module.as_slice(), &[names[0].to_owned()]].concat());
        let (base, names) = match names[0] {
            "crate" => (&[][..], &names[1..]),
            "self" => (module.as_slice(), &names[1..]),
            "super" => (&module[..module.len() - up], &names[up..]),
            _ if child() => (module.as_slice(), &names[..]),
            _ => return None,
        };
        let full: Module = base.iter().cloned().chain(names.iter().map(|name| (*name).to_owned())).collect();
        known(&full).map(|length| full[..length].to_vec())
    };
    let found = found.into_iter().filter_map(resolve);
    found.filter(|other| other != module && !other.is_empty()).collect()
}

/// All imports of the crate, by module, except those of the roots, which declare every room.
fn graph() -> BTreeMap<Module, BTreeSet<Module>> {
    let mut known = BTreeMap::new();
    modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut known);
    let graph = known.iter().map(|(module, code)| (module.clone(), imports(module, code, &known)));
    graph.filter(|(module, _)| !module.is_empty()).collect()
}

#[test]
fn no_file_imports_itself_by_way_of_others() {
    let graph = graph();
    // A module that imports no remaining module is not part of a circle.
    let mut left = graph.clone();
    loop {
        let before = left.len();
        let modules: BTreeSet<Module> = left.keys().cloned().collect();
        left.retain(|_, imports| !imports.is_disjoint(&modules));
        if left.len() == before {
            break;
        }
    }
    let circles: Vec<String> = left.keys().map(|module| module.join("::")).collect();
    assert!(circles.is_empty(), "in circles, or above one: {circles:#?}");
    assert!(graph.values().map(BTreeSet::len).sum::<usize>() > 100, "imports are found");
}

#[test]
fn each_room_imports_only_rooms_below_it() {
    let floor = |room: &str| {
        let place = ROOMS.iter().position(|(name, _)| *name == room);
        place.unwrap_or_else(|| panic!("{room} is not in the list of rooms"))
    };
    for (module, imports) in graph() {
        for import in imports.iter().filter(|import| import[0] != module[0]) {
            let (room, below) = (floor(&module[0]), floor(&import[0]));
            assert!(below < room, "{} imports {}, which is above", module.join("::"), import.join("::"));
        }
    }
}
