//! Lists come in pages: `limit` of at most 200, and a cursor that only its own list understands.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use crate::{Code, Problem};

/// The largest page.
const MAX_LIMIT: usize = 200;
/// The page of a request that asks for no size.
const DEFAULT_LIMIT: usize = 50;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many items, 1 to 200; 50 where it is absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl PageQuery {
    /// The size of the page.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=MAX_LIMIT => Ok(limit),
            _outside => {
                Err(Problem::new(Code::BadRequest, format!("`limit` lies between 1 and {MAX_LIMIT}")))
            }
        }
    }

    /// Where the page begins: the key of the last item of the page before, as this list wrote it.
    pub fn after<K: DeserializeOwned>(&self, list: &str) -> Result<Option<K>, Problem> {
        self.cursor
            .as_deref()
            .filter(|cursor| !cursor.is_empty())
            .map(|cursor| decode_page(list, cursor))
            .transpose()
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Asks for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// The cursor behind a key of a list.
pub fn encode_page<K: Serialize>(list: &str, key: &K) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&(list, key)).unwrap_or_default())
}

/// The key that a cursor of this list stands for.
pub fn decode_page<K: DeserializeOwned>(list: &str, cursor: &str) -> Result<K, Problem> {
    let invalid = || Problem::new(Code::BadRequest, "`cursor` is not a `next_cursor` of this list");
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_cause| invalid())?;
    let (of, key): (String, K) = serde_json::from_slice(&bytes).map_err(|_cause| invalid())?;
    if of == list { Ok(key) } else { Err(invalid()) }
}
