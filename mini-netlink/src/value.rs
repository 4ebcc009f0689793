//! How the values of attributes travel, and how a table of attributes becomes a type. Pure.
//!
//! Many of the kernel's attributes hold one small value each, are optional, and travel in groups: the settings of a
//! bridge, the metrics of a route. [`data!`](crate::value::data) makes of such a table a structure of options that writes and
//! reads itself, so that a line of the table is all that an attribute takes. [`numbers!`](crate::value::numbers) makes an
//! enumeration of numbers that have names.

use core::net::{IpAddr, Ipv4Addr};

use crate::name::Name;
use crate::wire::{Attribute, Malformed, Writer, number_at};

/// How a value travels in an attribute.
pub(crate) trait Codec {
    /// The value.
    type Value;

    /// Writes the attribute. `kinds` is one number, or two where the value decides.
    fn write(writer: &mut Writer<'_>, kinds: &[u16], value: &Self::Value);

    /// Reads what [`Codec::write`] writes.
    fn read(attribute: &Attribute<'_>) -> Result<Self::Value, Malformed>;

    /// Values to test with.
    #[cfg(test)]
    fn any() -> proptest::strategy::BoxedStrategy<Self::Value>;
}

/// The only kind.
pub(crate) fn kind(kinds: &[u16]) -> u16 {
    kinds.first().copied().unwrap_or_default()
}

/// `codec!` declares a [`Codec`]: its name, its value, and how it is written and read.
macro_rules! codec {
    ($(#[$doc:meta])* $name:ident: $value:ty, |$writer:ident, $kinds:ident, $it:ident| $write:expr, |$attribute:ident| $read:expr) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl Codec for $name {
            type Value = $value;

            fn write($writer: &mut Writer<'_>, $kinds: &[u16], $it: &$value) {
                $write
            }

            fn read($attribute: &Attribute<'_>) -> Result<$value, Malformed> {
                $read
            }

            #[cfg(test)]
            fn any() -> proptest::strategy::BoxedStrategy<$value> {
                proptest::strategy::Strategy::boxed(proptest::arbitrary::any::<$value>())
            }
        }
    };
}

codec!(
    /// A number of one byte.
    Byte: u8, |writer, kinds, value| writer.byte(kind(kinds), *value), |attribute| attribute.byte()
);
codec!(
    /// A number of two bytes.
    Short: u16, |writer, kinds, value| writer.short(kind(kinds), *value), |attribute| attribute.short()
);
codec!(
    /// A number of two bytes that travels as in a packet: high byte first.
    BigShort: u16,
    |writer, kinds, value| writer.attribute(kind(kinds), &value.to_be_bytes()),
    |attribute| attribute.bytes().map(u16::from_be_bytes)
);
codec!(
    /// A number of four bytes.
    Number: u32, |writer, kinds, value| writer.number(kind(kinds), *value), |attribute| attribute.number()
);
codec!(
    /// A number of eight bytes.
    Wide: u64, |writer, kinds, value| writer.attribute(kind(kinds), &value.to_ne_bytes()), |attribute| attribute.wide()
);
codec!(
    /// A number of four bytes that travels as in a packet: high byte first.
    BigNumber: u32,
    |writer, kinds, value| writer.attribute(kind(kinds), &value.to_be_bytes()),
    |attribute| attribute.bytes().map(u32::from_be_bytes)
);
codec!(
    /// A number of four bytes that may be negative.
    Signed: i32, |writer, kinds, value| writer.number(kind(kinds), value.cast_unsigned()), |attribute| attribute.number().map(u32::cast_signed)
);
codec!(
    /// On or off, as one byte.
    Switch: bool, |writer, kinds, value| writer.byte(kind(kinds), u8::from(*value)), |attribute| attribute.byte().map(|byte| byte != 0)
);
codec!(
    /// On or off, as four bytes.
    LongSwitch: bool, |writer, kinds, value| writer.number(kind(kinds), u32::from(*value)), |attribute| attribute.number().map(|number| number != 0)
);
codec!(
    /// A hardware address.
    Mac: [u8; 6], |writer, kinds, value| writer.attribute(kind(kinds), value), |attribute| attribute.bytes()
);
codec!(
    /// An IPv4 address in an attribute of the first kind, or an IPv6 address in one of the second.
    Ip: IpAddr,
    |writer, kinds, value| writer.ip(if value.is_ipv4() { kind(kinds) } else { kinds.last().copied().unwrap_or_default() }, value),
    |attribute| attribute.ip()
);
codec!(
    /// The first and the last of some ports; both travel as in a packet.
    Ports: (u16, u16),
    |writer, kinds, value| {
        let ([a, b], [c, d]) = (value.0.to_be_bytes(), value.1.to_be_bytes());
        writer.attribute(kind(kinds), &[a, b, c, d]);
    },
    |attribute| attribute.bytes().map(|[a, b, c, d]| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
);

/// A short text, without a zero byte at its end.
pub(crate) struct Text;

impl Codec for Text {
    type Value = Name<16>;

    fn write(writer: &mut Writer<'_>, kinds: &[u16], value: &Name<16>) {
        writer.attribute(kind(kinds), value.as_bytes());
    }

    fn read(attribute: &Attribute<'_>) -> Result<Name<16>, Malformed> {
        Name::new(attribute.text()).map_err(|_| Malformed)
    }

    #[cfg(test)]
    fn any() -> proptest::strategy::BoxedStrategy<Name<16>> {
        use proptest::strategy::Strategy;
        "[a-z]{1,15}".prop_map(|name| Name::try_from(name.as_str()).unwrap()).boxed()
    }
}

/// Some flags, set or cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The flags that are set.
    pub value: u32,
    /// The flags that are meant: others stay as they are. The kernel tells all ones, but refuses bits that it does not know.
    pub mask: u32,
}

impl Flags {
    /// Sets these, and leaves all others.
    pub const fn set(flags: u32) -> Self {
        Self { value: flags, mask: flags }
    }
}

impl Codec for Flags {
    type Value = Self;

    fn write(writer: &mut Writer<'_>, kinds: &[u16], value: &Self) {
        let nest = writer.open(kind(kinds));
        writer.put(&value.value.to_ne_bytes());
        writer.put(&value.mask.to_ne_bytes());
        writer.close(nest);
    }

    fn read(attribute: &Attribute<'_>) -> Result<Self, Malformed> {
        let number = |offset| number_at(attribute.payload, offset).ok_or(Malformed);
        Ok(Self { value: number(0)?, mask: number(4)? })
    }

    #[cfg(test)]
    fn any() -> proptest::strategy::BoxedStrategy<Self> {
        use proptest::strategy::Strategy;
        proptest::arbitrary::any::<(u32, u32)>().prop_map(|(value, mask)| Self { value, mask }).boxed()
    }
}

/// On if the attribute is there. `false` writes nothing, and is not read.
pub(crate) struct Present;

impl Codec for Present {
    type Value = bool;

    fn write(writer: &mut Writer<'_>, kinds: &[u16], value: &bool) {
        if *value {
            writer.attribute(kind(kinds), &[]);
        }
    }

    fn read(_: &Attribute<'_>) -> Result<bool, Malformed> {
        Ok(true)
    }

    #[cfg(test)]
    fn any() -> proptest::strategy::BoxedStrategy<bool> {
        proptest::strategy::Strategy::boxed(proptest::strategy::Just(true))
    }
}

/// At most 16 IPv4 addresses: as many as the kernel watches for a bond. `BOND_MAX_ARP_TARGETS`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    addresses: [Option<Ipv4Addr>; Self::MAX],
}

impl Targets {
    /// How many there can be.
    pub const MAX: usize = 16;

    /// Holds these addresses; `None` if there are too many.
    pub fn new(addresses: &[Ipv4Addr]) -> Option<Self> {
        let mut targets = Self::default();
        for address in addresses {
            targets.add(*address).ok()?;
        }
        Some(targets)
    }

    /// The addresses.
    pub fn iter(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.addresses.iter().copied().flatten()
    }

    fn add(&mut self, address: Ipv4Addr) -> Result<(), Malformed> {
        let free = self.addresses.iter_mut().find(|place| place.is_none()).ok_or(Malformed)?;
        *free = Some(address);
        Ok(())
    }
}

/// Several addresses, as attributes in the attribute that are numbered from 0.
impl Codec for Targets {
    type Value = Self;

    fn write(writer: &mut Writer<'_>, kinds: &[u16], value: &Self) {
        let nest = writer.open(kind(kinds));
        for (number, address) in (0..).zip(value.iter()) {
            writer.ip(number, &IpAddr::V4(address));
        }
        writer.close(nest);
    }

    fn read(attribute: &Attribute<'_>) -> Result<Self, Malformed> {
        let mut targets = Self::default();
        for attribute in attribute.attributes() {
            targets.add(Ipv4Addr::from(attribute?.bytes::<4>()?))?;
        }
        Ok(targets)
    }

    #[cfg(test)]
    fn any() -> proptest::strategy::BoxedStrategy<Self> {
        use proptest::strategy::Strategy;
        let addresses = proptest::collection::vec(proptest::arbitrary::any::<Ipv4Addr>(), 0..=Self::MAX);
        addresses.prop_filter_map("fits", |addresses| Self::new(&addresses)).boxed()
    }
}

/// Makes a structure of options from a table of attributes: `field: value = Codec[kind];`.
macro_rules! data {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $value:ty = $codec:ty [$($kind:literal),+];)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: Option<$value>,)*
        }

        impl $name {
            /// Nothing set.
            pub const NONE: Self = Self { $($field: None,)* };

            /// Writes an attribute for each field that is set.
            pub(crate) fn write_attributes(&self, writer: &mut $crate::wire::Writer<'_>) {
                $(if let Some(value) = &self.$field {
                    <$codec as $crate::value::Codec>::write(writer, &[$($kind),+], value);
                })*
            }

            /// Reads what there is. What is not in the table is passed over.
            pub(crate) fn read_attributes(
                attributes: $crate::wire::Attributes<'_>,
            ) -> Result<Self, $crate::wire::Malformed> {
                let mut read = Self::NONE;
                for attribute in attributes {
                    let attribute = attribute?;
                    match attribute.kind {
                        $($($kind)|+ => read.$field = Some(<$codec as $crate::value::Codec>::read(&attribute)?),)*
                        _ => {}
                    }
                }
                Ok(read)
            }

            /// The same, but with all that is set in `other`.
            #[cfg(test)]
            pub(crate) fn with(&self, other: &Self) -> Self {
                Self { $($field: other.$field.or(self.$field),)* }
            }

            #[cfg(test)]
            pub(crate) fn any() -> proptest::strategy::BoxedStrategy<Self> {
                use proptest::strategy::Strategy;
                let nothing = proptest::strategy::Just(Self::NONE).boxed();
                $(let nothing = (nothing, proptest::option::of(<$codec as $crate::value::Codec>::any()))
                    .prop_map(|(mut read, value)| {
                        read.$field = value;
                        read
                    })
                    .boxed();)*
                nothing
            }
        }
    };
}
pub(crate) use data;

/// Makes an enumeration of numbers: those with names, and all others. It is its own [`Codec`].
macro_rules! numbers {
    ($(#[$doc:meta])* $name:ident: $number:ty as $codec:ident { $($(#[$variant_doc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// Any other number.
            Other($number),
        }

        impl $name {
            /// The kernel's number for it.
            pub const fn number(self) -> $number {
                match self {
                    $(Self::$variant => $value,)*
                    Self::Other(number) => number,
                }
            }
        }

        impl From<$number> for $name {
            fn from(number: $number) -> Self {
                match number {
                    $($value => Self::$variant,)*
                    number => Self::Other(number),
                }
            }
        }

        impl $crate::value::Codec for $name {
            type Value = Self;

            fn write(writer: &mut $crate::wire::Writer<'_>, kinds: &[u16], value: &Self) {
                <$crate::value::$codec as $crate::value::Codec>::write(writer, kinds, &value.number());
            }

            fn read(attribute: &$crate::wire::Attribute<'_>) -> Result<Self, $crate::wire::Malformed> {
                <$crate::value::$codec as $crate::value::Codec>::read(attribute).map(Self::from)
            }

            #[cfg(test)]
            fn any() -> proptest::strategy::BoxedStrategy<Self> {
                use proptest::strategy::Strategy;
                proptest::sample::select(std::vec![$($value as $number,)* 99]).prop_map(Self::from).boxed()
            }
        }
    };
}
pub(crate) use numbers;
