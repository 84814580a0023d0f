//! HTTP bodies, each read within a limit and all within a budget of memory (PROTOCOL.md §5, Limits and
//! timeouts).

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
    total: Arc<Semaphore>,
    quota: Quota,
}

/// The most that one of many holders may take of a budget: alone, and together with others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quota(Vec<Arc<Semaphore>>);

/// Bytes taken from a budget, returned on drop.
#[derive(Debug, Default)]
pub(crate) struct Reservation {
    total: Option<OwnedSemaphorePermit>,
    quota: Vec<OwnedSemaphorePermit>,
}

/// Bytes that count against a budget for as long as they are in memory.
#[derive(Debug)]
pub(crate) struct Counted {
    pub bytes: Vec<u8>,
    pub reservation: Reservation,
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

#[cfg(feature = "server")]
impl Quota {
    pub fn new(bytes: usize) -> Self {
        Self(vec![bytes_of(bytes)])
    }

    /// Adds what this holder and others may take together.
    pub fn share(&mut self, together: &Self) {
        self.0.extend(together.0.iter().cloned());
    }
}

impl Budget {
    pub fn new(bytes: usize) -> Self {
        Self { total: bytes_of(bytes), quota: Quota::default() }
    }

    /// The same budget, of which at most `quota` can be taken.
    #[cfg(feature = "service")]
    pub fn within(&self, quota: Option<&Quota>) -> Self {
        Self { total: Arc::clone(&self.total), quota: quota.cloned().unwrap_or_default() }
    }

    /// Grows `reservation` by `bytes`. Returns `false` and takes nothing if that exceeds the budget.
    pub fn grow(&self, reservation: &mut Reservation, bytes: usize) -> bool {
        self.take(reservation, bytes).is_some()
    }

    fn take(&self, reservation: &mut Reservation, bytes: usize) -> Option<()> {
        let bytes = u32::try_from(bytes).ok()?;
        let take = |from: &Arc<Semaphore>| Arc::clone(from).try_acquire_many_owned(bytes).ok();
        let quota = self.quota.0.iter().map(take).collect::<Option<Vec<_>>>()?;
        let total = take(&self.total)?;
        match &mut reservation.total {
            Some(held) => held.merge(total),
            None => reservation.total = Some(total),
        }
        if reservation.quota.is_empty() {
            reservation.quota = quota;
        } else {
            reservation.quota.iter_mut().zip(quota).for_each(|(held, more)| held.merge(more));
        }
        Some(())
    }
}

fn bytes_of(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)))
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
    let mut read = Counted { bytes: Vec::new(), reservation: Reservation::default() };
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        if read.bytes.len() + data.len() > limit {
            return Err(BodyError::TooLarge);
        }
        if !budget.grow(&mut read.reservation, data.len()) {
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
    fn a_quota_is_taken_from_the_budget_and_returned() {
        let total = Budget::new(10);
        let quota = Quota::new(6);
        let mut reservation = Reservation::default();
        assert!(total.within(Some(&quota)).grow(&mut reservation, 4));
        assert!(!total.within(Some(&quota)).grow(&mut reservation, 3), "over the quota");
        assert!(total.within(Some(&quota)).grow(&mut reservation, 2));
        let (mut other, rest) = (Reservation::default(), Quota::new(100));
        assert!(!total.within(Some(&rest)).grow(&mut other, 5), "over the total");
        assert!(total.within(Some(&rest)).grow(&mut other, 4));
        drop((reservation, other));
        assert!(total.grow(&mut Reservation::default(), 10));
        assert!(total.within(Some(&quota)).grow(&mut Reservation::default(), 6));
        assert!(total.within(Some(&rest)).grow(&mut Reservation::default(), 10), "a refusal takes nothing");
    }

    #[test]
    fn holders_that_share_take_no_more_together_than_their_share() {
        let (total, together) = (Budget::new(100), Quota::new(10));
        let [one, other] = [6, 6].map(|bytes| {
            let mut quota = Quota::new(bytes);
            quota.share(&together);
            total.within(Some(&quota))
        });
        let (mut first, mut second) = (Reservation::default(), Reservation::default());
        assert!(one.grow(&mut first, 3) && one.grow(&mut first, 3));
        assert!(!one.grow(&mut first, 1), "over its own");
        assert!(!other.grow(&mut second, 5), "over what both may take");
        assert!(other.grow(&mut second, 4));
        drop(first);
        assert!(other.grow(&mut second, 2), "all of it is returned");
    }
}
