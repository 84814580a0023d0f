//! PROTOCOL.md §6, §7 — pools: packages that a client publishes and others are handed, each once, the last one
//! again and again.
//!
//! One mechanism for the connection packages of the authentication service and the key packages of the queuing
//! service. A head row counts; each package is a row of its own. Numbers go on when a pool is replaced, so that
//! a name never stands for two packages.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::Codec,
    error::Refusal,
    operation::{Interrupt, Transaction},
    rng::Random,
    store::{Key, Record},
};

/// Which packages there are: the numbers from `next` to `last`.
#[derive(Debug, Clone, Copy, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct PoolHead {
    next: u64,
    last: u64,
}

impl PoolHead {
    /// What may be handed out next. Packages that were published together expire together: past the first few,
    /// only the last is worth a look.
    fn candidates(&self) -> impl Iterator<Item = u64> + use<> {
        (self.next..self.last).take(LOOK_AHEAD).chain([self.last])
    }
}

/// Which records a kind of pool is kept in.
pub(crate) trait Pool {
    /// What names a pool.
    type Name: Codec + Clone;
    /// The row with the head.
    type Head: Record<Name = Self::Name> + Into<PoolHead> + From<PoolHead>;
    /// A row with a package.
    type Package: Record<Name = PackageName<Self::Name>>;
}

/// Names a package of a pool.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct PackageName<N: Codec> {
    /// The pool.
    pub pool: N,
    /// The package.
    pub number: u64,
}

fn name_of<N: Codec + Clone>(pool: &N, number: u64) -> PackageName<N> {
    PackageName { pool: pool.clone(), number }
}

/// Replaces all packages of a pool. `contents` come in the order in which they are handed out; there is at least
/// one, and the last one stays. `seal` makes the row of each.
pub(crate) fn replace<P: Pool, C>(
    transaction: &mut Transaction<'_>,
    pool: &P::Name,
    contents: &[C],
    mut seal: impl FnMut(&mut Random, &PackageName<P::Name>, &C) -> Result<P::Package, Refusal>,
) -> Result<(), Interrupt> {
    let old: Option<PoolHead> = transaction.get::<P::Head>(pool)?.map(Into::into);
    let next = old.map_or(0, |old| old.last + 1);
    for number in old.map_or(0..0, |old| old.next..old.last + 1) {
        transaction.delete::<P::Package>(&name_of(pool, number));
    }
    for (number, content) in (next..).zip(contents) {
        let name = name_of(pool, number);
        let package = seal(transaction.random(), &name, content)?;
        transaction.put(&name, &package);
    }
    let last = next + contents.len().saturating_sub(1) as u64;
    transaction.put(pool, &P::Head::from(PoolHead { next, last }));
    Ok(())
}

/// Hands out the next package that is still good, consuming it and those before it unless it is the last.
/// `open` gives a package's content, or nothing if it has expired. `None` if there is nothing good.
pub(crate) fn take<P: Pool, C>(
    transaction: &mut Transaction<'_>,
    pool: &P::Name,
    open: impl Fn(&PackageName<P::Name>, P::Package) -> Result<Option<C>, Refusal>,
) -> Result<Option<C>, Interrupt> {
    load::<P>(transaction, std::slice::from_ref(pool))?;
    let Some(head) = transaction.get::<P::Head>(pool)? else { return Ok(None) };
    let head @ PoolHead { next, last } = head.into();
    for number in head.candidates() {
        let name = name_of(pool, number);
        let damaged = Refusal::StoredData { kind: P::Package::KIND as u8 };
        let package = transaction.get::<P::Package>(&name)?.ok_or(damaged)?;
        let Some(content) = open(&name, package)? else { continue };
        let consumed = next..(number + 1).min(last);
        if !consumed.is_empty() {
            for number in consumed.clone() {
                transaction.delete::<P::Package>(&name_of(pool, number));
            }
            transaction.put(pool, &P::Head::from(PoolHead { next: consumed.end, last }));
        }
        return Ok(Some(content));
    }
    Ok(None)
}

/// Reads all that [`take`] may look at in these pools, in two rounds however many pools there are.
pub(crate) fn load<P: Pool>(transaction: &mut Transaction<'_>, pools: &[P::Name]) -> Result<(), Interrupt> {
    transaction.load(pools.iter().map(Key::of::<P::Head>))?;
    let mut packages = Vec::new();
    for pool in pools {
        let head: Option<PoolHead> = transaction.get::<P::Head>(pool)?.map(Into::into);
        let numbers = head.iter().flat_map(PoolHead::candidates);
        packages.extend(numbers.map(|number| Key::of::<P::Package>(&name_of(pool, number))));
    }
    transaction.load(packages)
}

/// So many expired packages are passed over.
const LOOK_AHEAD: usize = 4;

/// Declares the head of a kind of pool.
macro_rules! pool {
    ($(#[$meta:meta])* $pool:ident, $name:ty, $head:ident, $package:ty) => {
        #[derive(Debug, tls_codec::TlsSize, tls_codec::TlsSerialize, tls_codec::TlsDeserializeBytes)]
        struct $head(crate::collections::pool::PoolHead);

        impl crate::store::Record for $head {
            type Name = $name;
            const KIND: crate::store::RecordKind = crate::store::RecordKind::$head;
        }
        impl From<crate::collections::pool::PoolHead> for $head {
            fn from(head: crate::collections::pool::PoolHead) -> Self {
                Self(head)
            }
        }
        impl From<$head> for crate::collections::pool::PoolHead {
            fn from(head: $head) -> Self {
                head.0
            }
        }

        $(#[$meta])*
        enum $pool {}

        impl crate::collections::pool::Pool for $pool {
            type Name = $name;
            type Head = $head;
            type Package = $package;
        }
    };
}
pub(crate) use pool;
