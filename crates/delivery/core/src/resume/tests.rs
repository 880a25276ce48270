//! What a resume must do, situation by situation.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::record::tests::{removed, said};

type Frame = Arc<DeliveryRecord>;

const NOW: Timestamp = Timestamp(0);

fn frames(places: &[u64]) -> Vec<Frame> {
    places.iter().map(|place| Arc::new(said(*place))).collect()
}

fn handle(resume: &mut Resume<Frame>, input: Input<Frame>) -> String {
    told(&resume.handle(input, NOW, &mut |_| true))
}

/// Effects as a line: `R` ready, `5` a frame without and `5c` with its cursor, `D2` a digest, `C9` a cursor.
fn told(effects: &[Effect<Frame>]) -> String {
    let words = effects.iter().map(|effect| match effect {
        Effect::ReadProjection { after, upto, .. } => format!("projection({after},{upto}]"),
        Effect::ReadWindow { after, upto } => format!("window({after},{upto}]"),
        Effect::ReadPending { limit } => format!("pending{limit}"),
        Effect::SendReady { not_recovered, cursor } => {
            let reason = not_recovered.map_or("", NotRecovered::as_str);
            format!("R{reason}{}", cursor.map_or(String::new(), |cursor| format!("@{cursor}")))
        }
        Effect::Send { frame, with_cursor } => {
            format!("{}{}", frame.place, if *with_cursor { "c" } else { "" })
        }
        Effect::SendDigest { count } => format!("D{count}"),
        Effect::SendCursor { place } => format!("C{place}"),
        Effect::Refuse(unavailable) => unavailable.as_str().to_owned(),
    });
    words.collect::<Vec<String>>().join(" ")
}

fn start(start: Start, tail: u64, window_after: u64) -> (Resume<Frame>, String) {
    let limits = ResumeLimits { held: 3, ..ResumeLimits::default() };
    let joined = Joined { tail: Place(tail), window_after: Place(window_after), removed: vec!["brd_99"] };
    let (resume, effects) = Resume::new(start, &joined, limits, NOW);
    let told = told(&effects);
    (resume, told)
}

fn window(places: &[u64], upto: u64) -> Input<Frame> {
    Input::Window { records: Some(frames(places)), upto: Place(upto) }
}

fn page(places: &[u64], complete: u64, more: bool) -> Input<Frame> {
    Input::Projection { records: frames(places), complete: Place(complete), more }
}

fn tailed(place: u64) -> Input<Frame> {
    Input::Tailed(Arc::new(said(place)))
}

#[test]
fn a_short_absence_is_read_from_the_window_alone_and_what_was_held_follows_once() {
    let (mut resume, asked) = start(Start::After(Place(5)), 8, 3);
    assert_eq!(asked, "window(5,8]");
    assert_eq!(handle(&mut resume, tailed(9)), "");
    assert_eq!(handle(&mut resume, window(&[6, 8], 8)), "R 6 8 9 C9");
    assert_eq!(handle(&mut resume, tailed(10)), "10c");
    assert!(resume.may_confirm(Place(10)) && !resume.may_confirm(Place(11)));
}

#[test]
fn a_long_absence_is_read_from_the_projection_and_from_its_end_from_the_window() {
    let (mut resume, asked) = start(Start::After(Place(1)), 8, 4);
    assert_eq!(asked, "projection(1,8]");
    assert_eq!(handle(&mut resume, page(&[2, 3], 3, true)), "R 2 3 projection(3,8]");
    assert!(!resume.may_confirm(Place(3)));
    assert_eq!(handle(&mut resume, page(&[4], 6, false)), "4 window(6,8]");
    assert_eq!(handle(&mut resume, window(&[7], 8)), "7 C8");
}

#[test]
fn where_nothing_is_missing_ready_carries_the_cursor() {
    let (mut resume, _) = start(Start::After(Place(8)), 8, 4);
    assert_eq!(handle(&mut resume, window(&[], 8)), "R@8");
    assert_eq!(resume.beat(Place(12)), Some(Effect::SendCursor { place: Place(12) }));
    assert_eq!(handle(&mut resume, tailed(12)), "");
}

#[test]
fn a_node_behind_the_cursor_waits_until_it_has_passed_it_or_gives_up() {
    let (mut resume, asked) = start(Start::After(Place(9)), 7, 0);
    assert_eq!(asked, "");
    assert_eq!(handle(&mut resume, tailed(9)), "");
    assert_eq!(handle(&mut resume, tailed(10)), "");
    assert_eq!(handle(&mut resume, Input::Tick { window_after: Place(0) }), "window(9,10]");
    assert_eq!(handle(&mut resume, window(&[10], 10)), "R 10 C10");

    let (mut never, _) = start(Start::After(Place(9)), 7, 0);
    let later = NOW.plus(Duration::from_secs(5));
    let effects = never.handle(Input::Tick { window_after: Place(0) }, later, &mut |_| true);
    assert_eq!(told(&effects), "tail_behind");
}

#[test]
fn a_past_that_cannot_be_read_to_its_end_is_refused_and_never_called_recovered() {
    let cold = || Input::Window { records: None, upto: Place(8) };
    let (mut resume, _) = start(Start::After(Place(1)), 8, 4);
    assert_eq!(handle(&mut resume, page(&[], 3, false)), "window(3,8]");
    // The projection may have caught up meanwhile; it is asked again, a few times.
    for _try in 0..2 {
        assert_eq!(handle(&mut resume, cold()), "projection(3,8]");
        assert_eq!(handle(&mut resume, page(&[], 3, false)), "window(3,8]");
    }
    assert_eq!(handle(&mut resume, cold()), "window_cold");
    assert_eq!(handle(&mut resume, window(&[5], 8)), "");

    let (mut away, _) = start(Start::After(Place(1)), 8, 4);
    assert_eq!(handle(&mut away, Input::ProjectionAway), "projection_away");

    let (mut flooded, _) = start(Start::After(Place(1)), 8, 4);
    assert_eq!([9, 10, 11].map(|place| handle(&mut flooded, tailed(place))).concat(), "");
    assert_eq!(handle(&mut flooded, tailed(12)), "too_much_held");
}

#[test]
fn without_a_cursor_comes_what_is_pending_then_the_digest_then_the_stream() {
    let (mut resume, asked) = start(Start::Pending(NotRecovered::NoCursor), 8, 5);
    assert_eq!(asked, "pending200");
    assert_eq!(handle(&mut resume, tailed(9)), "");
    let pending = Input::Pending { send: frames(&[2, 4]), left_out: 3, complete: Place(7) };
    assert_eq!(handle(&mut resume, pending), "Rno_cursor 2 4 D3 window(7,9]");
    assert_eq!(handle(&mut resume, window(&[8, 9], 9)), "8 9 C9");
}

#[test]
fn a_projection_ahead_of_the_tail_makes_the_tail_skip_what_was_read() {
    let (mut resume, _) = start(Start::Pending(NotRecovered::TooOld), 4, 2);
    let pending = Input::Pending { send: Vec::new(), left_out: 0, complete: Place(6) };
    assert_eq!(handle(&mut resume, pending), "Rtoo_old@6");
    assert_eq!([5, 6, 7].map(|place| handle(&mut resume, tailed(place))), ["", "", "7c"]);
}

#[test]
fn what_was_cancelled_or_expired_meanwhile_is_left_out_from_memory_too() {
    let (mut resume, _) = start(Start::After(Place(1)), 5, 1);
    assert_eq!(handle(&mut resume, Input::Tailed(Arc::new(removed(6, 3)))), "");
    let mut records = frames(&[2, 3, 4]);
    records.push(Arc::new(removed(5, 2)));
    records.push(Arc::new(DeliveryRecord { expires_at: Some(NOW), ..said(5) }));
    let records = Some(records);
    assert_eq!(handle(&mut resume, Input::Window { records, upto: Place(5) }), "R 4 5 6 C6");
}

#[test]
fn what_only_the_window_knows_to_be_cancelled_is_left_out_of_the_projections_first_page() {
    let (mut resume, _) = start(Start::After(Place(1)), 120, 110);
    assert_eq!(handle(&mut resume, page(&[98, 99], 100, false)), "R 98 window(100,120]");
}

#[test]
fn a_signal_is_for_those_online_and_carries_no_cursor() {
    let signal = |place| Arc::new(DeliveryRecord { kind: Kind::Signal, ..said(place) });
    let (mut resume, _) = start(Start::After(Place(1)), 3, 1);
    let records = Some(vec![signal(2)]);
    assert_eq!(handle(&mut resume, Input::Window { records, upto: Place(3) }), "R@3");
    assert_eq!(handle(&mut resume, Input::Tailed(signal(4))), "4");
    assert!(!resume.may_confirm(Place(4)));
}

#[test]
fn what_the_verdict_withholds_is_passed_over_and_its_place_counts_as_done() {
    let (mut resume, _) = start(Start::After(Place(1)), 3, 1);
    let effects = resume.handle(window(&[2, 3], 3), NOW, &mut |record| record.place == Place(3));
    assert_eq!(told(&effects), "R 3 C3");
}
