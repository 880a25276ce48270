//! Wishes on a store of their own.

use std::sync::Arc;

use tidings_delivery_core::GenerationId;
use tidings_model::ManualClock;
use tidings_store::Value;

use super::*;
use crate::{Openings, fresh};

fn channels(names: &[&str]) -> Vec<Channel> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn a_wish_replaces_the_families_it_speaks_of_and_leaves_all_others() {
    let had = channels(&["role:editor", "group:a", "app:x", "author:bob", "conversation:cnv_1"]);
    let wish = Wish {
        roles: Some(channels(&["role:viewer"])),
        groups: Some(Vec::new()),
        join: Some(Channel::App("y".to_owned())),
        leave: Some(Channel::App("x".to_owned())),
        ..Wish::of("alice".parse().unwrap())
    };
    let mut expected = channels(&["role:viewer", "app:y", "author:bob", "conversation:cnv_1"]);
    expected.sort_unstable();
    assert_eq!(wish.channels(&had), expected);
    assert_eq!(Wish { gone: true, ..wish }.channels(&had), []);
}

/// All that the directory holds, but for places.
async fn rows(store: &Store) -> Vec<Vec<Value>> {
    let all = [
        "SELECT user_id, display_name, disabled, claimed_at, created_at FROM directory_users ORDER BY 1",
        "SELECT channel, user_id FROM directory_members ORDER BY 1, 2",
        "SELECT user_id, channel FROM directory_former ORDER BY 1, 2",
        "SELECT channel, members FROM channel_counts WHERE members <> 0 ORDER BY 1",
        "SELECT user_id FROM sessions ORDER BY 1",
    ];
    let read = store.read(move |tx| async move {
        let mut rows = Vec::new();
        for statement in all {
            for row in tx.query(statement, params![]).await? {
                let columns = (0..5).map(|column| match row.get::<String>(column) {
                    Ok(text) => Value::Text(text),
                    Err(_) => row.get::<i64>(column).map_or(Value::Null, Value::Int),
                });
                rows.push(columns.collect());
            }
        }
        Ok::<_, StoreError>(rows)
    });
    read.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_are_put_together_become_what_they_become_one_by_one() {
    let of = |user: &str| Wish::of(user.parse().unwrap());
    let claims = |user: &str, groups: &[&str], at: i64| Wish {
        groups: Some(channels(groups)),
        claimed_at: Some(Timestamp(at)),
        ..of(user)
    };
    let named = |user: &str, name: &str| Wish { display_name: Some(name.to_owned()), ..of(user) };
    let first = vec![
        claims("ann", &["group:a", "group:b"], 5),
        Wish { disabled: Some(true), ..named("bob", "Bob") },
        claims("carol", &["group:a"], 5),
        Wish { roles: Some(channels(&["role:editor"])), ..of("dave") },
        Wish { gone: true, ..of("nobody") },
    ];
    let second = vec![
        claims("ann", &["group:b", "group:c"], 7),
        Wish { disabled: Some(false), ..named("bob", "Robert") },
        // A token that is older than the one that was followed, and one that claims the same later.
        claims("carol", &[], 3),
        Wish { gone: true, ..of("dave") },
        claims("eve", &["group:a"], 1),
    ];
    let third = vec![claims("carol", &["group:a"], 9), of("dave"), of("eve")];
    let (one, all) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, all) = (fresh::store(one.path()).await, fresh::store(all.path()).await);
    for (at, wishes) in (1..).zip([first, second, third]) {
        let now = Timestamp(at);
        let mut users = Vec::new();
        for wish in wishes.clone() {
            users.extend(change(&one, Lane::People, vec![wish], now).await.unwrap());
        }
        assert_eq!(change(&all, Lane::Bulk, wishes, now).await.unwrap(), users);
        assert_eq!(rows(&all).await, rows(&one).await, "after {at}");
    }
    assert_eq!(rows(&all).await.len(), 5 + 4 + 3 + 4, "{:?}", rows(&all).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_people_who_change_together_those_with_a_session_are_told_at_places_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = fresh::store(folder.path()).await;
    let people = ["ann", "bob", "carol", "dave"];
    let all = || people.iter().map(|user| Wish::of(user.parse().unwrap()));
    change(&store, Lane::People, all().collect(), Timestamp(1)).await.unwrap();
    for user in ["bob", "dave"] {
        let (user, session) = (user.parse().unwrap(), "s".parse().unwrap());
        let openings = Openings::new(store.clone(), Arc::new(ManualClock::at(Timestamp(2))), 1);
        openings.open(GenerationId(1), &user, &session, None, 10).await.unwrap();
    }
    let grouped = all().map(|wish| Wish { groups: Some(channels(&["group:a"])), ..wish });
    change(&store, Lane::People, grouped.collect(), Timestamp(3)).await.unwrap();
    let mut places = Vec::new();
    for user in people {
        let user = user.parse().unwrap();
        let read = store.read(move |tx| async move { directory::changed_place(&tx, &user).await });
        places.push(read.await.unwrap());
    }
    assert_eq!(places[0], places[2], "whom nobody tells share a place: {places:?}");
    assert!(places[0] < places[1] && places[1] < places[3], "{places:?}");
    let members = Channel::Group("a".to_owned());
    let count = store.read(move |tx| async move { directory::members(&tx, &members).await });
    assert_eq!(count.await.unwrap(), 4);
}
