//! How a row of the outbox holds several records: one after the other, each field behind its length.
//!
//! A byte for the format, then for each record: time (8 bytes), key, headers (JSON as in the log's column),
//! value. A length is a LEB128 number, one more than the bytes that follow; 0 stands for no key and no value.

use tidings_model::{Headers, Timestamp};

use crate::decode_headers;

/// The format that is written.
const FORMAT: u8 = 1;

/// A record that waits for a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingRecord {
    /// What orders it.
    pub key: Option<Vec<u8>>,
    /// Its headers, without a number.
    pub headers: Headers,
    /// Its value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// When it happened.
    pub time: Timestamp,
}

/// A record on its way into a row, its headers as the log's column holds them.
pub(super) struct Fields<'a> {
    pub(super) time: Timestamp,
    pub(super) key: Option<&'a [u8]>,
    pub(super) headers: &'a str,
    pub(super) value: Option<&'a [u8]>,
}

/// Packs records.
pub(super) fn pack<'a>(records: impl Iterator<Item = Fields<'a>>) -> Vec<u8> {
    let mut packed = vec![FORMAT];
    for record in records {
        packed.extend(record.time.millis().to_be_bytes());
        put(&mut packed, record.key);
        put(&mut packed, Some(record.headers.as_bytes()));
        put(&mut packed, record.value);
    }
    packed
}

/// The records of a row; none if it was cut or has a format that this version does not know.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<WaitingRecord>> {
    let (format, mut rest) = packed.split_first()?;
    if *format != FORMAT {
        return None;
    }
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (time, after) = rest.split_first_chunk::<8>()?;
        rest = after;
        let key = take(&mut rest)?.map(<[u8]>::to_vec);
        let headers = decode_headers(std::str::from_utf8(take(&mut rest)??).ok()?);
        let value = take(&mut rest)?.map(<[u8]>::to_vec);
        records.push(WaitingRecord { key, headers, value, time: Timestamp(i64::from_be_bytes(*time)) });
    }
    Some(records)
}

fn put(packed: &mut Vec<u8>, field: Option<&[u8]>) {
    let mut left = field.map_or(0, |field| field.len() + 1);
    loop {
        let low = u8::try_from(left & 0x7f).unwrap_or_default();
        left >>= 7;
        packed.push(if left == 0 { low } else { low | 0x80 });
        if left == 0 {
            break;
        }
    }
    packed.extend(field.unwrap_or_default());
}

/// The next field; outer none: there is none that is whole.
#[expect(clippy::option_option, reason = "no field left, and a field that is absent, are two things")]
fn take<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let Some(length) = length.checked_sub(1) else { return Some(None) };
    let (field, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(Some(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode_headers;

    fn packed(records: &[WaitingRecord]) -> Vec<u8> {
        let headers: Vec<String> = records.iter().map(|record| encode_headers(&record.headers)).collect();
        pack(records.iter().zip(&headers).map(|(record, headers)| Fields {
            time: record.time,
            key: record.key.as_deref(),
            headers,
            value: record.value.as_deref(),
        }))
    }

    fn records() -> Vec<WaitingRecord> {
        let long = vec![7; 70_000];
        let header = vec![("ce_id".to_owned(), b"evt_1".to_vec()), ("raw".to_owned(), vec![0, 255])];
        [
            (Some(b"key".to_vec()), header, Some(long)),
            (None, Vec::new(), None),
            (Some(Vec::new()), Vec::new(), Some(Vec::new())),
        ]
        .into_iter()
        .zip(-1_i64..)
        .map(|((key, headers, value), time)| WaitingRecord { key, headers, value, time: Timestamp(time) })
        .collect()
    }

    #[test]
    fn packed_records_read_back_and_an_empty_field_is_not_an_absent_one() {
        assert_eq!(unpack(&packed(&records())), Some(records()));
    }

    #[test]
    fn a_row_that_was_cut_anywhere_is_refused_or_ends_between_two_records() {
        let whole = packed(&records());
        for end in 0..whole.len() {
            if let Some(read) = unpack(&whole[..end]) {
                assert_eq!(read[..], records()[..read.len()], "cut at {end}");
            }
        }
        assert_eq!(unpack(&[FORMAT + 1]), None);
        assert_eq!(
            unpack(&[
                FORMAT, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
            ]),
            None
        );
    }
}
