//! A request that was sent: a future of its result, with the progress until then.

use crate::client::Inner;
use crate::error::{Error, Result};
use crate::program::locked;
use crate::types::{GenerateProgress, Progress};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::VecDeque;
use std::future::{poll_fn, Future};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A call of the program. `await` it for the result, or take its progress first with `next`. A call that is dropped
/// before its result has come is aborted.
#[must_use = "a call that is dropped is aborted"]
pub struct Call<R> {
    slot: Arc<Slot>,
    client: Weak<Inner>,
    id: u64,
    result: PhantomData<fn() -> R>,
}

/// Where the answer arrives.
#[derive(Default)]
pub(crate) struct Slot {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    progress: VecDeque<Progress>,
    result: Option<Result<Value>>,
    taken: bool,
    waker: Option<Waker>,
}

impl Slot {
    pub(crate) fn finish(&self, result: Result<Value>) {
        self.change(|state| state.result = Some(result));
    }

    /// Keep progress until it is taken. What waits is joined, so no more waits than the whole answer.
    pub(crate) fn push(&self, progress: Progress) {
        self.change(|state| match (state.progress.back_mut(), progress) {
            (Some(Progress::Generate(last)), Progress::Generate(next)) if joins(last, &next) => {
                last.delta.push_str(&next.delta);
                last.completion_tokens = next.completion_tokens;
                last.progress = next.progress;
            }
            (Some(last), next)
                if !matches!(next, Progress::Generate(_))
                    && std::mem::discriminant(last) == std::mem::discriminant(&next) =>
            {
                *last = next;
            }
            (_, next) => state.progress.push_back(next),
        });
    }

    /// Wait for the result on this thread; None after this time.
    pub(crate) fn wait(&self, time: Duration) -> Option<Result<Value>> {
        let state = locked(&self.state);
        let waited = self.arrived.wait_timeout_while(state, time, |state| state.result.is_none());
        waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0.result.take()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = locked(&self.state);
            change(&mut state);
            state.waker.take()
        };
        self.arrived.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Whether a piece continues the last one. Probabilities belong to their own tokens.
fn joins(last: &GenerateProgress, next: &GenerateProgress) -> bool {
    let index = |piece: &GenerateProgress| piece.tool_call.as_ref().map(|call| call.index);
    last.segment == next.segment && index(last) == index(next) && last.logprobs.is_none() && next.logprobs.is_none()
}

impl<R> Call<R> {
    pub(crate) fn new(slot: Arc<Slot>, client: Weak<Inner>, id: u64) -> Self {
        Self { slot, client, id, result: PhantomData }
    }

    /// The next progress; None when the result, or an error, has come.
    pub async fn next(&mut self) -> Option<Progress> {
        poll_fn(|context| {
            let mut state = locked(&self.slot.state);
            match state.progress.pop_front() {
                Some(progress) => Poll::Ready(Some(progress)),
                None if state.result.is_some() || state.taken => Poll::Ready(None),
                None => {
                    state.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Ask the program to stop. The call then fails with the kind `aborted`, and `data.partial` has what was done.
    pub fn abort(&self) {
        if let Some(client) = self.client.upgrade() {
            client.cancel(self.id);
        }
    }
}

impl<R: DeserializeOwned> Future for Call<R> {
    type Output = Result<R>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = locked(&self.slot.state);
        match state.result.take() {
            Some(result) => {
                state.taken = true;
                Poll::Ready(result.and_then(|value| {
                    serde_json::from_value(value)
                        .map_err(|error| Error::new("internalError", format!("The result is of another kind: {error}.")))
                }))
            }
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<R> Drop for Call<R> {
    fn drop(&mut self) {
        let state = locked(&self.slot.state);
        if state.result.is_none() && !state.taken {
            drop(state);
            self.abort();
        }
    }
}
