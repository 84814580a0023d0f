//! The engine's journal, as its bytes are: batches in the order in which they were written.

use super::{cursor::Cursor, row::Written};

/// What an entry of the journal begins with.
const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;

/// The bytes behind the checksum that ends a batch.
const MAGIC: usize = 4;

/// Returns all rows that the journal has, those of a last batch without end included. What cannot be read
/// ends it, as the zeros do that the engine has put behind.
pub fn rows(bytes: &[u8], file: usize) -> Vec<Written> {
    let (mut rows, mut cursor, mut sequence) = (Vec::new(), Cursor::new(bytes), 0);
    while entry(&mut cursor, file, &mut sequence, &mut rows).is_some() {}
    rows
}

fn entry(cursor: &mut Cursor<'_>, file: usize, sequence: &mut u64, rows: &mut Vec<Written>) -> Option<()> {
    let offset = cursor.at() as u64;
    match cursor.byte()? {
        START => {
            cursor.take(4)?;
            *sequence = u64::from_le_bytes(cursor.array()?);
        }
        ITEM => {
            let deleted = cursor.byte()? != 0;
            // Nothing is compressed, or this is not the format that the store has.
            if cursor.byte()? != 0 {
                return None;
            }
            cursor.take(8)?;
            let key = usize::from(u16::from_le_bytes(cursor.array()?));
            cursor.take(4)?;
            let value = u32::from_le_bytes(cursor.array()?) as usize;
            let key = cursor.take(key)?.to_vec();
            let value = cursor.take(value)?;
            let value = (!deleted).then(|| value.to_vec());
            rows.extend(Written::new(key, value, *sequence, file, offset));
        }
        END => _ = cursor.take(8 + MAGIC)?,
        CLEAR => _ = cursor.take(8)?,
        _ => return None,
    }
    Some(())
}
