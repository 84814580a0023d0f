//! Reads which file of a crate imports which, and holds it against the order of the crate's rooms.
#![allow(clippy::disallowed_methods, reason = "reads the crate's own source")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A file, as the path of its module: `store::key` is `["store", "key"]`, the root `[]`.
pub type Module = Vec<String>;

/// Which file imports which.
pub struct Imports(BTreeMap<Module, BTreeSet<Module>>);

impl Imports {
    /// Reads the files below `src`, without tests and the roots of the crates.
    pub fn of(src: &Path) -> Self {
        let mut files = BTreeMap::new();
        read(src, &[], &mut files);
        let imports = files.iter().map(|(module, code)| (module.clone(), imports(module, code, &files)));
        Self(imports.filter(|(module, _)| !module.is_empty()).collect())
    }

    /// All rooms: what stands at the top of the crate.
    pub fn rooms(&self) -> BTreeSet<&str> {
        self.0.keys().map(|module| module[0].as_str()).collect()
    }

    /// The rooms that the files of a room import, each with one file that does.
    pub fn of_room(&self, room: &str) -> BTreeMap<&str, String> {
        let files = self.0.iter().filter(|(module, _)| module[0] == room);
        let targets = files.flat_map(|(module, targets)| {
            targets
                .iter()
                .map(move |target| (target.first().map_or("lib.rs", String::as_str), module.join("::")))
        });
        targets.filter(|(target, _)| *target != room).collect()
    }

    /// Asserts that each room is in the list, which is from the ground up, and imports only rooms before it.
    pub fn assert_order(&self, rooms: &[(&str, &str)]) {
        let listed: BTreeSet<&str> = rooms.iter().map(|(room, _)| *room).collect();
        assert_eq!(self.rooms(), listed);
        for (floor, (room, _)) in rooms.iter().enumerate() {
            let below: BTreeSet<&str> = rooms[..floor].iter().map(|(room, _)| *room).collect();
            for (target, file) in self.of_room(room) {
                assert!(below.contains(target), "{file} imports {target}, which is not below {room}");
            }
        }
    }

    /// Asserts that no file imports itself by way of others.
    pub fn assert_no_circle(&self) {
        let mut left = self.0.clone();
        // A file that imports none that is left, or that none imports, is in no circle: taken away until only
        // circles and what lies between them are left.
        loop {
            let imported: BTreeSet<Module> = left.values().flatten().cloned().collect();
            let before = left.len();
            left.retain(|module, targets| !targets.is_empty() && imported.contains(module));
            let kept: BTreeSet<Module> = left.keys().cloned().collect();
            left.values_mut().for_each(|targets| targets.retain(|target| kept.contains(target)));
            if left.len() == before {
                break;
            }
        }
        assert!(left.is_empty(), "files import each other in a circle: {left:#?}");
    }
}

/// All files below `folder` with their code: without comments and tests.
fn read(folder: &Path, module: &[String], found: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("a file").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let inner: Module = module.iter().chain([&name]).cloned().collect();
        match name.as_str() {
            "tests" | "testing" => {}
            _ if path.is_dir() => read(&path, &inner, found),
            // Another crate, which imports this one as a whole.
            "main" if module.is_empty() => {}
            _ => {
                let text = fs::read_to_string(&path).expect("text");
                let module = if name == "mod" || name == "lib" { module.to_vec() } else { inner };
                assert!(found.insert(module, production(&text)).is_none(), "{path:?}");
            }
        }
    }
}

/// The code without comments, without the modules that only tests have.
fn production(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let (mut code, mut skip) = (String::new(), false);
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        if !skip {
            code.push_str(line.trim_start_matches("#[cfg(test)]"));
            code.push('\n');
        }
        skip = line.trim() == "#[cfg(test)]";
    }
    code
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
                // Nothing stands between a list's last comma and its end.
                if !path.is_empty() {
                    paths.push([open.concat(), std::mem::take(&mut path)].concat());
                }
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
        let base = &module[..module.len().checked_sub(ups)?];
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
fn imports_are_found_in_every_form() {
    let names =
        ["a", "a::b", "a::c", "d"].map(|name| name.split("::").map(str::to_owned).collect::<Module>());
    let files: BTreeMap<Module, String> = names.iter().map(|name| (name.clone(), String::new())).collect();
    let of = |code: &str| {
        let found = imports(&names[0], &production(code), &files);
        found.into_iter().map(|name| name.join("::")).collect::<Vec<_>>()
    };
    assert_eq!(of("use crate::{d::{E, F}, Root};"), ["d"]);
    assert_eq!(of("mod b; mod c; pub use b::E;"), ["a::b"]);
    assert_eq!(of("use crate::{\n    a::b::{\n        E,\n    },\n};"), ["a::b"]);
    assert_eq!(of("use self::c::{E as F, G}; fn f(d: other::D) { super::d::e() }"), ["a::c", "d"]);
    assert_eq!(of("#[cfg(test)]\nuse crate::d::E;\nuse self::b::F; // use crate::d::E;"), ["a::b"]);
    assert_eq!(of("use std::d::E; fn f() { Self::d(d) }"), [] as [&str; 0]);
}
