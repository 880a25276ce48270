//! The feed: the delivery log's tail, decoded and encoded once, with a window of what came last.

mod reading;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tidings_delivery_core::{Generation, Generations, Place, accept::Accepted, window::Window};
use tidings_log::{Log, LogError};
use tidings_store::{Appends, Store, StoreError};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{Delivery, Mark, Person, deliver, generations, projection, receipts, retention};

/// How long a receipt waits for the projection.
const SETTLES: Duration = Duration::from_secs(2);
/// The pause while the database is away.
const AWAY_PAUSE: Duration = Duration::from_millis(250);

/// Pause between two looks for numbers that were given up, or for a generation that began.
const LOOK: Duration = Duration::from_secs(1);

/// How much of the delivery log is kept in memory.
#[derive(Clone, Copy, Debug)]
pub struct FeedOptions {
    /// How far back it reaches.
    pub window: Duration,
    /// The most bytes of frames it holds.
    pub window_bytes: usize,
    /// Records read at once.
    pub batch: usize,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self { window: Duration::from_mins(5), window_bytes: 64 << 20, batch: 500 }
    }
}

/// The feed of a process; all its connections share it.
#[derive(Debug)]
pub struct Feed {
    store: Store,
    log: Arc<dyn Log>,
    generations: watch::Sender<Arc<Generations>>,
    options: FeedOptions,
    // Only beside a log that lies in the database's own file.
    mark: Option<Mark>,
    begin: (Generation, Accepted),
    window: Mutex<Window<Delivery>>,
    // The place up to which the projection was complete when it was last looked at, and when that was.
    projected: Mutex<(Place, Instant)>,
    // The newest place that the log was seen to have.
    end: tokio::sync::Mutex<Place>,
}

/// Who is told of new deliveries.
pub trait Listener: Send + Sync {
    /// Takes deliveries in the order of the log; the log was read up to `head`.
    fn take(&self, deliveries: &[Delivery], head: Place);

    /// The log is another one from here on, and its records stand behind `head`: whoever is shown them begins anew.
    fn begin_anew(&self, head: Place);
}

impl Feed {
    /// A feed whose window is empty and begins where the projection is complete: what lies before is read there.
    pub async fn open(
        store: Store,
        log: Arc<dyn Log>,
        generations: Generations,
        mark: Option<Mark>,
        options: FeedOptions,
    ) -> Result<Self, StoreError> {
        let begin = beginning(&store).await?;
        let place = begin.1.place;
        let window = Mutex::new(Window::new(place));
        let projected = Mutex::new((place, Instant::now()));
        Ok(Self {
            store,
            log,
            generations: watch::Sender::new(Arc::new(generations)),
            options,
            mark,
            begin,
            window,
            projected,
            end: tokio::sync::Mutex::new(Place::ORIGIN),
        })
    }

    /// The generations of the log.
    pub fn generations(&self) -> Arc<Generations> {
        Arc::clone(&self.generations.borrow())
    }

    /// The generations of the log, and those that begin.
    pub fn follow_generations(&self) -> watch::Receiver<Arc<Generations>> {
        self.generations.subscribe()
    }

    /// Whether the log can become another one while this process runs: it lies elsewhere.
    pub fn may_change_its_log(&self) -> bool {
        self.store.appends() == Appends::Outbox
    }

    /// Looks until `stop` whether a generation began: the projection begins them, in whichever process it runs.
    pub async fn keep_generations(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            match self.store.read(|tx| async move { generations::all(&tx).await }).await {
                Ok(known) => {
                    self.generations.send_if_modified(|own| {
                        let began = own.current() != known.current();
                        if began {
                            *own = Arc::new(known);
                        }
                        began
                    });
                }
                Err(cause) => {
                    let cause: StoreError = cause;
                    tracing::debug!(%cause, "whether a generation began could not be looked up");
                }
            }
        }
    }

    fn generation(&self) -> Generation {
        self.generations.borrow().current()
    }

    /// The newest place that was read.
    pub fn head(&self) -> Place {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).head()
    }

    /// The newest place of the log, if it is at or past `wanted`: what was not read here yet was shown by another
    /// node, or by this one before it was started again, whose projection is behind.
    pub async fn reaches(&self, wanted: Place) -> Result<Place, LogError> {
        let head = self.head();
        if head >= wanted || self.store.appends() == Appends::Log {
            return Ok(head);
        }
        // One question, whoever else waits for its answer.
        let mut end = self.end.lock().await;
        if *end < wanted {
            *end = self.ask_for_end().await?;
        }
        Ok(head.max(*end))
    }

    /// Waits until the projection has what this process has shown, so that lists show what screens do. At most two
    /// seconds.
    pub async fn catches_up(&self) -> Result<(), StoreError> {
        projection::reached(&self.store, self.head(), SETTLES).await.map(drop)
    }

    /// Waits until the projection has the items that a client names: what was shown, here or by another process, is
    /// never taken for something that was not theirs. At most two seconds; then what is not projected is not known.
    pub async fn settles(&self, person: &Person, items: &[String]) -> Result<(), StoreError> {
        if self.store.appends() == Appends::Log || items.is_empty() {
            return Ok(());
        }
        self.catches_up().await?;
        let (person, items) = (person.clone(), items.to_vec());
        let known = self.store.read(move |tx| async move {
            for item in &items {
                if !receipts::is_theirs(&tx, &person, item).await? {
                    return Ok(false);
                }
            }
            Ok::<_, StoreError>(true)
        });
        if known.await? {
            return Ok(());
        }
        match self.ask_for_end().await {
            Ok(end) => projection::reached(&self.store, end, SETTLES).await.map(drop),
            Err(cause) => {
                tracing::warn!(%cause, "the end of the delivery log could not be asked for");
                Ok(())
            }
        }
    }

    async fn ask_for_end(&self) -> Result<Place, LogError> {
        projection::end(&*self.log, &projection::topic(&self.store), self.generation()).await
    }

    /// The place behind which the window misses nothing.
    pub fn window_after(&self) -> Place {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).after()
    }

    /// The place behind which the projection has forgotten nothing.
    pub async fn kept_after(&self) -> Result<Place, StoreError> {
        self.store.read(|tx| async move { retention::kept_after(&tx).await }).await
    }

    /// The subjects that the window's records removed.
    pub fn removed(&self) -> Vec<String> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.removed().map(str::to_owned).collect()
    }

    /// What came after one place and up to another, if the window reaches back that far.
    pub fn between(&self, after: Place, upto: Place) -> Option<Vec<Delivery>> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        Some(window.read(after, upto)?.cloned().collect())
    }
}

/// The newest generation, and how far the projection is in it.
async fn beginning(store: &Store) -> Result<(Generation, Accepted), StoreError> {
    store
        .read(|tx| async move {
            let generation = generations::all(&tx).await?.current();
            let begin = match projection::stored(&tx).await? {
                Some(stored) => stored,
                None => Accepted { place: deliver::head(&tx).await?, ..Accepted::default() },
            };
            Ok((generation, begin))
        })
        .await
}
