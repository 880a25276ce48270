//! What is written for SQLite, in the words of PostgreSQL.
//!
//! Statements and migrations are one text for both databases. A few words differ, and are exchanged here; what
//! else one of the two does not understand must be said in a way that both do.

use std::borrow::Cow;

/// A statement. Two words of SQLite have no other: the elements of a JSON array of texts, and `CROSS JOIN … ON`,
/// which tells its planner the order of a join; PostgreSQL's finds it by itself.
pub(super) fn statement(sql: &str) -> Cow<'_, str> {
    if !sql.contains("json_each($") && !sql.contains("CROSS JOIN ") {
        return Cow::Borrowed(sql);
    }
    let mut parts = sql.split("json_each(");
    let mut said = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (array, rest) = part.split_once(')').unwrap_or((part, ""));
        said.extend(["jsonb_array_elements_text(CAST(CAST(", array, " AS TEXT) AS JSONB))", rest]);
    }
    Cow::Owned(said.replace("CROSS JOIN ", "JOIN "))
}

/// A migration, of which each line declares one column at most. Text is compared by its bytes, as SQLite does,
/// and not by whatever the database was made with.
pub(super) fn migration(sqlite: &str) -> String {
    let translated = |line: &str| {
        let (code, comment) = line.split_once("--").map_or((line, None), |(code, note)| (code, Some(note)));
        let code = code
            .replace(" WITHOUT ROWID", "")
            .replace("INTEGER PRIMARY KEY", "BIGINT PRIMARY KEY")
            .replace(" BLOB", " BYTEA");
        let declares = code.contains(" TEXT") && !code.contains(" AS TEXT");
        let code = if declares { code.replacen(" TEXT", " TEXT COLLATE \"C\"", 1) } else { code };
        comment.map_or_else(|| code.clone(), |comment| format!("{code}--{comment}"))
    };
    sqlite.lines().map(translated).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_said_in_the_words_of_postgresql() {
        let sqlite = "-- BLOB and TEXT in a comment stay
            CREATE TABLE t (
              a  TEXT   NOT NULL PRIMARY KEY,
              b  BLOB, -- a TEXT
              c  BIGINT
            ) WITHOUT ROWID;
            ALTER TABLE t ADD COLUMN d TEXT;
            SELECT CAST(c AS TEXT) FROM t;";
        let postgres = "-- BLOB and TEXT in a comment stay
            CREATE TABLE t (
              a  TEXT COLLATE \"C\"   NOT NULL PRIMARY KEY,
              b  BYTEA, -- a TEXT
              c  BIGINT
            );
            ALTER TABLE t ADD COLUMN d TEXT COLLATE \"C\";
            SELECT CAST(c AS TEXT) FROM t;";
        assert_eq!(migration(sqlite), postgres);
    }

    #[test]
    fn a_statement_is_said_in_the_words_of_postgresql() {
        let sqlite = "SELECT a FROM t CROSS JOIN u ON u.a = t.a WHERE b IN (SELECT value FROM json_each($2))";
        let postgres = "SELECT a FROM t JOIN u ON u.a = t.a WHERE b IN \
                        (SELECT value FROM jsonb_array_elements_text(CAST(CAST($2 AS TEXT) AS JSONB)))";
        assert_eq!(statement(sqlite), postgres);
        assert!(matches!(statement("SELECT 1"), Cow::Borrowed("SELECT 1")));
    }
}
