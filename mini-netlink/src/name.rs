//! Names and labels, held without a heap.

/// A text of at least one byte, without zero bytes, and shorter than `SIZE`: it travels with a zero byte behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name<const SIZE: usize>([u8; SIZE]);

/// No name of this sort can be like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

impl<const SIZE: usize> Name<SIZE> {
    /// The longest name, without the zero byte.
    pub const BYTES_MAX: usize = SIZE - 1;

    /// Where none is known yet.
    pub(crate) const EMPTY: Self = Self([0; SIZE]);

    /// Holds `name`, if it is not empty, not too long and has no zero byte.
    #[allow(clippy::manual_contains, reason = "the library's search is made for long texts, and long itself")]
    pub fn new(name: &[u8]) -> Result<Self, BadName> {
        if name.is_empty() || name.len() >= SIZE || name.iter().any(|byte| *byte == 0) {
            return Err(BadName);
        }
        let mut bytes = [0; SIZE];
        for (place, byte) in bytes.iter_mut().zip(name) {
            *place = *byte;
        }
        Ok(Self(bytes))
    }

    /// The name without the zero byte.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// The name with the zero byte, as it travels.
    pub(crate) fn terminated(&self) -> &[u8] {
        self.0.get(..=self.as_bytes().len()).unwrap_or_default()
    }
}

impl<const SIZE: usize> TryFrom<&str> for Name<SIZE> {
    type Error = BadName;

    fn try_from(name: &str) -> Result<Self, BadName> {
        Self::new(name.as_bytes())
    }
}

impl<const SIZE: usize> core::fmt::Debug for Name<SIZE> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{}", self.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_byte_at_least_and_its_end_at_most() {
        for good in ["a", "abc", "a:b"] {
            let name = Name::<4>::try_from(good).unwrap();
            assert_eq!(name.as_bytes(), good.as_bytes());
            assert_eq!(name.terminated(), [good.as_bytes(), b"\0"].concat());
        }
        for bad in ["", "abcd", "a\0b", "\0"] {
            assert_eq!(Name::<4>::try_from(bad), Err(BadName));
        }
    }
}
