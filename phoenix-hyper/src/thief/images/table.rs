//! A table of the engine, as its bytes are: blocks of rows, sorted by their keys.

use super::{cursor::Cursor, row::Written};

/// What a block begins with.
const MAGIC: &[u8] = b"LSM\x03";

/// The type of a block of rows. Blocks of other types come behind them.
const ROWS: u8 = 0;

/// The byte behind the last row of a block.
const LAST: u8 = 255;

/// The bytes at the end of a block, of which the first says how often a key is written in full.
const TRAILER: usize = 31;

/// Returns all rows of the table.
pub fn rows(bytes: &[u8], file: usize) -> Vec<Written> {
    let (mut rows, mut cursor) = (Vec::new(), Cursor::new(bytes));
    while let Some((start, block)) = block(&mut cursor) {
        read_block(block, start, file, &mut rows);
    }
    rows
}

/// Returns the next block, and where its content begins.
fn block<'a>(cursor: &mut Cursor<'a>) -> Option<(usize, &'a [u8])> {
    if cursor.take(MAGIC.len())? != MAGIC || cursor.byte()? != ROWS {
        return None;
    }
    // The checksum of the content.
    cursor.take(16)?;
    let length = u32::from_le_bytes(cursor.array()?) as usize;
    // The length again, and a checksum of the header.
    cursor.take(8)?;
    Some((cursor.at(), cursor.take(length)?))
}

fn read_block(block: &[u8], start: usize, file: usize, rows: &mut Vec<Written>) {
    let Some(interval) = block.len().checked_sub(TRAILER).map(|trailer| block[trailer]) else { return };
    let (mut cursor, mut base) = (Cursor::new(block), Vec::new());
    for number in 0_usize.. {
        let offset = (start + cursor.at()) as u64;
        let is_full = number.is_multiple_of(usize::from(interval.max(1)));
        let Some((key, value, sequence)) = row(&mut cursor, is_full, &base) else { return };
        if is_full {
            base.clone_from(&key);
        }
        rows.extend(Written::new(key, value, sequence, file, offset));
    }
}

type Row = (Vec<u8>, Option<Vec<u8>>, u64);

/// Reads a row, whose key may begin as `base` does.
fn row(cursor: &mut Cursor<'_>, is_full: bool, base: &[u8]) -> Option<Row> {
    let kind = cursor.byte()?;
    if kind == LAST {
        return None;
    }
    let sequence = cursor.number()?;
    let shared = if is_full { 0 } else { usize::try_from(cursor.number()?).ok()? };
    let rest = usize::try_from(cursor.number()?).ok()?;
    let key = [base.get(..shared)?, cursor.take(rest)?].concat();
    if kind != 0 {
        return Some((key, None, sequence));
    }
    let length = usize::try_from(cursor.number()?).ok()?;
    Some((key, Some(cursor.take(length)?.to_vec()), sequence))
}
