//! `GET /broadcasts/{id}/deliveries`: who got it, person by person; as a page, or all of it as a file.

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use http::{HeaderMap, header};
use serde::Deserialize;
use tidings::{
    Deps,
    api::{Caller, Code, Page, PageQuery, Params, Problem, Scope, Segment, encode_page},
    delivery::retention,
    model::{BroadcastId, Timestamp, UserId},
};
use utoipa::IntoParams;

use crate::{
    deliveries::{self, Delivery, DeliveryState},
    model::Broadcast,
    store,
};

/// The list's name in its cursors.
const LIST: &str = "deliveries";
/// People that one read of a file looks at.
const CHUNK: usize = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveriesQuery {
    /// Only deliveries in this state.
    #[param(inline, example = "pending")]
    state: Option<DeliveryState>,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Page,
    Csv,
    Lines,
}

impl Form {
    fn wanted(headers: &HeaderMap) -> Self {
        let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut media = accepted.split(',').map(|media| media.split(';').next().unwrap_or_default().trim());
        media
            .find_map(|media| match media {
                "text/csv" => Some(Self::Csv),
                "application/x-ndjson" => Some(Self::Lines),
                "application/json" => Some(Self::Page),
                _other => None,
            })
            .unwrap_or(Self::Page)
    }
}

/// Who got a broadcast, by user id. A page may have fewer than `limit` and still not be the last: go on until
/// `next_cursor` is null. With `Accept: text/csv` or `application/x-ndjson`: all of it, as a file.
#[utoipa::path(
    get, path = "/api/v1/broadcasts/{id}/deliveries", tag = "broadcasts", security(("token" = ["broadcast:read"])),
    params(("id" = String, Path), DeliveriesQuery, PageQuery),
    responses((status = 200, description = "person by person", content(
        (Page<Delivery> = "application/json"), (String = "text/csv", example = json!("user_id,state,delivered_at,read_at\r\nada,delivered,2026-01-31T09:30:00.000Z,\r\n")), (Delivery = "application/x-ndjson"))))
)]
pub(super) async fn list_deliveries(
    State(deps): State<Deps>,
    caller: Caller,
    Segment(id): Segment<BroadcastId>,
    Params(query): Params<DeliveriesQuery>,
    Params(page): Params<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(Scope::BroadcastRead)?;
    let (limit, after) = (page.limit()?, page.after::<UserId>(LIST)?);
    let broadcast = deps.store.read(move |tx| async move { store::find(&tx, id).await }).await?;
    if let Some(broadcast) = broadcast {
        kept(&broadcast, deps.clock.now())?;
    }
    let first = read(&deps, id, query.state, after, limit).await?;
    match Form::wanted(&headers) {
        Form::Page => {
            let (items, next) = first;
            let next_cursor = next.map(|next| encode_page(LIST, &next));
            Ok(Json(Page { items, next_cursor }).into_response())
        }
        form @ (Form::Csv | Form::Lines) => Ok(file(deps, id, query.state, form)),
    }
}

/// Refuses what ended so long ago that who got it is forgotten.
pub(super) fn kept(broadcast: &Broadcast, now: Timestamp) -> Result<(), Problem> {
    let forgotten = now.minus(retention::KEPT);
    if broadcast.ended_at.is_some_and(|ended_at| ended_at <= forgotten) {
        let sentence = "it ended more than 30 days ago: who got it is forgotten, its counts are kept";
        return Err(Problem::new(Code::NotFound, sentence));
    }
    Ok(())
}

async fn read(
    deps: &Deps,
    id: BroadcastId,
    state: Option<DeliveryState>,
    after: Option<UserId>,
    limit: usize,
) -> Result<(Vec<Delivery>, Option<UserId>), Problem> {
    deps.store
        .read(move |tx| async move {
            let broadcast = store::find(&tx, id).await?.ok_or_else(|| Problem::not_found("broadcast"))?;
            Ok(deliveries::page(&tx, &broadcast, state, after, limit).await?)
        })
        .await
}

/// Where a file is on its way.
enum At {
    Head,
    After(Option<UserId>),
    End,
}

/// All deliveries, written as they are read: neither side holds them all.
fn file(deps: Deps, id: BroadcastId, state: Option<DeliveryState>, form: Form) -> Response {
    let (media, ending) = if form == Form::Csv {
        ("text/csv; charset=utf-8; header=present", "csv")
    } else {
        ("application/x-ndjson", "ndjson")
    };
    let chunks = stream::try_unfold(At::Head, move |at| {
        let deps = deps.clone();
        async move {
            let after = match at {
                At::Head if form == Form::Csv => {
                    let head = "user_id,state,delivered_at,read_at\r\n".to_owned();
                    return Ok(Some((head, At::After(None))));
                }
                At::Head => None,
                At::After(after) => after,
                At::End => return Ok(None),
            };
            // Whoever reads the file sees that it was cut: the body does not end as it should.
            let cut = |problem: Problem| std::io::Error::other(problem.detail().to_owned());
            let (rows, next) = read(&deps, id, state, after, CHUNK).await.map_err(cut)?;
            let mut text = String::new();
            for row in &rows {
                write(&mut text, row, form);
            }
            Ok::<_, std::io::Error>(Some((text, next.map_or(At::End, |next| At::After(Some(next))))))
        }
    });
    let name = format!("attachment; filename=\"{id}.{ending}\"");
    let headers = [(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, name)];
    (headers, Body::from_stream(chunks)).into_response()
}

fn write(text: &mut String, row: &Delivery, form: Form) {
    if form == Form::Lines {
        text.push_str(&serde_json::to_string(row).unwrap_or_default());
        text.push('\n');
        return;
    }
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let cells = [
        cell(row.user_id.as_str()),
        row.state.as_str().to_owned(),
        time(row.delivered_at),
        time(row.read_at),
    ];
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
}

/// A cell that no spreadsheet takes for a formula: quoted (RFC 4180), and behind an apostrophe where it begins like
/// one.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_breaks_its_row() {
        assert_eq!(cell("=HYPERLINK(\"http://x\")"), "\"'=HYPERLINK(\"\"http://x\"\")\"");
        assert_eq!(cell("alice, \"the first\""), "\"alice, \"\"the first\"\"\"");
        assert_eq!(cell("-1"), "\"'-1\"");
        assert_eq!(cell("alice"), "\"alice\"");
    }

    #[test]
    fn the_form_is_what_was_asked_for_first() {
        let wanted = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Form::wanted(&headers)
        };
        assert_eq!(wanted("text/csv;q=0.9, application/json"), Form::Csv);
        assert_eq!(wanted("*/*"), Form::Page);
        assert_eq!(wanted("application/x-ndjson"), Form::Lines);
    }
}
