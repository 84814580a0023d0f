//! PROTOCOL.md §11.15 — how fields are encoded that have no encoding of the protocol's: texts and flags.

/// A text: its bytes in UTF-8, with their length in front.
pub(super) mod text {
    use std::{borrow::Cow, io::Write};

    use tls_codec::{DeserializeBytes, Error, Serialize, Size};

    use crate::codec::Bytes;

    /// The longest text that is kept.
    const LONGEST: usize = 4096;

    fn kept(text: &str) -> Bytes<LONGEST> {
        let end = text.floor_char_boundary(LONGEST);
        Bytes::new(text.as_bytes()[..end].to_vec()).unwrap_or_default()
    }

    pub fn tls_serialized_len(text: &str) -> usize {
        kept(text).tls_serialized_len()
    }

    pub fn tls_serialize<W: Write>(text: &str, writer: &mut W) -> Result<usize, Error> {
        kept(text).tls_serialize(writer)
    }

    pub fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Cow<'static, str>, &[u8]), Error> {
        let (text, rest) = Bytes::<LONGEST>::tls_deserialize_bytes(bytes)?;
        let text = String::from_utf8(text.into_vec()).map_err(|_| Error::InvalidInput)?;
        Ok((Cow::Owned(text), rest))
    }
}

/// Yes or no.
pub(super) mod flag {
    use std::io::Write;

    use tls_codec::{DeserializeBytes, Error, Serialize, Size};

    use crate::codec::Flag;

    pub fn tls_serialized_len(flag: &bool) -> usize {
        Flag::from(*flag).tls_serialized_len()
    }

    pub fn tls_serialize<W: Write>(flag: &bool, writer: &mut W) -> Result<usize, Error> {
        Flag::from(*flag).tls_serialize(writer)
    }

    pub fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(bool, &[u8]), Error> {
        let (flag, rest) = Flag::tls_deserialize_bytes(bytes)?;
        Ok((flag.into(), rest))
    }
}
