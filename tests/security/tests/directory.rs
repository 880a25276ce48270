//! The directory: imports of any size, and who listens to what.

use std::fmt::Write as _;

use serde_json::json;
use tidings_tests_security::App;

const USERS: &str = "/api/v1/directory/users";
const NDJSON: &str = "Content-Type: application/x-ndjson";
const JSON: &str = "Content-Type: application/json";

#[tokio::test(flavor = "multi_thread")]
async fn an_import_takes_the_good_lines_and_names_the_bad_ones() {
    let app = App::start().await;
    let mut lines = String::new();
    for number in 0..1000 {
        writeln!(lines, r#"{{"user_id":"p{number:04}","display_name":"Person {number}","roles":["staff"]}}"#)
            .unwrap();
    }
    lines += "\n{\"user_id\":\"\"}\r\nnot json\n{\"user_id\":\"q\",\"user_id\":\"q\"}\n{\"user_id\":\"z\",\"roles\":[\"\"]}\n{\"user_id\":\"last\",\"groups\":[\"g\"]}";
    let answer = app.send("PUT", USERS, &app.admin(), &[NDJSON], lines.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let told = answer.json();
    assert_eq!((&told["accepted"], &told["failed_count"]), (&json!(1001), &json!(4)), "{told}");
    let failed: Vec<_> =
        told["failed"].as_array().unwrap().iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(failed, [1002, 1003, 1004, 1005]);

    let said = json!({ "content": "hi", "target": { "type": "role", "ids": ["staff"] } });
    let created = app.post("/api/v1/broadcasts", &app.admin(), &said).await.json();
    let stats = format!("/api/v1/broadcasts/{}/stats", created["id"].as_str().unwrap());
    assert_eq!(app.get(&stats, &app.admin()).await.json()["targeted"], 1000);

    let page = app.get(&format!("{USERS}?prefix=p000&limit=7"), &app.admin()).await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("{USERS}?prefix=p000&limit=7&cursor={cursor}"), &app.admin()).await.json();
    let ids = |page: &serde_json::Value| -> Vec<String> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["user_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        [ids(&page), ids(&rest)].concat(),
        (0..10).map(|number| format!("p{number:04}")).collect::<Vec<_>>()
    );
    assert_eq!(rest["next_cursor"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_refused_whole_where_its_form_is_wrong() {
    let app = App::start().await;
    let admin = app.admin();
    let put = async |headers: &[&str], body: &[u8]| app.send("PUT", USERS, &admin, headers, body).await;
    assert_eq!(put(&[JSON], b"{\"user_id\":\"a\"}").await.status, 415);
    assert_eq!(put(&[NDJSON, "Content-Encoding: gzip"], b"{}").await.status, 415);
    let long = put(&[NDJSON], "x".repeat(100 << 10).as_bytes()).await;
    assert_eq!((long.status, long.not_a_problem()), (413, None));
    let user = app.send("PUT", USERS, &app.user("eve"), &[NDJSON], b"{\"user_id\":\"a\"}").await;
    assert_eq!(user.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_said_of_somebody_stays_as_it_is() {
    let app = App::start().await;
    let admin = app.admin();
    let put = async |body: &str| {
        app.send("PUT", &format!("{USERS}/ada"), &admin, &[JSON], body.as_bytes()).await.json()
    };
    put(r#"{"display_name":"Ada","roles":["editor","editor"],"groups":["g"]}"#).await;
    let member = "/api/v1/channels/news/members/ada";
    assert_eq!(app.send("PUT", member, &admin, &[], b"").await.status, 204);
    let ada = put(r#"{"roles":[]}"#).await;
    assert_eq!(
        ada,
        json!({ "user_id": "ada", "display_name": "Ada", "roles": [], "groups": ["g"], "channels": ["news"],
            "disabled": false })
    );
    for _repeat in 0..2 {
        assert_eq!(app.send("DELETE", member, &admin, &[], b"").await.status, 204);
    }
    assert_eq!(put("{}").await["channels"], json!([]));
    let wrong = app.send("PUT", &format!("{USERS}/ada"), &admin, &[JSON], br#"{"groups":["a","\n"]}"#).await;
    assert_eq!((wrong.status, &wrong.json()["errors"][0]["pointer"]), (400, &json!("/groups/1")));
}
