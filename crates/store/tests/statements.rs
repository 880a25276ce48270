//! Every statement in the repository is one that PostgreSQL takes, on the schema that all migrations make.
//!
//! A statement is one text for both databases. SQLite forgives much that PostgreSQL does not (a parameter whose
//! type nobody can tell, a column that is not grouped by), so each is prepared there, also those that no test
//! runs on PostgreSQL.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tidings_store::{
    Migration, Store, StoreOptions,
    conformance::{FreshDatabase, NO_POSTGRES, prepare},
};

/// Words that a statement begins with.
const BEGINNINGS: [&str; 5] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];
/// Code that speaks to one of the two: the embedded log and the keepers themselves.
const SQLITE_ALONE: [&str; 7] = [
    "crates/log/src/embedded",
    "crates/store/src/sqlite",
    "crates/store/src/ledger.rs",
    "crates/store/src/migrate.rs",
    "crates/store/src/tx.rs",
    "crates/store/src/conformance",
    "crates/store/src/postgres",
];
/// Tables that only SQLite has.
const EMBEDDED_LOG: &str = "log_";
/// Types in which the store gives parameters without a loss.
const TYPES: [&str; 4] = ["int8", "text", "bytea", "float8"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// All files below a folder with this ending, in order of their paths.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("a folder can be read").path())
        .collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            found.extend(files(&entry, ending));
        } else if entry.extension().is_some_and(|extension| extension == ending) {
            found.push(entry);
        }
    }
    found
}

/// The migrations of all owners but the store itself, as their crates list them: by name.
fn migrations() -> Vec<Migration> {
    let steps = ["crates", "features"].iter().flat_map(|folder| files(&root().join(folder), "sql"));
    let foreign = steps.filter(|path| !path.starts_with(root().join("crates/store")));
    let migration = |path: PathBuf| Migration {
        owner: "all",
        name: path.display().to_string().leak(),
        sqlite: fs::read_to_string(&path).expect("a step can be read").leak(),
    };
    foreign.map(migration).collect()
}

/// The string literals of a file of Rust, as the compiler would read them, with their lines.
fn literals(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut letters = code.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => line += 1,
            '/' if letters.peek() == Some(&'/') => {
                for letter in letters.by_ref() {
                    if letter == '\n' {
                        line += 1;
                        break;
                    }
                }
            }
            '"' if before != '\'' => {
                let (at, mut text) = (line, String::new());
                while let Some(letter) = letters.next() {
                    match letter {
                        '"' => break,
                        '\\' => match letters.next() {
                            Some('\n') => {
                                line += 1;
                                while letters.peek().is_some_and(|letter| letter.is_whitespace()) {
                                    line += usize::from(letters.next() == Some('\n'));
                                }
                            }
                            Some(escaped) => text.push(escaped),
                            None => break,
                        },
                        other => {
                            line += usize::from(other == '\n');
                            text.push(other);
                        }
                    }
                }
                found.push((at, text));
            }
            _ => {}
        }
        before = letter;
    }
    found
}

/// All statements for both databases, with where they stand.
fn statements() -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    let root = root();
    for path in ["crates", "features"].iter().flat_map(|folder| files(&root.join(folder), "rs")) {
        let name = path.strip_prefix(&root).expect("it is below").display().to_string();
        let tests = name.contains("/tests/") || name.contains("/benches/") || name.contains("/examples/");
        if tests || SQLITE_ALONE.iter().any(|alone| name.starts_with(alone)) {
            continue;
        }
        for (line, text) in literals(&fs::read_to_string(&path).expect("code can be read")) {
            let said = text.trim_start();
            let embedded = ["FROM ", "JOIN ", "INTO ", "UPDATE "]
                .iter()
                .any(|word| said.contains(&format!("{word}{EMBEDDED_LOG}")));
            if BEGINNINGS.iter().any(|word| said.starts_with(word))
                && said.contains(['=', '(', '\n'])
                && !embedded
            {
                found.push((format!("{name}:{line}"), &*text.leak()));
            }
        }
    }
    found
}

#[test]
fn postgresql_takes_every_migration_and_every_statement() {
    let Some(database) = FreshDatabase::postgres().expect("the server of the tests answers") else {
        println!("{NO_POSTGRES}");
        return;
    };
    let mut options = StoreOptions::postgres(database.url());
    options.migrations = migrations();
    assert!(options.migrations.len() >= 6, "{} steps", options.migrations.len());
    drop(Store::open(&options).expect("PostgreSQL takes all migrations"));
    let statements = statements();
    assert!(statements.len() > 80, "only {} statements were found", statements.len());
    let texts: Vec<&'static str> = statements.iter().map(|(_, text)| *text).collect();
    let prepared = prepare(&database.url(), &texts).expect("the server of the tests answers");
    let mut refused = Vec::new();
    for ((place, text), types) in statements.iter().zip(prepared) {
        match types {
            Ok(types) if types.iter().all(|name| TYPES.contains(&name.as_str())) => {}
            Ok(types) => {
                refused.push(format!("{place}: parameters are {types:?}; say CAST($n AS BIGINT)\n  {text}"));
            }
            Err(reason) => refused.push(format!("{place}: {reason}\n  {text}")),
        }
    }
    assert!(refused.is_empty(), "{} of {}\n{}", refused.len(), statements.len(), refused.join("\n"));
}

#[test]
fn literals_are_read_as_the_compiler_reads_them() {
    let code = "let a = \"SELECT 1\"; // \"no\"\nlet b = \"INSERT \\\n   INTO t\"; let c = '\"'; let d = \"x\\\"y\";";
    let expected = [(1, "SELECT 1".to_owned()), (2, "INSERT INTO t".to_owned()), (3, "x\"y".to_owned())];
    assert_eq!(literals(code), expected);
}
