//! Rules: added, listed, deleted.

use mini_netlink::address::Family;
use mini_netlink::rule::RuleAction;
use mini_netlink::{AddRule, DeleteRule, GetRules, Rule};
use serde_json::json;

use super::*;

pub(super) fn rules(bench: &mut Bench<'_, '_>) {
    let v4 = |table| Rule::lookup(Family::V4, table);
    let cases = [
        (
            "rule-networks",
            Rule {
                from: Some((ip_address("10.1.0.0"), 16)),
                to: Some((ip_address("10.2.0.0"), 16)),
                priority: Some(50),
                inverted: true,
                ..v4(1000)
            },
            json!({ "priority": 50, "src": "10.1.0.0", "srclen": 16, "dst": "10.2.0.0", "dstlen": 16, "table": "1000", "not": null }),
        ),
        (
            "rule-mark",
            Rule {
                mark: Some(0x10),
                mask: Some(0xf0),
                input: Some(link_name("base")),
                output: Some(link_name("lo")),
                priority: Some(51),
                ..v4(100)
            },
            json!({ "priority": 51, "fwmark": "0x10", "fwmask": "0xf0", "iif": "base", "oif": "lo", "table": "100" }),
        ),
        (
            "rule-suppress",
            Rule { suppress_prefix_length: Some(0), suppress_group: Some(5), priority: Some(52), ..v4(254) },
            json!({ "priority": 52, "suppress_prefixlen": 0, "table": "main" }),
        ),
        (
            "rule-users-and-ports",
            Rule {
                users: Some((100, 200)),
                ip_protocol: Some(6),
                source_ports: Some((1000, 2000)),
                destination_ports: Some((80, 80)),
                priority: Some(53),
                ..v4(100)
            },
            json!({ "priority": 53, "uid_start": 100, "uid_end": 200, "sport_start": 1000, "sport_end": 2000, "dport": 80 }),
        ),
        (
            "rule-blackhole-six",
            Rule {
                from: Some((ip_address("fd09::"), 64)),
                priority: Some(54),
                ..Rule::acting(Family::V6, RuleAction::Blackhole)
            },
            json!({ "priority": 54, "src": "fd09::", "srclen": 64, "action": "blackhole" }),
        ),
        (
            "rule-prohibit",
            Rule { priority: Some(55), type_of_service: 8, ..Rule::acting(Family::V4, RuleAction::Prohibit) },
            json!({ "priority": 55, "action": "prohibit" }),
        ),
        (
            "rule-goto",
            Rule { priority: Some(49), go_to: Some(50), ..Rule::acting(Family::V4, RuleAction::GoTo) },
            json!({ "priority": 49, "goto": 50 }),
        ),
        (
            "rule-vrf-six",
            Rule { masters_table: true, priority: Some(56), ..Rule::lookup(Family::V6, 0) },
            json!({ "priority": 56 }),
        ),
    ];
    for (case, rule, expected) in &cases {
        bench.case(case, |bench| {
            bench.ask(&AddRule { rule: *rule })?;
            let family = if rule.family == Family::V4 { "-4" } else { "-6" };
            let told = ip(&format!("{family} rule show"))?;
            let told = told.as_array().cloned().unwrap_or_default();
            let told =
                told.iter().find(|told| told["priority"] == json!(rule.priority)).ok_or("ip does not tell it")?;
            holds(expected, told, "asked for")?;
            let request = GetRules { family: Some(rule.family) };
            let ours = bench.list(|socket, each| socket.rules(&request, &mut |listed| each(object(listed))))?;
            let ours = ours.iter().find(|ours| ours.priority == rule.priority).ok_or("not in our list")?;
            // What the kernel adds: who made it, and the default mask.
            let asked = Rule { protocol: ours.protocol, mask: rule.mask.or(ours.mask), ..*rule };
            if *ours == asked { Ok(()) } else { Err(format!("our list: {ours:?}, not {asked:?}")) }
        });
    }
    bench.case("rule-delete", |bench| {
        for (_, rule, _) in &cases {
            bench.ask(&DeleteRule { rule: *rule })?;
        }
        let ours = bench.list(|socket, each| socket.rules(&GetRules::default(), &mut |listed| each(object(listed))))?;
        match ours.iter().find(|ours| ours.priority.is_some_and(|priority| (1..100).contains(&priority))) {
            None => Ok(()),
            Some(left) => Err(format!("left: {left:?}")),
        }
    });
}
