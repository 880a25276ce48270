//! What routes make of records, and what is said where they make nothing.

use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

type Change = fn(&mut RouteSettings);

fn settings() -> RouteSettings {
    RouteSettings {
        topic: "invoices.paid".to_owned(),
        to: vec!["user:{/customer_id}".to_owned()],
        r#type: "invoice.paid".to_owned(),
        title: Some("Invoice {/number} is paid".to_owned()),
        data: Some("/".to_owned()),
        ..RouteSettings::default()
    }
}

fn route(change: impl FnOnce(&mut RouteSettings)) -> Result<Route, String> {
    let mut settings = settings();
    change(&mut settings);
    let routes = config::routes(&[settings], &[]).map_err(|invalid| invalid.to_string())?;
    routes.into_iter().next().ok_or_else(|| "none".to_owned())
}

fn record(value: &Value) -> Record {
    Record {
        topic: "invoices.paid".to_owned(),
        partition: 0,
        offset: 5,
        time: NOW,
        key: None,
        headers: Vec::new(),
        value: Some(value.to_string().into_bytes()),
    }
}

fn shown(change: impl FnOnce(&mut RouteSettings), value: &Value) -> Result<Option<Shown>, String> {
    let shown = route(change).unwrap().show(&record(value), NOW);
    shown.map_err(|unroutable| unroutable.to_string())
}

#[test]
fn a_record_becomes_what_the_settings_say() {
    let paid = json!({ "customer_id": "alice", "number": 42 });
    let shown = shown(|_settings| {}, &paid).unwrap().unwrap();
    assert_eq!((shown.to, shown.frame_type.as_str()), (vec!["user:alice".parse().unwrap()], "invoice.paid"));
    assert_eq!((shown.kind, shown.listed), (Kind::Message, true));
    assert_eq!(shown.expires_at, Some(Timestamp(NOW.0 + 30 * 24 * 60 * 60 * 1000)));
    assert_eq!(
        shown.data,
        json!({
            "id": shown.id, "kind": "event", "title": "Invoice 42 is paid", "content": null, "data": paid,
            "action_url": null, "created_at": NOW,
        })
    );
}

#[test]
fn a_list_reaches_each_of_its_people_once_and_what_is_over_reaches_nobody() {
    let to = |settings: &mut RouteSettings| {
        settings.to = vec!["user:{/watchers}".to_owned(), "user:{/customer_id}".to_owned()];
    };
    let value = json!({ "customer_id": "alice", "number": 1, "watchers": ["bob", "alice"] });
    let names: Vec<String> = shown(to, &value).unwrap().unwrap().to.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["user:bob", "user:alice"]);

    let route = route(|settings| settings.keep = "1h".to_owned()).unwrap();
    let old = Record { time: Timestamp(NOW.0 - 3_600_000), ..record(&value) };
    assert_eq!(route.show(&old, NOW).unwrap(), None);
    assert_eq!(route.show(&Record { value: None, ..record(&value) }, NOW).unwrap(), None, "a tombstone");
}

#[test]
fn changes_and_signals_are_in_no_inbox() {
    let value = json!({ "customer_id": "alice" });
    for (keep, kind, ends) in [("change", Kind::Change, None), ("signal", Kind::Signal, Some(10_000))] {
        let keep = |settings: &mut RouteSettings| {
            (settings.keep, settings.title) = (keep.to_owned(), None);
        };
        let shown = shown(keep, &value).unwrap().unwrap();
        assert_eq!((shown.kind, shown.listed), (kind, false));
        assert_eq!(shown.expires_at.map(|at| at.0 - NOW.0), ends);
    }
}

#[test]
fn a_record_that_does_not_fit_is_refused_with_route_and_pointer() {
    let fits = json!({ "customer_id": "alice", "number": 1 });
    let many: Vec<u32> = (0..101).collect();
    let cases: [(Change, Value, &str); 8] = [
        (
            |_| {},
            json!({ "customer_id": "alice" }),
            "title = \"Invoice {/number} is paid\": the value has nothing at `/number`",
        ),
        (
            |_| {},
            json!({ "number": 1 }),
            "to = \"user:{/customer_id}\": the value has nothing at `/customer_id`",
        ),
        (
            |_| {},
            json!({ "number": 1, "customer_id": "" }),
            "to = \"user:{/customer_id}\": `user:` is not a channel",
        ),
        (|s| s.to = vec!["{/c}".into()], json!({ "number": 1, "c": "nobody" }), "`nobody` is not a channel"),
        (|_| {}, json!({ "number": 1, "customer_id": [] }), "`to` names nobody"),
        (|_| {}, json!({ "number": 1, "customer_id": many }), "a list of 101"),
        (|s| s.data = Some("/x".into()), fits.clone(), "data = \"/x\": the value has nothing at `/x`"),
        (
            |s| s.action_url = Some("{/u}".into()),
            json!({ "customer_id": "a", "number": 1, "u": "javascript:alert(1)" }),
            "the action_url must begin with https://",
        ),
    ];
    for (change, value, sentence) in cases {
        let refused = shown(change, &value).unwrap_err();
        assert!(refused.starts_with("route `route-invoices.paid-invoice.paid` cannot show"), "{refused}");
        assert!(refused.contains(sentence), "{refused}");
    }
    let large = json!({ "customer_id": "a", "number": "x".repeat(70_000) });
    assert!(shown(|_| {}, &large).unwrap_err().contains("at most 65536 are allowed"));
}

#[test]
fn a_setting_that_does_not_hold_is_named_with_its_key() {
    let cases: [(Change, &str); 13] = [
        (|s| s.topic.clear(), "routes[0].topic must name a topic"),
        (|s| s.topic = "a b".into(), "routes[0].topic `a b` is no name of a topic"),
        (|s| s.topic = "tidings-deliveries".into(), "routes[0].topic `tidings-deliveries` is internal"),
        (|s| s.to.clear(), "routes[0].to must name at least one channel"),
        (|s| s.to = vec!["all".into(), "person:7".into()], "routes[0].to[1] `person:7` is not a channel"),
        (|s| s.to = vec!["user:{id}".into()], "routes[0].to[0] `{id}` is no JSON Pointer"),
        (|s| s.r#type.clear(), "routes[0].type `` is no type"),
        (|s| s.r#type = "typing".into(), "routes[0].type `typing` is a type of Tidings itself"),
        (|s| s.title = Some("{".into()), "routes[0].title a `{` has no `}`"),
        (|s| s.data = Some("number".into()), "routes[0].data `number` is no JSON Pointer"),
        (|s| s.keep = "soon".into(), "routes[0].keep `soon` is neither `change` nor `signal`"),
        (|s| s.keep = "change".into(), "routes[0].title makes it an item of the inbox"),
        (|s| s.group = Some(String::new()), "routes[0].group must have 1 to 200 bytes"),
    ];
    for (change, sentence) in cases {
        let refused = route(change).unwrap_err();
        assert!(refused.starts_with(sentence), "{refused}");
    }
    let twice = config::routes(&[settings(), settings()], &[]).unwrap_err().to_string();
    assert!(twice.starts_with("routes[1].group `route-invoices.paid-invoice.paid` is the group"), "{twice}");
}
