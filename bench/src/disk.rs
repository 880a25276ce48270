//! What the disk itself answers: the floor of everything that is durable.

use std::{fs::OpenOptions, io::Write as _, path::Path, time::Instant};

use crate::{Failure, samples::Samples};

/// About what one commit appends to the write-ahead log.
const PAGE: usize = 4096;

/// How long an append of a page and its `fdatasync` take, one at a time, on the file system of `folder`.
pub(crate) fn append_and_sync(folder: &Path, times: usize) -> Result<Samples, Failure> {
    let path = folder.join("disk");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let page = [7; PAGE];
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(took.into_iter().collect())
}
