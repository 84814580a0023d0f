//! Simulates the two ambient inputs of dependencies: the keys of hash maps and the system clock.
//!
//! This module defines the C library's `getrandom` and `clock_gettime` anew, so that in a program that links
//! this crate the standard library and everything above it call these. In a thread that [`in_world`] has
//! started they answer from that thread's own simulated state; in every other thread they call the kernel.
//!
//! The keys of hash maps are drawn once a thread, so each world has a thread of its own. Work that a
//! dependency spreads over threads stays in the world's thread, which is the only worker of its pool. So
//! worlds that run at the same time do not affect each other.
//!
//! This is the only module of the project with `unsafe` in it.
#![allow(unsafe_code)]

use std::{
    cell::Cell,
    ffi::{c_int, c_uint, c_void},
    hint::black_box,
    thread,
    time::{Duration, SystemTime},
};

/// The simulated system of one thread.
#[derive(Clone, Copy)]
struct Simulated {
    seed: u64,
    /// How many random bytes were drawn.
    drawn: u64,
    /// The time since the Unix epoch.
    nanoseconds: u64,
}

thread_local! {
    static SIMULATED: Cell<Option<Simulated>> = const { Cell::new(None) };
}

/// Fills `buffer` with random bytes, for the standard library and crates for random numbers.
///
/// # Safety
/// As the C library's: `buffer` is valid for writing `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
    let Some(mut simulated) = SIMULATED.get() else {
        // SAFETY: the caller keeps the contract of the C library's function, which is that of the system call.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) } as isize;
    };
    for offset in 0..length {
        let byte = mixed(simulated.seed, simulated.drawn) as u8;
        simulated.drawn = simulated.drawn.wrapping_add(1);
        // SAFETY: `offset` is below `length`, and `buffer` is valid for as many bytes.
        unsafe { buffer.cast::<u8>().add(offset).write(byte) };
    }
    SIMULATED.set(Some(simulated));
    length as isize
}

/// Reads a clock, for the standard library. All clocks read the same here.
///
/// # Safety
/// As the C library's: `time` is valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    let Some(simulated) = SIMULATED.get() else {
        // SAFETY: the caller keeps the contract of the C library's function, which is that of the system call.
        return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) } as c_int;
    };
    let seconds = (simulated.nanoseconds / 1_000_000_000) as libc::time_t;
    let nanoseconds = (simulated.nanoseconds % 1_000_000_000) as libc::c_long;
    // SAFETY: the caller has made sure that `time` is valid for writing.
    unsafe { time.write(libc::timespec { tv_sec: seconds, tv_nsec: nanoseconds }) };
    0
}

/// Returns one number of SplitMix64, which is evenly distributed; nothing here needs more.
fn mixed(seed: u64, index: u64) -> u64 {
    let mut value = seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Sets this thread's clock, in milliseconds since the Unix epoch. Without effect outside of [`in_world`].
pub fn set_clock(milliseconds: u64) {
    if let Some(simulated) = SIMULATED.get() {
        let nanoseconds = milliseconds.saturating_mul(1_000_000);
        SIMULATED.set(Some(Simulated { nanoseconds, ..simulated }));
    }
}

/// Why a world could not be run to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// The system could not start the world's thread or its pool. Run fewer worlds at once.
    #[error("the world's thread could not be started: {0}")]
    Thread(String),
    /// The program does not use the definitions of this module, so no run could be repeated. Link this crate
    /// statically, on Linux.
    #[error("the clock and the randomness of this program are not simulated")]
    NotSimulated,
    /// The code under test, or the simulator, panicked: a defect.
    #[error("the world panicked: {0}")]
    Panic(String),
}

/// Runs `world` in a thread of its own, in which the clock and ambient randomness are simulated, and returns
/// its result.
///
/// # Errors
/// [`WorldError`], also if `world` panics.
pub fn in_world<T: Send>(seed: u64, world: impl FnOnce() -> T + Send) -> Result<T, WorldError> {
    thread::scope(|scope| {
        let run = move || {
            SIMULATED.set(Some(Simulated { seed, drawn: 0, nanoseconds: START_MILLISECONDS * 1_000_000 }));
            if !is_simulated() {
                return Err(WorldError::NotSimulated);
            }
            // The only worker is this thread, so that no work leaves it.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
            let _pool = pool.map_err(|error| WorldError::Thread(error.to_string()))?;
            Ok(world())
        };
        let thread =
            thread::Builder::new().name("world".to_owned()).stack_size(STACK).spawn_scoped(scope, run);
        let thread = thread.map_err(|error| WorldError::Thread(error.to_string()))?;
        thread.join().unwrap_or_else(|panic| Err(WorldError::Panic(panic_text(&*panic))))
    })
}

/// The time at which worlds begin, in milliseconds since the Unix epoch: in January 2027.
pub const START_MILLISECONDS: u64 = 1_800_000_000_000;

/// The stack of a world's thread, in bytes: debug builds of cryptography need more than the default.
const STACK: usize = 16 << 20;

fn is_simulated() -> bool {
    // Using their addresses keeps the linker from dropping them.
    black_box((getrandom as *const (), clock_gettime as *const ()));
    SystemTime::UNIX_EPOCH + Duration::from_millis(START_MILLISECONDS) == SystemTime::now()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn order_of_a_hash_set() -> Vec<u32> {
        let mut order: Vec<u32> = (0..100).collect::<HashSet<_>>().into_iter().collect();
        order.rotate_left(1);
        order
    }

    #[test]
    fn hash_maps_and_clock_follow_the_seed_and_nothing_else() {
        let first = in_world(1, order_of_a_hash_set).unwrap();
        let other = in_world(2, order_of_a_hash_set).unwrap();
        assert_ne!(first, other);
        assert_eq!(in_world(1, order_of_a_hash_set).unwrap(), first);
        let clock = in_world(1, || {
            set_clock(START_MILLISECONDS + 7);
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()
        });
        assert_eq!(clock.unwrap(), u128::from(START_MILLISECONDS) + 7);
    }

    #[test]
    fn work_that_is_spread_stays_in_the_world() {
        use rayon::prelude::*;
        let times = in_world(3, || {
            set_clock(5);
            (0..64).into_par_iter().map(|_| SystemTime::now()).collect::<Vec<_>>()
        });
        let expected = SystemTime::UNIX_EPOCH + Duration::from_millis(5);
        assert!(times.unwrap().iter().all(|time| *time == expected));
    }

    #[test]
    fn outside_of_worlds_time_is_real() {
        let year = Duration::from_secs(365 * 24 * 3600);
        assert!(SystemTime::now() > SystemTime::UNIX_EPOCH + year);
        assert_eq!(
            in_world(1, || panic!("as expected")),
            Err::<(), _>(WorldError::Panic("as expected".into()))
        );
    }
}
