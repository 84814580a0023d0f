//! PROTOCOL.md §7, Key packages — pools: packages that a client publishes and others are handed, each once,
//! the last one again and again.
//!
//! One mechanism for the connection packages of the authentication service and the key packages of the
//! queuing service. A head row counts; each package is a row of its own. Numbers go on when a pool is
//! replaced, so that a name never stands for two packages.

use std::marker::PhantomData;

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::Codec,
    config::Plant,
    error::Refusal,
    operation::{Interrupt, Transaction},
    rng::Random,
    store::{Key, Record, RecordKind},
};

/// A kind of pool.
pub(crate) trait Pool {
    /// What names a pool of this kind.
    type Name: Codec + Clone;
    /// A package as it is stored.
    type Content: Codec;

    /// The kind of its head's row.
    const HEAD: RecordKind;
    /// The kind of its packages' rows.
    const PACKAGE: RecordKind;
}

/// Which packages there are: the numbers from `next` to `last`.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Head<P: Pool> {
    next: u64,
    last: u64,
    kind: PhantomData<P>,
}

impl<P: Pool> Record for Head<P> {
    type Name = P::Name;
    const KIND: RecordKind = P::HEAD;
}

impl<P: Pool> Head<P> {
    /// The packages that may be handed out next. Packages that were published together expire together: past
    /// the first few, only the last is worth a look.
    fn candidates(&self) -> impl Iterator<Item = u64> + use<P> {
        (self.next..self.last).take(LOOK_AHEAD).chain([self.last])
    }
}

/// At most this many expired packages are passed over.
const LOOK_AHEAD: usize = 4;

/// A package of a pool.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Package<P: Pool> {
    content: P::Content,
    kind: PhantomData<P>,
}

impl<P: Pool> Record for Package<P> {
    type Name = PackageName<P::Name>;
    const KIND: RecordKind = P::PACKAGE;
}

/// Names a package of a pool.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct PackageName<N: Codec> {
    /// The pool.
    pub pool: N,
    /// The package.
    pub number: u64,
}

impl<N: Codec + Clone> PackageName<N> {
    fn new(pool: &N, number: u64) -> Self {
        Self { pool: pool.clone(), number }
    }
}

/// The row of a package.
pub(crate) fn package_row<P: Pool>(name: &PackageName<P::Name>) -> Key {
    Key::of::<Package<P>>(name)
}

/// Replaces all packages of a pool. `packages` come in the order in which they are handed out; there is at
/// least one, and the last one stays. `store` makes what is stored of each.
///
/// # Errors
/// [`Interrupt`]; the refusal that `store` returns.
pub(crate) fn replace<P: Pool, C>(
    transaction: &mut Transaction<'_>,
    pool: &P::Name,
    packages: &[C],
    mut store: impl FnMut(&mut Random, &PackageName<P::Name>, &C) -> Result<P::Content, Refusal>,
) -> Result<(), Interrupt> {
    let old: Option<Head<P>> = transaction.get(pool)?;
    let old = old.map_or(0..0, |old| old.next..old.last + 1);
    let next = old.end;
    for number in old {
        transaction.delete::<Package<P>>(&PackageName::new(pool, number));
    }
    for (number, package) in (next..).zip(packages) {
        let name = PackageName::new(pool, number);
        let content = store(transaction.random(), &name, package)?;
        transaction.put(&name, &Package::<P> { content, kind: PhantomData });
    }
    let last = next + packages.len().saturating_sub(1) as u64;
    transaction.put(pool, &Head::<P> { next, last, kind: PhantomData });
    Ok(())
}

/// Hands out the next package that is still good, consuming it and those before it unless it is the last.
/// `open` returns a package's content, or nothing if it has expired. `None` if there is nothing good.
///
/// # Errors
/// [`Interrupt`]; refuses with [`Refusal::StoredData`] if a package is missing; the refusal that `open`
/// returns.
pub(crate) fn take<P: Pool, C>(
    transaction: &mut Transaction<'_>,
    pool: &P::Name,
    open: impl Fn(&PackageName<P::Name>, P::Content) -> Result<Option<C>, Refusal>,
) -> Result<Option<C>, Interrupt> {
    load::<P>(transaction, std::slice::from_ref(pool))?;
    let Some(head) = transaction.get::<Head<P>>(pool)? else { return Ok(None) };
    for number in head.candidates() {
        let name = PackageName::new(pool, number);
        let package = transaction.get::<Package<P>>(&name)?;
        let package = package.ok_or(Refusal::StoredData { kind: P::PACKAGE as u8 })?;
        let Some(content) = open(&name, package.content)? else { continue };
        let consumed = head.next..(number + 1).min(head.last);
        if !consumed.is_empty() {
            let stay = transaction.planted(Plant::KeepPackage);
            for number in consumed.clone().filter(|_| !stay) {
                transaction.delete::<Package<P>>(&PackageName::new(pool, number));
            }
            transaction.put(pool, &Head::<P> { next: consumed.end, ..head });
        }
        return Ok(Some(content));
    }
    Ok(None)
}

/// Reads all that [`take`] may look at in these pools, in two rounds however many pools there are.
///
/// # Errors
/// [`Interrupt`]; refuses with [`Refusal::StoredData`] if a head is damaged.
pub(crate) fn load<P: Pool>(transaction: &mut Transaction<'_>, pools: &[P::Name]) -> Result<(), Interrupt> {
    transaction.load(pools.iter().map(Key::of::<Head<P>>))?;
    let mut packages = Vec::new();
    for pool in pools {
        let head: Option<Head<P>> = transaction.get(pool)?;
        let numbers = head.iter().flat_map(Head::candidates);
        packages.extend(numbers.map(|number| package_row::<P>(&PackageName::new(pool, number))));
    }
    transaction.load(packages)
}
