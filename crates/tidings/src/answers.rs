//! Answers that are kept under an `Idempotency-Key` apart from what they answer.
//!
//! Where an effect is a transaction, its answer is kept with it ([`IdempotencyKey::keep`]). A record of the ingest port
//! has no transaction: its answer is kept after it, and a process that ends between the two leaves a record without an
//! answer, which the ids of events see to.

use tidings_api::{
    Problem,
    idempotency::{Answer, IdempotencyKey},
};

use crate::Deps;

impl Deps {
    /// The answer that the key was given before.
    pub async fn answered(&self, key: &IdempotencyKey, body: &[u8]) -> Result<Option<Answer>, Problem> {
        if !key.is_given() {
            return Ok(None);
        }
        let (key, body) = (key.clone(), body.to_vec());
        self.store.transact(move |tx| async move { key.seen(&tx, &body).await }).await
    }

    /// Keeps the answer for the key; whoever came meanwhile with the same one was first, and theirs holds.
    pub async fn keep_answer(
        &self,
        key: IdempotencyKey,
        body: &[u8],
        answer: Answer,
    ) -> Result<Answer, Problem> {
        if !key.is_given() {
            return Ok(answer);
        }
        let (now, body) = (self.clock.now(), body.to_vec());
        self.store
            .transact(move |tx| async move {
                if let Some(first) = key.seen(&tx, &body).await? {
                    return Ok(first);
                }
                key.keep(&tx, &body, &answer, now).await?;
                Ok::<_, Problem>(answer)
            })
            .await
    }
}
