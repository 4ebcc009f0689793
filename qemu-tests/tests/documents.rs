//! What documents say of the tests is true.

use std::fs;

use qemu_tests::cache;

#[test]
fn every_test_that_security_md_names_exists() {
    let root = cache::repository();
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let named: Vec<(&str, &str)> = text.split('`').filter_map(|word| word.split_once(".rs::")).collect();
    assert!(named.len() > 30, "only {} tests are named", named.len());
    for (file, name) in named {
        let path = root.join(format!("{file}.rs"));
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut lines = source.lines().map(str::trim);
        assert!(lines.any(|line| line.starts_with(&format!("fn {name}("))), "{file}.rs has no test {name}");
    }
}
