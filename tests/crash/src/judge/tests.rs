//! Planted histories: each rule turns red once, and good ones stay green.

use super::*;

/// No demand on the size of the run.
const SMALL: Demands = Demands { faults: 0, acknowledged: 0, reconnects: 0, ..Demands::HONEST };

fn tried(m: &str, n: u64, to: &[&str]) -> Line {
    let to = to.iter().map(|user| (*user).to_owned()).collect();
    Line::Try { m: m.to_owned(), key: "k".to_owned(), n, to }
}

fn ack(m: &str, id: &str) -> Line {
    Line::Ack { m: m.to_owned(), id: id.to_owned() }
}

fn open(u: &str, dev: &str) -> Line {
    Line::Open { u: u.to_owned(), dev: dev.to_owned() }
}

fn end(u: &str, dev: &str) -> Line {
    Line::End { u: u.to_owned(), dev: dev.to_owned() }
}

fn seen(u: &str, dev: &str, m: &str, n: u64) -> Line {
    let event = format!("evt_{m}");
    let (u, dev, m, key) = (u.to_owned(), dev.to_owned(), m.to_owned(), "k".to_owned());
    Line::Recv { u, dev, id: format!("brd_{m}"), m, key, n, event, late: false, wire: false }
}

fn late(mut line: Line) -> Line {
    if let Line::Recv { late, .. } = &mut line {
        *late = true;
    }
    line
}

fn status(m: &str, s: &str) -> Line {
    Line::Status { m: m.to_owned(), s: s.to_owned(), at: "sender".to_owned() }
}

/// Two messages to one person with one device, both acknowledged; `rest` says what became of them.
fn broken(rest: impl IntoIterator<Item = Line>) -> BTreeSet<Rule> {
    let mut history = vec![
        open("u", "d"),
        tried("a", 1, &["u"]),
        ack("a", "brd_a"),
        tried("b", 2, &["u"]),
        ack("b", "brd_b"),
    ];
    history.extend(rest);
    history.push(end("u", "d"));
    judge(history, &SMALL).violations.iter().map(|violation| violation.rule).collect()
}

fn both() -> Vec<Line> {
    vec![seen("u", "d", "a", 1), seen("u", "d", "b", 2)]
}

fn both_and(more: impl IntoIterator<Item = Line>) -> Vec<Line> {
    both().into_iter().chain(more).collect()
}

#[test]
fn a_history_that_keeps_the_promise_is_green() {
    assert_eq!(broken(both()), BTreeSet::new());
}

#[test]
fn what_was_acknowledged_and_is_missing_breaks_r1() {
    assert_eq!(broken([seen("u", "d", "a", 1)]), BTreeSet::from([Rule::R1]));
}

#[test]
fn what_is_missing_on_one_of_two_devices_breaks_r1() {
    let rest = both_and([open("u", "e"), seen("u", "e", "a", 1), end("u", "e")]);
    assert_eq!(broken(rest), BTreeSet::from([Rule::R1]));
}

#[test]
fn a_device_that_never_saw_its_final_marker_breaks_r1() {
    let rest = both_and([open("u", "e"), seen("u", "e", "a", 1), seen("u", "e", "b", 2)]);
    assert_eq!(broken(rest), BTreeSet::from([Rule::R1]));
}

#[test]
fn a_gap_breaks_r1_unless_the_run_allows_it() {
    let gap = Line::Gap { u: "u".to_owned(), dev: "d".to_owned(), reason: "other_generation".to_owned() };
    assert_eq!(broken(both_and([gap.clone()])), BTreeSet::from([Rule::R1]));
    let history = [open("u", "d"), tried("a", 1, &["u"]), ack("a", "brd_a"), gap, end("u", "d")];
    let judgement = judge(history, &Demands { gaps_allowed: true, ..SMALL });
    assert!(judgement.holds(), "{judgement}");
}

#[test]
fn what_is_shown_twice_breaks_r2() {
    assert_eq!(
        broken([seen("u", "d", "a", 1), seen("u", "d", "a", 1), seen("u", "d", "b", 2)]),
        BTreeSet::from([Rule::R2])
    );
}

#[test]
fn a_sequence_that_goes_down_breaks_r3_unless_it_says_late() {
    assert_eq!(broken([seen("u", "d", "b", 2), seen("u", "d", "a", 1)]), BTreeSet::from([Rule::R3]));
    assert_eq!(broken([seen("u", "d", "b", 2), late(seen("u", "d", "a", 1))]), BTreeSet::new());
}

#[test]
fn what_reaches_a_stranger_or_comes_from_nobody_breaks_r4() {
    assert_eq!(broken(both_and([seen("x", "d", "a", 1)])), BTreeSet::from([Rule::R4]));
    assert_eq!(broken(both_and([seen("u", "d", "ghost", 9)])), BTreeSet::from([Rule::R4]));
}

#[test]
fn what_was_refused_and_is_shown_breaks_r5() {
    let rest = both_and([tried("c", 3, &["u"]), Line::Nak { m: "c".to_owned() }, seen("u", "d", "c", 3)]);
    assert_eq!(broken(rest), BTreeSet::from([Rule::R5]));
}

#[test]
fn a_request_with_two_ids_breaks_r6() {
    assert_eq!(broken(both_and([ack("a", "brd_z")])), BTreeSet::from([Rule::R6]));
}

#[test]
fn a_status_that_goes_back_breaks_r7() {
    let forward = both_and([status("a", "sent"), status("a", "delivered"), status("a", "read")]);
    assert_eq!(broken(forward), BTreeSet::new());
    assert_eq!(broken(both_and([status("a", "read"), status("a", "sent")])), BTreeSet::from([Rule::R7]));
}

/// Three messages to three people, each with a key of its own; `views` says in which order each saw which.
fn orders(views: [&[&str]; 3]) -> Judgement {
    let mut history = Vec::new();
    for (user, view) in ["u", "v", "w"].iter().zip(views) {
        for (key, message) in view.iter().enumerate() {
            let Line::Recv { u, dev, m, n, id, event, late, wire, .. } = seen(user, "d", message, 1) else {
                continue;
            };
            history.push(tried(message, 1, &["u", "v", "w"]));
            history.push(Line::Recv { u, dev, m, key: format!("k{key}"), n, id, event, late, wire });
        }
    }
    judge(history, &Demands { ..SMALL })
}

#[test]
fn two_devices_that_saw_two_orders_break_r8() {
    assert!(!orders([&["a", "b", "c"], &["a", "c"], &["b", "c"]]).breaks(Rule::R8));
    let judgement = orders([&["a", "b", "c"], &["c", "a"], &[]]);
    assert!(judgement.breaks(Rule::R8), "{judgement}");
}

#[test]
fn three_devices_that_contradict_each_other_only_together_break_r8() {
    let judgement = orders([&["a", "b"], &["b", "c"], &["c", "a"]]);
    assert!(judgement.breaks(Rule::R8), "{judgement}");
}

#[test]
fn an_unanswered_send_may_come_or_not() {
    assert_eq!(broken(both_and([tried("c", 3, &["u"])])), BTreeSet::new());
    assert_eq!(broken(both_and([tried("c", 3, &["u"]), seen("u", "d", "c", 3)])), BTreeSet::new());
}

#[test]
fn a_repeat_on_the_wire_is_counted_and_punished_only_where_the_run_says_so() {
    let raw = || {
        let mut line = seen("u", "d", "a", 1);
        if let Line::Recv { wire, .. } = &mut line {
            *wire = true;
        }
        line
    };
    let judgement = judge([open("u", "d"), end("u", "d"), raw(), raw()], &SMALL);
    assert_eq!((judgement.tally.repeats, judgement.violations.len()), (1, 0));
    let strict = Demands { repeats_allowed: false, ..SMALL };
    let judgement = judge([open("u", "d"), end("u", "d"), raw(), raw()], &strict);
    assert!(judgement.breaks(Rule::R9), "{judgement}");
}

#[test]
fn a_stream_that_is_cut_breaks_r10_only_where_the_run_says_so() {
    let cut = || both_and([Line::Reconnect { u: "u".to_owned(), dev: "d".to_owned() }]);
    assert_eq!(broken(cut()), BTreeSet::new());
    let strict = Demands { cuts_allowed: false, ..SMALL };
    assert!(judge([open("u", "d")].into_iter().chain(cut()), &strict).breaks(Rule::R10));
}

#[test]
fn an_answer_that_was_not_promised_while_a_part_is_away_breaks_r11() {
    let asked = |part, status, retry_after, ms| both_and([Line::Asked { part, status, retry_after, ms }]);
    let (broker, database) = (Part::Broker, Part::Database);
    for good in [asked(broker, Some(201), false, 10), asked(database, Some(503), true, 10_000)] {
        assert_eq!(broken(good), BTreeSet::new());
    }
    for bad in [
        asked(broker, Some(503), true, 10),
        asked(broker, Some(201), false, 10_001),
        asked(database, Some(503), false, 10),
        asked(database, Some(500), true, 10),
        asked(database, None, false, 30_000),
    ] {
        assert_eq!(broken(bad), BTreeSet::from([Rule::R11]));
    }
}

#[test]
fn what_does_not_go_on_within_half_a_minute_breaks_r12() {
    assert_eq!(broken(both_and([Line::Back { part: Part::Broker, ms: 30_000 }])), BTreeSet::new());
    let slow = Line::Back { part: Part::Database, ms: 30_001 };
    assert_eq!(broken(both_and([slow])), BTreeSet::from([Rule::R12]));
}

#[test]
fn a_message_that_devices_know_by_the_servers_id_is_the_one_that_was_acknowledged() {
    let by_id = |m: &str, n| {
        let mut line = seen("u", "d", m, n);
        if let Line::Recv { m, id, .. } = &mut line {
            m.clone_from(id);
        }
        line
    };
    assert_eq!(broken([by_id("a", 1), by_id("b", 2)]), BTreeSet::new());
    assert_eq!(broken([by_id("a", 1)]), BTreeSet::from([Rule::R1]));
    assert_eq!(broken(both_and([by_id("b", 2)])), BTreeSet::from([Rule::R2]));
    assert_eq!(broken(both_and([by_id("ghost", 3)])), BTreeSet::from([Rule::R4]));
}

#[test]
fn a_hole_breaks_r13_only_where_the_server_numbers() {
    let numbered = |numbers: &[u64]| {
        let mut history = vec![open("u", "d")];
        for n in numbers {
            let m = format!("m{n}");
            history.extend([tried(&m, *n, &["u"]), seen("u", "d", &m, *n)]);
        }
        history.push(end("u", "d"));
        history
    };
    let strict = Demands { numbers: Numbers::Servers, ..SMALL };
    for (numbers, is_broken) in [(&[1, 2, 3][..], false), (&[1, 3], true), (&[2, 3], true), (&[0, 1], false)]
    {
        assert_eq!(judge(numbered(numbers), &strict).breaks(Rule::R13), is_broken, "{numbers:?}");
        assert!(!judge(numbered(numbers), &SMALL).breaks(Rule::R13), "{numbers:?}");
    }
}

fn came(m: &str, read: bool, counts: Option<(u64, u64)>) -> Line {
    let (u, dev, id, by) = ("u".to_owned(), "d".to_owned(), format!("brd_{m}"), "v".to_owned());
    Line::Standing { u, dev, id, by, read, counts }
}

#[test]
fn who_came_so_far_goes_forward_only_or_breaks_r7() {
    let (has, read) = (|m| came(m, false, None), |m| came(m, true, None));
    for forward in [vec![has("a"), has("b"), read("a"), read("b")], vec![has("a"), read("b")]] {
        assert_eq!(broken(both_and(forward)), BTreeSet::new());
    }
    for back in
        [vec![has("b"), has("a")], vec![has("a"), has("a")], vec![read("b"), has("b")], vec![has("z")]]
    {
        assert_eq!(broken(both_and(back)), BTreeSet::from([Rule::R7]));
    }
}

#[test]
fn the_counts_of_a_group_go_forward_only_or_break_r7() {
    let counts = |delivered, read| came("a", false, Some((delivered, read)));
    assert_eq!(broken(both_and([counts(1, 0), counts(1, 1), counts(3, 1)])), BTreeSet::new());
    for back in [[counts(2, 0), counts(1, 1)], [counts(2, 2), counts(3, 1)]] {
        assert_eq!(broken(both_and(back)), BTreeSet::from([Rule::R7]));
    }
}

#[test]
fn a_run_that_did_not_hurt_is_void() {
    let judgement = judge([open("u", "d"), end("u", "d")], &Demands::HONEST);
    assert_eq!(judgement.void.len(), 3, "{judgement}");
    assert!(!judgement.holds());
    let fault = || Line::Fault { what: "kill".to_owned() };
    let mut history = vec![open("u", "d"), end("u", "d"), fault(), fault(), fault()];
    history.push(Line::Reconnect { u: "u".to_owned(), dev: "d".to_owned() });
    for n in 0..1000 {
        let m = format!("m{n}");
        history.extend([tried(&m, n, &["u"]), ack(&m, &format!("brd_{m}")), seen("u", "d", &m, n)]);
    }
    let judgement = judge(history, &Demands::HONEST);
    assert!(judgement.holds(), "{judgement}");
}

#[test]
fn a_line_reads_as_the_json_that_other_judges_read() {
    let text = serde_json::to_string(&tried("a", 1, &["u"])).unwrap();
    assert_eq!(text, r#"{"t":"try","m":"a","key":"k","n":1,"to":["u"]}"#);
    let text = r#"{"t":"end","u":"u","dev":"d"}"#;
    assert_eq!(serde_json::from_str::<Line>(text).unwrap(), end("u", "d"));
}
