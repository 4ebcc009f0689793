//! The patterns of modules.alias: fnmatch(3) without a special case for `/` or `.`, and with `-` and `_` the same.

/// `_` for both `-` and `_`: module names and aliases are written with either.
pub fn plain(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte }
}

/// Whether two names are the same module's.
#[inline(never)]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| plain(*one) == plain(*other))
}

/// Whether a pattern with `*`, `?`, `[a-z]`, `[!a-z]` and `\` describes all of a text.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Behind the last star: what follows it, and where that was tried last. Earlier stars need no second try.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', rest)) = pattern.split_first() {
            star = Some((rest, text));
            pattern = rest;
            continue;
        }
        match text.split_first() {
            None if pattern.is_empty() => return true,
            Some((byte, behind)) if let Some(rest) = match_one(pattern, *byte) => (pattern, text) = (rest, behind),
            _ => {
                let Some((rest, [_, behind @ ..])) = star else { return false };
                star = Some((rest, behind));
                (pattern, text) = (rest, behind);
            }
        }
    }
}

/// Matches one byte with the first item of a pattern: the rest of the pattern.
fn match_one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'[', set @ ..] => match_set(set, byte),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (plain(*literal) == plain(byte)).then_some(rest),
        [] => None,
    }
}

/// Matches one byte with a set, the opening bracket already taken. A set without an end describes nothing.
fn match_set(set: &[u8], byte: u8) -> Option<&[u8]> {
    let (mut set, negated) = match set {
        [b'!' | b'^', rest @ ..] => (rest, true),
        _ => (set, false),
    };
    let mut found = false;
    let mut first = true;
    loop {
        set = match set {
            [b']', rest @ ..] if !first => return (found != negated).then_some(rest),
            [low, b'-', high, rest @ ..] if *high != b']' => {
                found |= (*low..=*high).contains(&byte);
                rest
            }
            [one, rest @ ..] => {
                found |= *one == byte;
                rest
            }
            [] => return None,
        };
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
    }

    #[test]
    fn patterns_of_debian_describe_their_devices() {
        let network = "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00";
        check("pci:v00001AF4d*sv*sd*bc*sc*i*", network, true);
        check("pci:v00001AF5d*sv*sd*bc*sc*i*", network, false);
        check("virtio:d00000001v*", "virtio:d00000001v00001AF4", true);
        check("virtio:d00000001v*", "virtio:d00000002v00001AF4", false);
        check("cpu:type:x86,ven*fam*mod*:feature:*0099*", "cpu:type:x86,ven0000fam0006:feature:,0001,0099,", false);
        check("cpu:type:x86,ven*fam*mod*:feature:*0099*", "cpu:type:x86,ven0fam6mod0:feature:,0001,0099,", true);
        check("acpi*:PNP0C0C:*", "acpi:LNXPWRBN:PNP0C0C:", true);
        check("fs-ext[234]", "fs-ext4", true);
        check("net-pf-16-proto-4-type-1*", "net-pf-16-proto-4-type-17", true);
    }

    #[test]
    fn the_items_of_a_pattern_mean_what_they_mean_to_the_shell() {
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("**", "anything", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("a*b*c", "a-b-b-x-c", true);
        check("a*b*c", "a-b-b-x-d", false);
        check("[a-c][!a-c]", "bd", true);
        check("[a-c][^a-c]", "bb", false);
        check("[]x]", "]", true);
        check("[x-]", "-", true);
        check("[abc", "a", false);
        check("a\\*", "a*", true);
        check("a\\*", "ab", false);
        check("rtnl_link_veth", "rtnl-link-veth", true);
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        check(&"a*".repeat(200), &format!("{}b", "a".repeat(4000)), true);
        check(&format!("{}c", "a*".repeat(200)), &format!("{}b", "a".repeat(4000)), false);
    }
}
