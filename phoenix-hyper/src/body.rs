//! HTTP bodies, each read within a limit and all within a budget of memory.

use std::{pin::pin, sync::Arc};

use http_body_util::BodyExt;
use hyper::{
    HeaderMap,
    body::{Body, Bytes},
    header,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The media type of requests and answers.
pub const MEDIA_TYPE: &str = "application/vnd.phoenix";

/// The bytes that may be in memory at once.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    whole: Arc<Semaphore>,
    part: Option<Part>,
}

/// The most that one of many holders may take of a budget.
#[derive(Debug, Clone)]
pub(crate) struct Part(Arc<Semaphore>);

/// Bytes taken from a budget, returned on drop.
#[derive(Debug, Default)]
pub(crate) struct Share {
    of_whole: Option<OwnedSemaphorePermit>,
    of_part: Option<OwnedSemaphorePermit>,
}

/// Bytes that count against a budget for as long as they are in memory.
#[derive(Debug)]
pub(crate) struct Counted {
    pub bytes: Vec<u8>,
    pub share: Share,
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum BodyError<E> {
    /// The body is larger than the limit.
    TooLarge,
    /// The budget is exhausted.
    Exhausted,
    /// The connection broke, or the body is malformed.
    Broken(E),
}

impl Part {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }
}

impl Budget {
    pub fn new(bytes: usize) -> Self {
        let Part(whole) = Part::new(bytes);
        Self { whole, part: None }
    }

    /// The same budget, of which at most `part` can be taken.
    #[cfg(feature = "service")]
    pub fn within(&self, part: Option<&Part>) -> Self {
        Self { whole: Arc::clone(&self.whole), part: part.cloned() }
    }

    /// Enlarges `share` by `bytes`. Returns `false` and takes nothing if that exceeds the budget.
    pub fn enlarge(&self, share: &mut Share, bytes: usize) -> bool {
        self.take(share, bytes).is_some()
    }

    fn take(&self, share: &mut Share, bytes: usize) -> Option<()> {
        let bytes = u32::try_from(bytes).ok()?;
        let take = |from: &Arc<Semaphore>| Arc::clone(from).try_acquire_many_owned(bytes).ok();
        let part = match &self.part {
            Some(Part(part)) => Some(take(part)?),
            None => None,
        };
        let whole = take(&self.whole)?;
        merge(&mut share.of_whole, whole);
        if let Some(part) = part {
            merge(&mut share.of_part, part);
        }
        Some(())
    }
}

fn merge(held: &mut Option<OwnedSemaphorePermit>, more: OwnedSemaphorePermit) {
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a body of at most `limit` bytes, counting what has arrived against `budget`.
pub(crate) async fn read<B: Body<Data = Bytes>>(
    body: B,
    limit: usize,
    budget: &Budget,
) -> Result<Counted, BodyError<B::Error>> {
    let mut body = pin!(body);
    // A body that declares a larger size is not read at all.
    if usize::try_from(body.size_hint().lower()).map_or(true, |declared| declared > limit) {
        return Err(BodyError::TooLarge);
    }
    let mut read = Counted { bytes: Vec::new(), share: Share::default() };
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        if read.bytes.len() + data.len() > limit {
            return Err(BodyError::TooLarge);
        }
        if !budget.enlarge(&mut read.share, data.len()) {
            return Err(BodyError::Exhausted);
        }
        read.bytes.extend_from_slice(&data);
    }
    Ok(read)
}

/// Whether the headers declare [`MEDIA_TYPE`]. Parameters of the media type are ignored.
pub(crate) fn has_media_type(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(header::CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    let essence = kind.split_once(';').map_or(kind, |(essence, _)| essence);
    essence.trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_taken_from_the_whole_and_all_of_it_given_back() {
        let whole = Budget::new(10);
        let part = Part::new(6);
        let mut share = Share::default();
        assert!(whole.within(Some(&part)).enlarge(&mut share, 4));
        assert!(!whole.within(Some(&part)).enlarge(&mut share, 3), "over the part");
        assert!(whole.within(Some(&part)).enlarge(&mut share, 2));
        let (mut other, rest) = (Share::default(), Part::new(100));
        assert!(!whole.within(Some(&rest)).enlarge(&mut other, 5), "over the whole");
        assert!(whole.within(Some(&rest)).enlarge(&mut other, 4));
        drop((share, other));
        assert!(whole.enlarge(&mut Share::default(), 10));
        assert!(whole.within(Some(&part)).enlarge(&mut Share::default(), 6));
        assert!(whole.within(Some(&rest)).enlarge(&mut Share::default(), 10), "a refusal takes nothing");
    }
}
