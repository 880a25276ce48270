//! Lists and counts on a store of their own.

use tidings_store::{Lane, Store};

use super::*;
use crate::{
    change::{self, Wish},
    end_item, fresh,
    preferences::Preferences,
};

async fn put(store: &Store, wish: Wish, now: i64) {
    change::change(store, Lane::People, vec![wish], Timestamp(now)).await.unwrap();
}

async fn say(store: &Store, item: &'static str, audience: &str, category: Option<&str>, life: i64) {
    let (any, none) = audience.split_once(" but ").unwrap_or((audience, ""));
    let channels = |names: &str| names.split_whitespace().map(|name| name.parse().unwrap()).collect();
    let audience = Audience { any: channels(any), none: channels(none) };
    let data = RawValue::from_string("{}".to_owned()).unwrap();
    let (event, time) = (format!("evt_{item}").parse().unwrap(), Timestamp(10));
    let message = DeliveryRecord::message(
        event,
        "message.created",
        item,
        audience,
        (time, Timestamp(10 + life)),
        data.clone(),
    );
    let record = DeliveryRecord {
        category: category.map(str::to_owned),
        late_joiners: !item.contains("punctual"),
        ..message
    };
    let said = store.transact(move |tx| async move {
        deliver(&tx, &record, Some(crate::Item { kind: "message", data: &data })).await
    });
    said.await.unwrap();
}

/// What the inbox lists that is unread, and how many are counted.
async fn unread_of(store: &Store, user: &'static str, now: i64) -> (Vec<String>, usize) {
    let read = store.read(move |tx| async move {
        let user: UserId = user.parse().unwrap();
        let query = InboxQuery { state: InboxState::Unread, kind: None, after: None, limit: 100 };
        let items = page(&tx, &user, &query, Timestamp(now)).await?;
        let mut items: Vec<String> = items.into_iter().map(|item| item.id).collect();
        items.sort_unstable();
        let count = unread(&tx, &user, None, 100, Timestamp(now)).await?;
        let two = unread(&tx, &user, None, 2, Timestamp(now)).await?;
        assert_eq!(two, count.min(2));
        Ok::<_, StoreError>((items, count))
    });
    read.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_what_is_listed_whether_its_row_tells_so_or_everybody_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let store = fresh::store(folder.path()).await;
    let group = |names: &[&str]| Some(names.iter().map(|name| name.parse().unwrap()).collect());
    let ann = || Wish::of("ann".parse().unwrap());
    put(&store, Wish { groups: group(&["group:a"]), ..ann() }, 1).await;
    let muted_categories = ["news".to_owned()].into();
    let preferences = Preferences { muted_categories, quiet_hours: None };
    put(&store, Wish { preferences: Some(preferences), ..ann() }, 2).await;
    for (item, audience, category, life) in [
        ("own", "user:ann", None, 100),
        ("all", "all", None, 100),
        ("of-a", "group:a", None, 100),
        ("late-of-b", "group:b", None, 100),
        ("punctual-of-b", "group:b", None, 100),
        ("both", "all group:a", None, 100),
        ("not-a", "all but group:a", None, 100),
        ("news", "all", Some("news"), 100),
        ("sport", "all", Some("sport"), 100),
        ("short", "all", None, 20),
        ("cancelled", "all", None, 100),
        ("read", "all", None, 100),
        ("removed", "user:ann", None, 100),
        ("others", "user:bob", None, 100),
    ] {
        say(&store, item, audience, category, life).await;
    }
    put(&store, Wish { groups: group(&["group:b"]), ..ann() }, 20).await;
    let ended = store.transact(|tx| async move {
        let ann = directory::person(&tx, &"ann".parse().unwrap()).await?;
        receipts::read(&tx, &ann.user_id, "read", Timestamp(21)).await?;
        remove(&tx, &ann, "removed", Timestamp(21)).await?;
        end_item(&tx, "cancelled", core::End::Cancelled, Timestamp(21)).await
    });
    assert!(ended.await.unwrap());
    let wanted = ["all", "both", "late-of-b", "not-a", "own", "short", "sport"];
    let told = unread_of(&store, "ann", 25).await;
    assert_eq!(told, (wanted.map(str::to_owned).to_vec(), wanted.len()));
    let later = unread_of(&store, "ann", 40).await;
    assert!(!later.0.contains(&"short".to_owned()) && later.1 == wanted.len() - 1, "{later:?}");
    let stranger = unread_of(&store, "nobody", 25).await;
    let judged = store.transact(|tx| async move {
        tx.execute("UPDATE inbox_places SET listed_until = NULL WHERE listed_until > 0", params![]).await
    });
    assert_eq!(judged.await.unwrap(), 9, "rows that told");
    assert_eq!(unread_of(&store, "ann", 25).await, told);
    assert_eq!(unread_of(&store, "ann", 40).await, later);
    assert_eq!(unread_of(&store, "nobody", 25).await, stranger);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_a_run_of_the_index_and_sorts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = fresh::store(folder.path()).await;
    let plan = store
        .read(|tx| async move {
            let params =
                params!["all", "alice", 3_u32, 9_u64, Timestamp(0), None::<String>, "all", 10_u64, true];
            tx.query(concat!("EXPLAIN QUERY PLAN ", page_statement!()), params).await
        })
        .await
        .unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get::<String>(3).unwrap()).collect();
    let plan = plan.join("\n");
    assert!(
        plan.contains("SEARCH e USING PRIMARY KEY (channel=? AND (priority,place)<(?,?))")
            || plan.contains("SEARCH e USING PRIMARY KEY (channel=? AND priority"),
        "{plan}"
    );
    assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
}
