//! The table of docs/config.md is complete: every property that the specification's own schema has, and every one that
//! the types of the `oci-spec` crate have, is in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use oci_spec::runtime;
use qemu_tests::{cache, debian};
use serde_json::Value;

/// Of other platforms there is one line for all that they have.
const OTHER_PLATFORMS: [&str; 5] = ["windows", "solaris", "vm", "zos", "freebsd"];

fn table() -> BTreeSet<String> {
    let text = fs::read_to_string(cache::repository().join("docs/config.md")).unwrap();
    let rows = text.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()));
    rows.collect()
}

/// Fails if a property is not in the table.
fn assert_known(found: &BTreeSet<String>, whose: &str) {
    let table = table();
    let is_other = |path: &String| OTHER_PLATFORMS.iter().any(|platform| path.starts_with(platform));
    let missing: Vec<_> = found.iter().filter(|path| !is_other(path) && !table.contains(*path)).collect();
    assert!(missing.is_empty(), "{whose} has what docs/config.md has not: {missing:#?}");
    for platform in OTHER_PLATFORMS {
        assert!(table.contains(platform), "{platform}");
    }
    assert!(found.len() > 100, "{whose}: only {} properties", found.len());
}

/// The schema that Debian ships, unpacked; none without the package archives.
fn schema() -> Option<PathBuf> {
    let package = "golang-github-opencontainers-specs-dev";
    match debian::unpacked(package) {
        Ok(root) => Some(root.join("usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema")),
        Err(error) => {
            eprintln!("\n\nSKIPPED: the specification's schema: {error:#}\n\n");
            None
        }
    }
}

#[test]
fn every_property_of_the_schema_that_debian_ships_is_in_the_table() -> Result<()> {
    let Some(folder) = schema() else { return Ok(()) };
    let mut found = BTreeSet::new();
    let file = folder.join("config-schema.json");
    walk(&file, &read(&file)?, "", &mut found)?;
    assert_known(&found, "the schema");
    Ok(())
}

fn read(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

/// Collects the paths of all properties that hold no others.
fn walk(file: &Path, schema: &Value, path: &str, found: &mut BTreeSet<String>) -> Result<()> {
    if let Some(reference) = schema["$ref"].as_str() {
        let (name, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let file = if name.is_empty() { file.to_owned() } else { file.with_file_name(name) };
        let text = read(&file)?;
        let target = text.pointer(pointer).with_context(|| format!("{}: no {reference}", file.display()))?;
        return walk(&file, target, path, found);
    }
    let before = found.len();
    let mut deeper = false;
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        deeper = true;
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if !OTHER_PLATFORMS.contains(&path.as_str()) {
            walk(file, member, &path, found)?;
        }
    }
    if schema["items"].is_object() {
        deeper = true;
        walk(file, &schema["items"], &format!("{path}[]"), found)?;
    }
    if schema["additionalProperties"].is_object() {
        deeper = true;
        walk(file, &schema["additionalProperties"], &format!("{path}.*"), found)?;
    }
    for (_, member) in schema["patternProperties"].as_object().into_iter().flatten() {
        deeper = true;
        walk(file, member, &format!("{path}.*"), found)?;
    }
    for choice in ["anyOf", "allOf", "oneOf"] {
        for member in schema[choice].as_array().into_iter().flatten() {
            // A choice of plain values leads no deeper.
            if member["$ref"].is_string() || member["type"] == "object" || member["type"] == "array" {
                deeper = true;
                walk(file, member, path, found)?;
            }
        }
    }
    if !deeper && !path.is_empty() && before == found.len() {
        found.insert(path.to_owned());
    }
    Ok(())
}

#[test]
fn every_property_of_the_oci_spec_crates_types_is_in_the_table() -> Result<()> {
    let full = filled::value::<runtime::Spec>()?;
    let mut found = BTreeSet::new();
    collect(&serde_json::to_value(full)?, "", &mut found);
    // The crate's own: mappings beside those of `mounts` and `linux`, and two names spelled otherwise.
    found.retain(|path| !path.starts_with("uidMappings") && !path.starts_with("gidMappings"));
    for (theirs, ours) in [("enableCmt", "enableCMT"), ("enableMbm", "enableMBM")] {
        if found.remove(&format!("linux.intelRdt.{theirs}")) {
            found.insert(format!("linux.intelRdt.{ours}"));
        }
    }
    assert_known(&found, "the crate oci-spec");
    Ok(())
}

/// Collects the paths of all values that hold no others.
fn collect(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = if name == filled::KEY { "*" } else { name };
                collect(member, &if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, &format!("{path}[]"), found)),
        _ => _ = found.insert(path.to_owned()),
    }
}

/// A value of any type, with everything in it set.
mod filled {
    use serde::de::value::StrDeserializer;
    use serde::de::{
        self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
        VariantAccess, Visitor,
    };
    use serde::forward_to_deserialize_any;

    /// The only key of every map.
    pub(super) const KEY: &str = "KEY-OF-A-MAP";
    type Error = de::value::Error;

    pub(super) fn value<T: DeserializeOwned>() -> anyhow::Result<T> {
        Ok(T::deserialize(Filled { field: "" })?)
    }

    /// Gives every type what it asks for.
    struct Filled {
        /// The field that is asked for.
        field: &'static str,
    }

    /// Each field once; for a map, the one key.
    struct Fields {
        names: std::slice::Iter<'static, &'static str>,
        current: &'static str,
    }

    impl<'de> Deserializer<'de> for Filled {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.deserialize_str(visitor)
        }

        fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            // Texts that their types look at.
            visitor.visit_str(match self.field {
                "bounding" | "effective" | "inheritable" | "permitted" | "ambient" => "CAP_KILL",
                "initial" | "final" => "0-1",
                _ => "x",
            })
        }

        fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.deserialize_str(visitor)
        }

        fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_bool(true)
        }

        fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_i64(1)
        }

        fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_i32(1)
        }

        fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_i16(1)
        }

        fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_i8(1)
        }

        fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_u64(1)
        }

        fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_u32(1)
        }

        fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_u16(1)
        }

        fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_u8(1)
        }

        fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_some(self)
        }

        fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_newtype_struct(self)
        }

        fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_seq(Once(Some(self.field)))
        }

        fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_map(Fields { names: [KEY].iter(), current: "" })
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Error> {
            visitor.visit_map(Fields { names: fields.iter(), current: "" })
        }

        fn deserialize_enum<V: Visitor<'de>>(
            self,
            _: &'static str,
            variants: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Error> {
            visitor.visit_enum(First(variants[0]))
        }

        forward_to_deserialize_any! {
            i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
        }
    }

    /// A list of one.
    struct Once(Option<&'static str>);

    impl<'de> SeqAccess<'de> for Once {
        type Error = Error;

        fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
            self.0.take().map(|field| seed.deserialize(Filled { field })).transpose()
        }
    }

    impl<'de> MapAccess<'de> for Fields {
        type Error = Error;

        fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
            let Some(name) = self.names.next() else { return Ok(None) };
            self.current = name;
            let name: StrDeserializer<Error> = name.into_deserializer();
            seed.deserialize(name).map(Some)
        }

        fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
            seed.deserialize(Filled { field: self.current })
        }
    }

    /// The first variant of an enumeration.
    struct First(&'static str);

    impl<'de> EnumAccess<'de> for First {
        type Error = Error;
        type Variant = Filled;

        fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Filled), Error> {
            let name: StrDeserializer<Error> = self.0.into_deserializer();
            Ok((seed.deserialize(name)?, Filled { field: "" }))
        }
    }

    impl<'de> VariantAccess<'de> for Filled {
        type Error = Error;

        fn unit_variant(self) -> Result<(), Error> {
            Ok(())
        }

        fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
            seed.deserialize(self)
        }

        fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
            self.deserialize_seq(visitor)
        }

        fn struct_variant<V: Visitor<'de>>(
            self,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Error> {
            self.deserialize_struct("", fields, visitor)
        }
    }
}
