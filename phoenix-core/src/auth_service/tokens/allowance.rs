//! PROTOCOL.md §6, Allowance — how many tokens a client, a domain and all new domains together get.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{decode, encode},
    config::Plant,
    crypto::{
        kdf::{self, Hash},
        labels::Label,
    },
    error::Refusal,
    identifiers::{ClientId, Domain},
    operation::{Context, Interrupt, Transaction},
    rates::Window,
    store::{Key, Record, RecordKind},
};

/// Tokens issued in a time frame.
type Issued = Window<u64>;

/// Counts `count` tokens, unless that makes more than `limit` in this time frame.
fn count_issued(context: &Context, issued: &mut Issued, count: u64, limit: u64) -> Result<(), Refusal> {
    let frame = context.config().rates.token_time_frame;
    issued.take(context.now(), frame, count, limit).map_err(Refusal::rate_limited)
}

/// What was issued to one client.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct ClientAllowance(Issued);

impl Record for ClientAllowance {
    type Name = Hash;
    const KIND: RecordKind = RecordKind::ClientAllowance;
}

/// What was issued to the clients of a registrable domain.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct DomainAllowance {
    /// The day on which the domain was first seen.
    since: u32,
    issued: Issued,
}

impl Record for DomainAllowance {
    type Name = Domain;
    const KIND: RecordKind = RecordKind::DomainAllowance;
}

/// What was issued to the clients of all domains that are new.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct NewDomainAllowance(Issued);

impl Record for NewDomainAllowance {
    type Name = ();
    const KIND: RecordKind = RecordKind::NewDomainAllowance;
}

/// The rows that [`take`] reads.
pub(super) fn rows(context: &Context, client: &ClientId) -> Vec<Key> {
    let mut rows = vec![Key::of::<ClientAllowance>(&client_row(client))];
    let domain = &client.user_id.domain;
    if domain != context.domain() {
        rows.push(Key::of::<DomainAllowance>(&domain.registrable()));
        rows.push(Key::of::<NewDomainAllowance>(&()));
    }
    rows
}

/// Takes `count` tokens off the allowance of `client` and, if it is a client of another homeserver, of its
/// domain.
///
/// # Errors
/// Refuses with [`Refusal::RateLimited`] if one of them does not suffice; then nothing is taken.
pub(super) fn take(
    transaction: &mut Transaction<'_>,
    client: &ClientId,
    count: u64,
) -> Result<(), Interrupt> {
    let rates = &transaction.config().rates;
    let name = client_row(client);
    let ClientAllowance(mut issued) = transaction.get(&name)?.unwrap_or_default();
    count_issued(transaction.context(), &mut issued, count, rates.token_allowance)?;
    let domain = &client.user_id.domain;
    if domain != transaction.domain() {
        take_from_domain(transaction, &domain.registrable(), count)?;
    }
    if !transaction.planted(Plant::UncountedClient) {
        transaction.put(&name, &ClientAllowance(issued));
    }
    Ok(())
}

/// Whether the time frame that the client's allowance counts in is over.
pub(crate) fn is_over(transaction: &mut Transaction<'_>, key: &Key) -> Result<bool, Interrupt> {
    let Ok(name) = decode::<Hash>(key.name()) else { return Ok(false) };
    let (now, frame) = (transaction.now(), transaction.config().rates.token_time_frame);
    let over = |row: Option<ClientAllowance>| row.is_some_and(|row| row.0.is_over(now, frame));
    if !over(transaction.snapshot().read(&name)?.intact()) {
        return Ok(false);
    }
    Ok(over(transaction.read(&name)?.intact()))
}

/// Slow start: a domain's allowance grows with the days for which it is known. In its first days it also
/// shares a pool with all others that are new, so that newcomers, however many, never starve the established
/// domains.
fn take_from_domain(transaction: &mut Transaction<'_>, domain: &Domain, count: u64) -> Result<(), Interrupt> {
    let rates = &transaction.config().rates;
    let today = transaction.now().day();
    let row: Option<DomainAllowance> = transaction.get(domain)?;
    let mut row = row.unwrap_or(DomainAllowance { since: today, issued: Issued::default() });
    // A day to come was noted while a clock was wrong.
    row.since = row.since.min(today);
    let days = u64::from(today.saturating_sub(row.since));
    let limit = rates.domain_first_day.saturating_mul(days + 1).min(rates.domain_limit);
    count_issued(transaction.context(), &mut row.issued, count, limit)?;
    if days < NEW_FOR_DAYS {
        let NewDomainAllowance(mut shared) = transaction.get(&())?.unwrap_or_default();
        count_issued(transaction.context(), &mut shared, count, rates.new_domains)?;
        if !transaction.planted(Plant::UncountedNewDomains) {
            transaction.put(&(), &NewDomainAllowance(shared));
        }
    }
    if !transaction.planted(Plant::UncountedDomain) {
        transaction.put(domain, &row);
    }
    Ok(())
}

/// How long a domain counts as new.
const NEW_FOR_DAYS: u64 = 7;

/// Names a client's row without telling which client it is.
fn client_row(client: &ClientId) -> Hash {
    kdf::hash(Label::ROW_NAME, &[&encode(client)])
}
