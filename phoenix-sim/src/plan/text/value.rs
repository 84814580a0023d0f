//! From parsed TOML to values, with the place of every error, and durations as text.

use std::slice;

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::{SeqDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};
use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use super::error::PlanError;
use crate::plan::durations;

/// A parsed value and its place in the text.
#[derive(Clone, Copy)]
pub struct Parsed<'a, 'i> {
    value: &'a DeValue<'i>,
    offset: usize,
}

impl<'a, 'i> Parsed<'a, 'i> {
    pub fn new(value: &'a Spanned<DeValue<'i>>) -> Self {
        Self { value: value.get_ref(), offset: value.span().start }
    }
}

impl<'de> Deserializer<'de> for Parsed<'_, '_> {
    type Error = PlanError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PlanError> {
        let visited = match self.value {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(integer) => visit_integer(integer, visitor),
            DeValue::Float(float) => {
                float.as_str().parse().map_err(PlanError::new).and_then(|float| visitor.visit_f64(float))
            }
            DeValue::Boolean(boolean) => visitor.visit_bool(*boolean),
            DeValue::Datetime(_) => Err(PlanError::new("no field of a plan is a date")),
            DeValue::Array(items) => visitor.visit_seq(Items { items: items.iter(), next: 0 }),
            DeValue::Table(table) => {
                visitor.visit_map(Fields { fields: fields(table).into_iter(), value: None })
            }
        };
        visited.map_err(|error| error.at(self.offset))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PlanError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PlanError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PlanError> {
        match self.value {
            DeValue::String(text) if name == "Duration" => {
                let duration = durations::parse(text).ok_or_else(|| {
                    let message = format!("{text:?} is no duration such as \"82.5s\", \"3m\" or \"20ms\"");
                    PlanError::new(message).at(self.offset)
                })?;
                let parts = [duration.as_secs(), u64::from(duration.subsec_nanos())];
                visitor.visit_seq(SeqDeserializer::new(parts.into_iter()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PlanError> {
        let visited = match self.value {
            DeValue::String(text) => {
                let name: StrDeserializer<'_, PlanError> = text.as_ref().into_deserializer();
                visitor.visit_enum(name)
            }
            DeValue::Table(table) if table.len() == 1 => match fields(table).pop() {
                Some((name, value)) => visitor.visit_enum(Variant { name, value }),
                None => Err(PlanError::new("an empty table")),
            },
            _ => Err(PlanError::new("expected a name, or one name with what belongs to it")),
        };
        visited.map_err(|error| error.at(self.offset))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

fn visit_integer<'de, V: Visitor<'de>>(integer: &DeInteger<'_>, visitor: V) -> Result<V::Value, PlanError> {
    match i128::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(number) => match (u64::try_from(number), i64::try_from(number)) {
            (Ok(number), _) => visitor.visit_u64(number),
            (_, Ok(number)) => visitor.visit_i64(number),
            _ => Err(PlanError::new("the number has too many digits")),
        },
        Err(error) => Err(PlanError::new(error)),
    }
}

/// A name in a table, and its place.
struct Name<'a> {
    name: &'a str,
    offset: usize,
}

/// Returns the fields of a table in the order of the text.
fn fields<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(Name<'a>, Parsed<'a, 'i>)> {
    let fields = table.iter().map(|(name, value)| {
        let name = Name { offset: name.span().start, name: name.get_ref() };
        (name, Parsed::new(value))
    });
    fields.collect()
}

struct Items<'a, 'i> {
    items: slice::Iter<'a, Spanned<DeValue<'i>>>,
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = PlanError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, PlanError> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let name = format!("[{}]", self.next);
        self.next += 1;
        seed.deserialize(Parsed::new(item)).map(Some).map_err(|error| error.within(name))
    }
}

struct Fields<'a, 'i, I: Iterator<Item = (Name<'a>, Parsed<'a, 'i>)>> {
    fields: I,
    /// The value of the name that was returned last.
    value: Option<(Name<'a>, Parsed<'a, 'i>)>,
}

impl<'a, 'i, 'de, I: Iterator<Item = (Name<'a>, Parsed<'a, 'i>)>> MapAccess<'de> for Fields<'a, 'i, I> {
    type Error = PlanError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, PlanError> {
        let Some((name, value)) = self.fields.next() else { return Ok(None) };
        let key: StrDeserializer<'_, PlanError> = name.name.into_deserializer();
        let offset = name.offset;
        self.value = Some((name, value));
        seed.deserialize(key).map(Some).map_err(|error| error.at(offset))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, PlanError> {
        let (name, value) = self.value.take().ok_or_else(|| PlanError::custom("a value before its name"))?;
        seed.deserialize(value).map_err(|error| error.at(value.offset).within(name.name.to_owned()))
    }
}

/// An alternative with what belongs to it.
struct Variant<'a, 'i> {
    name: Name<'a>,
    value: Parsed<'a, 'i>,
}

impl<'de, 'a, 'i> EnumAccess<'de> for Variant<'a, 'i> {
    type Error = PlanError;
    type Variant = Content<'a, 'i>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), PlanError> {
        let key: StrDeserializer<'_, PlanError> = self.name.name.into_deserializer();
        let variant = seed.deserialize(key).map_err(|error| error.at(self.name.offset))?;
        Ok((variant, Content { name: self.name.name, value: self.value }))
    }
}

/// What belongs to an alternative.
struct Content<'a, 'i> {
    name: &'a str,
    value: Parsed<'a, 'i>,
}

impl<'de> VariantAccess<'de> for Content<'_, '_> {
    type Error = PlanError;

    fn unit_variant(self) -> Result<(), PlanError> {
        let message = format!("\"{}\" stands alone: nothing belongs to it", self.name);
        Err(PlanError::new(message).at(self.value.offset))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, PlanError> {
        seed.deserialize(self.value).map_err(|error| error.within(self.name.to_owned()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, PlanError> {
        self.value.deserialize_any(visitor).map_err(|error| error.within(self.name.to_owned()))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PlanError> {
        self.value.deserialize_any(visitor).map_err(|error| error.within(self.name.to_owned()))
    }
}
