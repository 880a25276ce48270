//! The high-water mark beside the database: it tells a database that was copied back.
//!
//! Cursors name places. A file that is restored from a copy has fewer places than clients have seen, and gives
//! the same places to other records. The mark says how far the log was when it was last read; a log that is
//! shorter, or that has no mark at all, begins a new generation, so that older cursors are told `recovered: false`
//! instead of being shown the wrong records.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use tidings_delivery_core::{GenerationId, Place};

/// The file beside the database.
#[derive(Debug)]
pub struct Mark {
    file: File,
    found: Option<(GenerationId, Place)>,
}

impl Mark {
    /// Opens the mark of a database; makes it if it is not there.
    pub fn open(database: &Path) -> std::io::Result<Self> {
        let mut name = database.as_os_str().to_owned();
        name.push(".mark");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(PathBuf::from(name))?;
        let mut bytes = [0; 16];
        let found = file.read_exact_at(&mut bytes, 0).is_ok().then(|| {
            let (id, place) = bytes.split_at(8);
            let number =
                |half: &[u8]| half.iter().fold(0, |number: u64, byte| (number << 8) | u64::from(*byte));
            (GenerationId(number(id)), Place(number(place)))
        });
        Ok(Self { file, found })
    }

    /// Whether a log of this generation that ends at `head` is the one that was marked.
    pub fn agrees(&self, generation: GenerationId, head: Place) -> bool {
        match self.found {
            Some((id, place)) => id == generation && place <= head,
            None => head == Place::ORIGIN,
        }
    }

    /// Notes how far the log is. Not synced: it must outlive the process, and after a power loss an older mark
    /// only notices less.
    pub fn note(&self, generation: GenerationId, head: Place) -> std::io::Result<()> {
        let mut bytes = [0; 16];
        let (id, place) = bytes.split_at_mut(8);
        id.copy_from_slice(&generation.0.to_be_bytes());
        place.copy_from_slice(&head.0.to_be_bytes());
        self.file.write_all_at(&bytes, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_shorter_than_its_mark_was_copied_back() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("t.db");
        let id = GenerationId(7);
        assert!(Mark::open(&database).unwrap().agrees(id, Place::ORIGIN), "a new log needs no mark");
        assert!(!Mark::open(&database).unwrap().agrees(id, Place(5)), "a log without its mark is a copy");
        Mark::open(&database).unwrap().note(id, Place(9)).unwrap();
        let mark = Mark::open(&database).unwrap();
        assert!(mark.agrees(id, Place(9)) && mark.agrees(id, Place(12)));
        assert!(!mark.agrees(id, Place(8)));
        assert!(!mark.agrees(GenerationId(8), Place(9)));
    }
}
