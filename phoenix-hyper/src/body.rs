//! Bodies, read within a limit each and a budget for all of them.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::{
    HeaderMap,
    body::{Body, Bytes},
    header,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The media type of requests and answers.
pub const MEDIA_TYPE: &str = "application/vnd.phoenix";

/// Bytes that may be in memory at once.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    whole: Arc<Semaphore>,
    part: Option<Part>,
}

/// What one of many may take of a budget.
#[derive(Debug, Clone)]
pub(crate) struct Part(Arc<Semaphore>);

/// Bytes taken from a budget, given back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share(Option<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)>);

/// Bytes that count against a budget for as long as they are there.
#[derive(Debug)]
pub(crate) struct Counted {
    pub bytes: Vec<u8>,
    pub share: Share,
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is larger than the limit.
    TooLarge,
    /// Too much is in memory just now.
    Exhausted,
    /// The connection broke, or what came was no body.
    Broken(hyper::Error),
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

    /// The budget, of which no more than `part` can be taken.
    pub fn within(&self, part: Option<&Part>) -> Self {
        Self { whole: Arc::clone(&self.whole), part: part.cloned() }
    }

    /// Enlarges `share` by `bytes`, if there is as much.
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
        match &mut share.0 {
            Some((of_whole, of_part)) => {
                of_whole.merge(whole);
                if let (Some(held), Some(more)) = (of_part, part) {
                    held.merge(more);
                }
            }
            None => share.0 = Some((whole, part)),
        }
        Some(())
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a body of at most `limit` bytes, counting what has come against `budget`.
pub(crate) async fn read<B>(mut body: B, limit: usize, budget: &Budget) -> Result<Counted, BodyError>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    // What is declared too large is not read at all.
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

/// Whether the headers say that the body is of our media type. Parameters do not matter.
pub(crate) fn is_ours(headers: &HeaderMap) -> bool {
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
