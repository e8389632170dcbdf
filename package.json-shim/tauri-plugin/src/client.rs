//! The client for Rust: it outlives its programs, as the npm client does.

use crate::call::{Call, Slot};
use crate::error::{Error, Result};
use crate::ids::Loaded;
use crate::lines::Lines;
use crate::methods::PROTOCOL_VERSION;
use crate::program::{locked, Listeners, Program, Unwritten};
use crate::types::{Info, InitParams, InitResult, Progress};
use serde::Serialize;
use serde_json::{json, Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// From the start of the program to the answer of `init`: a virus scanner may read the whole program first.
const START: Duration = Duration::from_secs(60);
/// From the request to load a model or to create a context again to its answer.
const LOAD: Duration = Duration::from_secs(600);
/// When a program has lived this long, its next death is the first in a row.
const LONG_LIFE: Duration = Duration::from_secs(60);
/// Most calls that wait for an answer, or for the next program.
const MOST_CALLS: usize = 1000;

/// How to start the program, and what to do when it dies.
#[derive(Default)]
pub struct Options {
    /// The settings of the program.
    pub init: InitParams,
    /// Start the program again when it has died, and load its models and contexts again under their ids. Open calls
    /// fail with `exited`; calls made meanwhile wait.
    pub restart: Option<Restart>,
    /// Gets a message for people that belongs to no call. It must not wait.
    pub on_info: Option<Box<dyn Fn(Info) + Send + Sync>>,
    /// Gets a piece of the program's log. It must not wait.
    pub on_log: Option<Box<dyn Fn(&str) + Send + Sync>>,
}

/// How often, and after which pauses, a program that died is started again.
#[derive(Debug, Clone)]
pub struct Restart {
    /// Give up after this many starts in a row. A life of more than a minute ends the row.
    pub attempts: u32,
    /// The pause before the first start. It doubles with each further one.
    pub delay: Duration,
    /// The longest pause.
    pub most_delay: Duration,
}

impl Default for Restart {
    fn default() -> Self {
        Self { attempts: 5, delay: Duration::from_millis(250), most_delay: Duration::from_secs(10) }
    }
}

/// A running program. Clones use the same one, which ends when the last of them is dropped.
#[derive(Clone)]
pub struct Llama {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    path: PathBuf,
    args: Vec<String>,
    options: Options,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    program: Option<Program>,
    ready: bool,
    over: Option<Error>,
    lives: u64,
    born: Option<Instant>,
    deaths: u32,
    last_id: u64,
    open: BTreeMap<u64, Open>,
    loaded: Loaded,
    /// Those of the app's last `init`, if it has sent one.
    settings: Option<Map<String, Value>>,
}

/// A call without an answer. It waits for the next program until it is sent.
struct Open {
    method: String,
    params: Map<String, Value>,
    slot: Arc<Slot>,
    sent: bool,
}

impl Llama {
    /// Start a program at a path. `LlamaSidecarExt` starts the one that the app ships.
    pub async fn start_program(path: PathBuf, args: Vec<String>, options: Options) -> Result<Self> {
        let inner = Arc::new(Inner { path, args, options, state: Mutex::default() });
        let llama = Self { inner: inner.clone() };
        let started = tauri::async_runtime::spawn_blocking(move || inner.begin());
        match started.await {
            Ok(result) => result.map(|()| llama),
            Err(error) => Err(Error::new("startFailed", error.to_string())),
        }
    }

    /// End the program and all its work. Resolves when its process has ended.
    pub async fn dispose(&self) {
        let inner = self.inner.clone();
        let _ = tauri::async_runtime::spawn_blocking(move || inner.end()).await;
    }

    /// Send any request. The methods of this type are the typed ones.
    pub fn request<R>(&self, method: &str, params: impl Serialize) -> Call<R> {
        let slot = Arc::new(Slot::default());
        let id = match serde_json::to_value(params) {
            Ok(Value::Object(params)) => self.inner.send(method, params, &slot, false),
            _ => Err(Error::new("invalidParams", "params are an object")),
        };
        if let Err(error) = &id {
            slot.finish(Err(error.clone()));
        }
        Call::new(slot, Arc::downgrade(&self.inner), id.unwrap_or_default())
    }
}

impl Inner {
    /// Start the program and prepare it for calls. Called on a thread that may wait.
    fn begin(self: &Arc<Self>) -> Result<()> {
        self.launch()?;
        let prepared = self.prepare();
        let mut state = locked(&self.state);
        if let (Ok(()), None, Some(_)) = (&prepared, &state.over, &state.program) {
            state.ready = true;
            let waiting: Vec<u64> = state.open.iter().filter(|(_, open)| !open.sent).map(|(id, _)| *id).collect();
            for id in waiting {
                if state.write(id) == Err(Unwritten::Ended) {
                    state.wait(id, false);
                }
            }
            return Ok(());
        }
        let program = state.program.take();
        let why = state.over.clone().unwrap_or_else(|| Error::new("exited", "The program ended as soon as it was ready."));
        drop(state);
        drop(program); // ends it
        prepared.and(Err(why))
    }

    fn launch(self: &Arc<Self>) -> Result<()> {
        let mut state = locked(&self.state);
        if let Some(error) = &state.over {
            return Err(error.clone());
        }
        state.lives += 1;
        let life = state.lives;
        let mut lines = Lines::default();
        let (reading, logging, ending) = (Arc::downgrade(self), Arc::downgrade(self), Arc::downgrade(self));
        let listeners = Listeners {
            output: Box::new(move |bytes| {
                let Some(inner) = reading.upgrade() else { return };
                if !lines.take(bytes, |message| inner.accept(message)) {
                    locked(&inner.state).program.take(); // another program, with an endless line
                }
            }),
            log: Box::new(move |text| {
                if let Some(log) = logging.upgrade().as_ref().and_then(|inner| inner.options.on_log.as_ref()) {
                    log(text);
                }
            }),
            ended: Box::new(move |how, log| {
                let all = if log.is_empty() { how } else { format!("{how} The end of its log:\n{log}") };
                if let Some(inner) = ending.upgrade() {
                    inner.ended(life, &all);
                }
            }),
        };
        let program = Program::start(&self.path, &self.args, listeners).map_err(|error| {
            Error::new("startFailed", format!("{} could not be started: {error}", self.path.display()))
        })?;
        state.program = Some(program);
        state.born = Some(Instant::now());
        Ok(())
    }

    /// Send `init`, then load everything that the former program had loaded.
    fn prepare(self: &Arc<Self>) -> Result<()> {
        let again = locked(&self.state).settings.clone();
        let mut settings = again.unwrap_or_else(|| as_members(&self.options.init));
        settings.insert("protocolVersion".into(), json!(PROTOCOL_VERSION));
        let told: InitResult = serde_json::from_value(self.ask("init", settings, START)?)
            .map_err(|error| Error::new("startFailed", format!("The program answers strangely: {error}.")))?;
        if told.protocol_version != PROTOCOL_VERSION {
            let message = "Ship this crate and the program of the same release: they speak different protocols.";
            return Err(Error::new("unsupportedProtocolVersion", message));
        }
        let again = locked(&self.state).loaded.begin_again();
        for (own, method, params) in again {
            let result = self.ask(method, params, LOAD)?;
            locked(&self.state).loaded.known_as(&own, &result);
        }
        Ok(())
    }

    /// Send a request before all others, and wait for its result.
    fn ask(self: &Arc<Self>, method: &str, params: Map<String, Value>, time: Duration) -> Result<Value> {
        let slot = Arc::new(Slot::default());
        self.send(method, params, &slot, true)?;
        let late = || Error::new("startFailed", format!("The program did not answer {method} in time."));
        slot.wait(time).unwrap_or_else(|| Err(late()))
    }

    /// Send a call, or let it wait for the program that is being started. Returns its id.
    fn send(&self, method: &str, params: Map<String, Value>, slot: &Arc<Slot>, first: bool) -> Result<u64> {
        let mut state = locked(&self.state);
        if let Some(error) = &state.over {
            return Err(error.clone());
        }
        if state.open.len() >= MOST_CALLS {
            return Err(Error::new("overloaded", format!("{MOST_CALLS} calls wait for their answers.")));
        }
        state.last_id += 1;
        let id = state.last_id;
        let open = Open { method: method.into(), params, slot: slot.clone(), sent: false };
        state.open.insert(id, open);
        if state.ready || first {
            match state.write(id) {
                Ok(()) => {}
                Err(Unwritten::Full) => {
                    state.open.remove(&id);
                    return Err(Error::new("overloaded", "The program does not read: too many requests wait for it."));
                }
                // The end of the program is about to be told: then this call fails, or the next program gets it.
                Err(Unwritten::Ended) => state.wait(id, first),
            }
        }
        if method == "shutdown" {
            state.over.get_or_insert_with(closed); // its end is wanted
        }
        Ok(id)
    }

    /// Ask the program to stop the work of a call; a call that was not sent yet fails at once.
    pub(crate) fn cancel(&self, id: u64) {
        let mut state = locked(&self.state);
        match state.open.get(&id).map(|open| open.sent) {
            Some(true) => {
                let line = json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}});
                let _ = state.write_line(&line); // a program that does not read is about to end
            }
            Some(false) => {
                if let Some(open) = state.open.remove(&id) {
                    drop(state); // what is woken may call again
                    open.slot.finish(Err(Error::new("aborted", "The call was aborted before it was sent.")));
                }
            }
            None => {}
        }
    }

    /// A message of the program.
    fn accept(&self, message: Value) {
        if message["method"] == "progress" {
            let id = message["params"]["requestId"].as_u64();
            let slot = id.and_then(|id| locked(&self.state).open.get(&id).map(|open| open.slot.clone()));
            if let (Some(slot), Ok(progress)) = (slot, serde_json::from_value::<Progress>(message["params"].clone())) {
                slot.push(progress);
            }
        } else if message["method"] == "info" {
            if let (Some(tell), Ok(info)) = (&self.options.on_info, serde_json::from_value(message["params"].clone())) {
                tell(info);
            }
        } else if let Some(id) = message["id"].as_u64() {
            self.answer(id, message);
        }
    }

    fn answer(&self, id: u64, mut message: Value) {
        let mut state = locked(&self.state);
        let Some(Open { method, params, slot, .. }) = state.open.remove(&id) else { return };
        let result = if message["error"].is_object() {
            Err(Error::of_response(&message["error"]))
        } else {
            let mut result = message["result"].take();
            if state.ready {
                state.loaded.note(&method, &params, &mut result);
                if method == "init" {
                    state.settings = Some(params);
                }
            }
            Ok(result)
        };
        drop(state);
        slot.finish(result);
    }

    /// A program has ended: open calls fail, and the next one is started if that is wanted.
    fn ended(self: &Arc<Self>, life: u64, how: &str) {
        let mut state = locked(&self.state);
        if life != state.lives {
            return;
        }
        let program = state.program.take();
        let was_ready = std::mem::take(&mut state.ready);
        let error = Error::new("exited", how);
        let mut failed = state.take_open(|open| open.sent);
        if state.born.is_some_and(|born| born.elapsed() > LONG_LIFE) {
            state.deaths = 0;
        }
        let again = match &self.options.restart {
            Some(restart) if state.over.is_none() && was_ready => Some(restart.clone()),
            _ => None,
        };
        if again.is_none() && was_ready {
            failed.extend(state.take_open(|_| true));
            state.over.get_or_insert_with(|| error.clone());
        }
        drop(state);
        drop(program);
        failed.iter().for_each(|open| open.slot.finish(Err(error.clone())));
        if let Some(restart) = again {
            let inner = Arc::downgrade(self);
            thread::spawn(move || begin_again(&inner, &restart, error));
        }
    }

    /// Start the program for the next time, after a pause. Returns whether that is over, well or not.
    fn try_again(self: &Arc<Self>, error: &mut Error, restart: &Restart) -> bool {
        match self.begin() {
            Ok(()) => return true,
            Err(reason) => *error = reason,
        }
        let mut state = locked(&self.state);
        if state.over.is_none() && state.deaths < restart.attempts {
            return false;
        }
        state.over.get_or_insert_with(|| error.clone());
        let failed = state.take_open(|_| true);
        drop(state);
        failed.iter().for_each(|open| open.slot.finish(Err(error.clone())));
        true
    }

    /// End the program, and let all calls fail.
    pub(crate) fn end(&self) {
        let mut state = locked(&self.state);
        state.over.get_or_insert_with(closed);
        let program = state.program.take();
        let failed = state.take_open(|_| true);
        drop(state);
        failed.iter().for_each(|open| open.slot.finish(Err(closed())));
        if let Some(program) = program {
            program.end();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for open in locked(&self.state).take_open(|_| true) {
            open.slot.finish(Err(closed()));
        }
    }
}

/// Start the program again and again, until one is ready or there were too many. The pauses hold no `Inner`, so a client
/// that was dropped ends here.
fn begin_again(inner: &Weak<Inner>, restart: &Restart, mut error: Error) {
    loop {
        let deaths = match inner.upgrade() {
            Some(inner) => {
                let mut state = locked(&inner.state);
                state.deaths += 1;
                state.deaths
            }
            None => return,
        };
        let doubled = restart.delay.saturating_mul(1 << (deaths - 1).min(20));
        thread::sleep(doubled.min(restart.most_delay));
        match inner.upgrade() {
            Some(inner) if !inner.try_again(&mut error, restart) => {}
            _ => return,
        }
    }
}

impl State {
    fn take_open(&mut self, which: impl Fn(&Open) -> bool) -> Vec<Open> {
        let ids: Vec<u64> = self.open.iter().filter(|(_, open)| which(open)).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| self.open.remove(id)).collect()
    }

    fn write(&mut self, id: u64) -> std::result::Result<(), Unwritten> {
        let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
        open.sent = true;
        let params = self.loaded.as_the_program_knows(open.params.clone());
        let line = json!({"jsonrpc": "2.0", "id": id, "method": open.method, "params": params});
        self.write_line(&line)
    }

    fn write_line(&mut self, message: &Value) -> std::result::Result<(), Unwritten> {
        let line = format!("{message}\n").into_bytes();
        self.program.as_ref().map_or(Err(Unwritten::Ended), |program| program.write(line))
    }

    /// A call that could not be written waits for the next program, unless it was the present one's own (`first`).
    fn wait(&mut self, id: u64, first: bool) {
        if let Some(open) = self.open.get_mut(&id) {
            open.sent = first;
        }
    }
}

fn as_members(params: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(params) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn closed() -> Error {
    Error::new("closed", "The program was told to end.")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::types::PingResult;
    use std::{env, fs, process};

    /// A program that answers `init` and then closes its input, but does not end before it is let go. The one after it
    /// answers `ping`. Returns what became of a call that was lost, and of one that could not be written.
    async fn calls_of_a_program_that_reads_no_more(restart: Option<Restart>) -> (Error, Result<PingResult>) {
        let told = InitResult { protocol_version: PROTOCOL_VERSION, ..Default::default() };
        let folder = env::temp_dir().join(format!("llama-sidecar-{}-{}", process::id(), restart.is_some()));
        let script = format!(
            r#"answer() {{
                read line; id=${{line#*\"id\":}}; id=${{id%%[,\}}]*}}
                printf '%s\n' "{{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":$1}}"
            }}
            answer '{}'
            if mkdir {folder}; then exec 0<&-; while [ ! -e {folder}/go ]; do sleep 0.02; done; exit; fi
            answer '{{"uptimeMs":1}}'; read line"#,
            json!(told),
            folder = folder.display(),
        );
        let options = Options { restart, ..Default::default() };
        let llama = Llama::start_program("sh".into(), vec!["-c".into(), script], options).await.unwrap();
        let lost = llama.ping();
        while locked(&llama.inner.state).write_line(&json!({})) != Err(Unwritten::Ended) {
            thread::sleep(Duration::from_millis(5));
        }
        let unwritten = llama.ping();
        fs::write(folder.join("go"), "").unwrap();
        let found = (lost.await.unwrap_err(), unwritten.await);
        fs::remove_dir_all(folder).unwrap();
        found
    }

    #[test]
    fn a_call_to_a_program_that_reads_no_more_fails_when_its_end_is_told() {
        tauri::async_runtime::block_on(async {
            let (lost, unwritten) = calls_of_a_program_that_reads_no_more(None).await;
            for error in [lost, unwritten.unwrap_err()] {
                assert_eq!((error.kind.as_str(), error.retryable()), ("exited", true));
            }
        });
    }

    #[test]
    fn with_restart_such_a_call_is_answered_by_the_next_program() {
        tauri::async_runtime::block_on(async {
            let restart = Restart { delay: Duration::ZERO, ..Default::default() };
            let (lost, unwritten) = calls_of_a_program_that_reads_no_more(Some(restart)).await;
            assert_eq!(lost.kind, "exited");
            assert_eq!(unwritten.unwrap().uptime_ms, 1.0);
        });
    }
}
