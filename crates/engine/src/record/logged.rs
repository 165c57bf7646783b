//! How values are written to the log and read back without copying.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Logged;

const PATH: &str = "$path";
const MAP: &str = "$map";

impl Serialize for Logged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Logged::Null => serializer.serialize_unit(),
            Logged::Bool(b) => serializer.serialize_bool(*b),
            Logged::Int(i) => serializer.serialize_i64(*i),
            Logged::Float(x) => serializer.serialize_f64(*x),
            Logged::Text(text) => serializer.serialize_str(text),
            Logged::List(items) => serializer.collect_seq(items),
            Logged::Path(path) => single(serializer, PATH, path),
            Logged::Map(entries) => single(serializer, MAP, entries),
        }
    }
}

fn single<S: Serializer>(serializer: S, key: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

impl<'de: 'a, 'a> Deserialize<'de> for Logged<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Logged<'a>, D::Error> {
        deserializer.deserialize_any(Reader).map(shorten)
    }
}

/// The value with the shorter lifetime that the caller wants.
fn shorten<'long: 'short, 'short>(value: Logged<'long>) -> Logged<'short> {
    value
}

/// Text that borrows where the input has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Logged<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the log")
    }

    fn visit_unit<E>(self) -> Result<Logged<'de>, E> {
        Ok(Logged::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Logged<'de>, E> {
        Ok(Logged::Bool(b))
    }

    fn visit_i64<E>(self, i: i64) -> Result<Logged<'de>, E> {
        Ok(Logged::Int(i))
    }

    fn visit_u64<E>(self, u: u64) -> Result<Logged<'de>, E> {
        Ok(i64::try_from(u).map_or(Logged::Float(u as f64), Logged::Int))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Logged<'de>, E> {
        Ok(Logged::Float(x))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Logged<'de>, E> {
        Ok(Logged::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Logged<'de>, E> {
        Ok(Logged::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Logged<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Logged::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Logged<'de>, A::Error> {
        match map.next_key::<Text<'de>>()? {
            Some(Text(key)) if key == PATH => Ok(Logged::Path(map.next_value::<Text<'de>>()?.0)),
            Some(Text(key)) if key == MAP => Ok(Logged::Map(map.next_value()?)),
            _ => Err(A::Error::custom("a mapping of the log is neither a path nor a map")),
        }
    }
}
