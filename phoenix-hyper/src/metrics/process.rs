//! What the system knows of a process, under the customary names. Only Linux has these files.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// Clock ticks in a second, as Linux reports them to programs on every architecture of Rust.
const TICKS_PER_SECOND: f64 = 100.0;

/// A collector that reads the state of this process on each request for metrics.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        if let Some(bytes) = resident_memory("self") {
            let gauge = ConstGauge::new(bytes);
            let help = "Resident memory";
            let metric = encoder.encode_descriptor(
                "process_resident_memory",
                help,
                Some(&Unit::Bytes),
                gauge.metric_type(),
            )?;
            gauge.encode(metric)?;
        }
        if let Some(seconds) = processor_time("self") {
            let counter = ConstCounter::new(seconds);
            let help = "Processor time, of user and system";
            let metric = encoder.encode_descriptor(
                "process_cpu",
                help,
                Some(&Unit::Seconds),
                counter.metric_type(),
            )?;
            counter.encode(metric)?;
        }
        if let Some(count) = open_files() {
            let gauge = ConstGauge::new(count);
            let metric = encoder.encode_descriptor(
                "process_open_fds",
                "Open files and sockets",
                None,
                gauge.metric_type(),
            )?;
            gauge.encode(metric)?;
        }
        if let Some(count) = open_file_limit().and_then(|count| i64::try_from(count).ok()) {
            let gauge = ConstGauge::new(count);
            let help = "The most files and sockets that may be open";
            let metric = encoder.encode_descriptor("process_max_fds", help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

/// Returns how many files and sockets this process may have open; `None` if there is no limit or it is
/// unknown.
pub fn open_file_limit() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Returns the resident memory of a process, given by number or as `self`, in bytes.
pub fn resident_memory(process: &str) -> Option<i64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Returns the processor time, user and system, that a process has used so far, in seconds.
pub fn processor_time(process: &str) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may contain anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_ascii_whitespace().skip(11);
    let user: f64 = ticks.next()?.parse().ok()?;
    let system: f64 = ticks.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn open_files() -> Option<i64> {
    // The directory being read is open, too.
    i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1)).ok()
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_measured() {
        let before = resident_memory("self").unwrap();
        assert!((1 << 20..1 << 40).contains(&before), "{before} bytes");
        // Other tests of this process may close files meanwhile, but none opens hundreds.
        let files: Vec<_> = (0..300).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        assert!(open_files().unwrap() >= 300);
        drop(files);
        let begun = processor_time("self").unwrap();
        while processor_time("self").unwrap() < begun + 0.02 {}
    }
}
