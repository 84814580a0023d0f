//! The thief's table.

use std::fmt;

use serde::Serialize;

use super::cells::Cell;

/// All cells.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// One for each link and image.
    pub cells: Vec<Cell>,
}

impl Cell {
    /// Whether the link is seen: the whole interval is above 0.
    pub fn is_red(&self) -> bool {
        self.low > 0.0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{:<15} {:<9} {:>6}  {:<16} {:>6}  {:<11} the best rule of each sort that links",
            "link", "image", "score", "95 % interval", "pairs", ""
        )?;
        for cell in &self.cells {
            let verdict = match (cell.is_red(), cell.co_writing) {
                (false, _) => "",
                (true, true) => "co-writing",
                (true, false) => "RED",
            };
            // A link is written as in JSON.
            let link = serde_json::to_value(cell.link).unwrap_or_default();
            let clues = cell.clues.iter().map(|clue| format!("{:.2} {}", clue.score, clue.rule));
            writeln!(
                formatter,
                "{:<15} {:<9} {:>6.3}  [{:>6.3}, {:>6.3}] {:>6}  {:<11} {}",
                link.as_str().unwrap_or_default(),
                cell.image,
                cell.score,
                cell.low,
                cell.high,
                cell.pairs,
                verdict,
                clues.collect::<Vec<_>>().join("; "),
            )?;
        }
        Ok(())
    }
}
