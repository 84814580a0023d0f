//! Whether processes and users look again by themselves.

use phoenix_core::rng::Random;

use crate::{disk::StoreFaults, network::PerThousand, plan::Periodic};

/// In half of the worlds nothing is looked for again. In two eighths only one of both is.
pub fn periodic(random: &mut Random) -> Periodic {
    let (scans, polls) = match random.below(8) {
        0..4 => (false, false),
        4 => (true, false),
        5 => (false, true),
        _ => (true, true),
    };
    Periodic { scans, polls }
}

/// Returns the faults of stores in such a world: where no one looks again, no outcome is unknown.
pub fn without_losses(periodic: Periodic, faults: StoreFaults) -> StoreFaults {
    if periodic.is_complete() { faults } else { StoreFaults { unknown: PerThousand(0), ..faults } }
}
