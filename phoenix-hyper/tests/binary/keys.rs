//! Keys: created once, shown without secrets, kept from others.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::running::{DOMAIN, Running, ends_with};

struct Files {
    directory: tempfile::TempDir,
    keys: PathBuf,
    root: PathBuf,
}

fn files() -> Files {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join("data").join(name);
    Files { keys: path("keys.pem"), root: path("root-key.pem"), directory }
}

impl Files {
    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// `phoenix keys` in the data directory.
    async fn keys(&self, code: i32, action: &str, more: &[&str]) -> (String, String) {
        let data = self.data();
        let arguments = ["keys", action, "--data", data.to_str().unwrap()];
        ends_with(code, [&arguments, more].concat()).await
    }

    async fn create(&self, code: i32) -> (String, String) {
        self.keys(code, "create", &["--domain", DOMAIN]).await
    }

    async fn shown(&self) -> Vec<Value> {
        let (shown, _) = self.keys(0, "show", &["--json"]).await;
        shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn of_kind(keys: &[Value], kind: &str) -> usize {
    keys.iter().filter(|key| key["kind"] == kind).count()
}

#[tokio::test]
async fn keys_are_made_once_and_for_the_owner_only() {
    let files = files();
    let (said, _) = files.create(0).await;
    assert!(said.contains(files.root.to_str().unwrap()) && said.contains("offline"), "{said}");
    assert_eq!((mode(&files.keys), mode(&files.root), mode(&files.data())), (0o600, 0o600, 0o700));
    let before = (fs::read(&files.keys).unwrap(), fs::read(&files.root).unwrap());
    let (_, error) = files.create(4).await;
    assert!(error.contains("left as it is"), "{error}");
    assert_eq!((fs::read(&files.keys).unwrap(), fs::read(&files.root).unwrap()), before);
    // Neither is a root key that is left alone.
    fs::remove_file(&files.keys).unwrap();
    files.create(4).await;
    assert!(!files.keys.exists() && fs::read(&files.root).unwrap() == before.1);
}

#[tokio::test]
async fn keys_are_added_and_the_older_ones_stay() {
    let files = files();
    files.create(0).await;
    let before = files.shown().await;
    files.keys(0, "add-intermediate", &[]).await;
    files.keys(0, "rotate", &[]).await;
    let after = files.shown().await;
    assert!(before.iter().all(|key| after.contains(key)));
    for kind in ["intermediate credential", "queuing service", "delivery service", "queue configurations"] {
        assert_eq!((of_kind(&before, kind), of_kind(&after, kind)), (1, 2), "{kind}");
    }
    assert_eq!(mode(&files.keys), 0o600);
    // The root key, moved to a safe place.
    let elsewhere = files.directory.path().join("offline.pem");
    fs::rename(&files.root, &elsewhere).unwrap();
    let (_, error) = files.keys(4, "add-intermediate", &[]).await;
    assert!(error.contains("root-key.pem"), "{error}");
    files.keys(0, "add-intermediate", &["--root", elsewhere.to_str().unwrap()]).await;
    assert_eq!(of_kind(&files.shown().await, "intermediate credential"), 3);
    // Another homeserver's root signs nothing here.
    let other = self::files();
    other.create(0).await;
    files.keys(4, "add-intermediate", &["--root", other.root.to_str().unwrap()]).await;
    assert_eq!(of_kind(&files.shown().await, "intermediate credential"), 3);
    Running::start(&files.data(), &[]).await.stop().await;
}

#[tokio::test]
async fn no_secret_is_printed() {
    let files = files();
    let mut printed = String::new();
    for (action, more) in [("create", &["--domain", DOMAIN][..]), ("show", &[]), ("add-intermediate", &[])] {
        for json in [&[][..], &["--json"]] {
            // The second creation is refused; its error is checked, too.
            let code = if action == "create" && !json.is_empty() { 4 } else { 0 };
            let (out, error) = files.keys(code, action, &[more, json].concat()).await;
            printed.extend([out, error]);
        }
    }
    let mut printed = printed.to_lowercase();
    for key in files.shown().await {
        // Ids are public, and some are in the file.
        printed = printed.replace(key["id"].as_str().unwrap(), "id");
    }
    for path in [&files.keys, &files.root] {
        let text = fs::read_to_string(path).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('-')) {
            assert!(!printed.contains(&line[..16.min(line.len())].to_lowercase()));
        }
        // Nor in digits.
        for window in pem::parse(text).unwrap().contents().windows(8) {
            let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!printed.contains(&hex), "{hex}");
        }
    }
}

fn serve<'a>(domain: &'a str, data: &'a Path) -> Vec<&'a str> {
    vec!["serve", "--domain", domain, "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]
}

#[tokio::test]
async fn a_key_file_that_others_may_read_is_refused() {
    let files = files();
    files.create(0).await;
    fs::set_permissions(&files.keys, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, error) = ends_with(4, serve(DOMAIN, &files.data())).await;
    assert!(error.contains(&format!("chmod 600 {}", files.keys.display())), "{error}");
    files.keys(4, "show", &[]).await;
}

#[tokio::test]
async fn the_keys_of_another_homeserver_are_refused() {
    let files = files();
    files.create(0).await;
    let (_, error) = ends_with(4, serve("other.localhost", &files.data())).await;
    assert!(error.contains(DOMAIN) && error.contains("other.localhost"), "{error}");
}

/// New keys would make an existing store unreadable: the operator must restore the old ones.
#[tokio::test]
async fn no_new_keys_are_made_for_an_old_store() {
    let files = files();
    let running = Running::start(&files.data(), &[]).await;
    assert_eq!(running.events[0]["event"], "keys_created");
    running.stop().await;
    let kept = fs::read(&files.keys).unwrap();
    fs::remove_file(&files.keys).unwrap();
    let (_, error) = ends_with(4, serve(DOMAIN, &files.data())).await;
    assert!(error.contains("backup"), "{error}");
    assert!(!files.keys.exists());
    fs::write(&files.keys, kept).unwrap();
    fs::set_permissions(&files.keys, fs::Permissions::from_mode(0o600)).unwrap();
    Running::start(&files.data(), &[]).await.stop().await;
}
