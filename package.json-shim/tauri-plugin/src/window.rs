//! Programs of windows: the npm client in a page starts them and passes their bytes.

use crate::error::{Error, Result};
use crate::program::{locked, Listeners, Program};
use crate::LlamaSidecar;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use tauri::ipc::{Channel, InvokeResponseBody};
use tauri::{command, AppHandle, Manager, Runtime, State, Webview};

/// Bytes that may be on their way to a page. More waits in the program's pipe, and then the program waits.
const MOST_UNREAD: usize = 4 * 1024 * 1024;
/// Most programs of all windows at once.
const MOST_PROGRAMS: usize = 16;

/// What a page hears of its program, besides its output. `bytes` are to be confirmed.
#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Event {
    Log { text: String, bytes: usize },
    Ended { how: String },
}

#[derive(Default)]
pub(crate) struct Programs {
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    last_id: u32,
    by_id: HashMap<u32, PagesProgram>,
}

/// The page that a program belongs to.
#[derive(Clone, PartialEq)]
struct Page {
    window: String,
    webview: String,
    /// When it began, by its own clock: a later page of the same webview replaces it.
    began: f64,
}

struct PagesProgram {
    page: Page,
    program: Arc<Program>,
    unread: Arc<Unread>,
}

/// Counts the bytes that the page has not confirmed yet.
#[derive(Default)]
struct Unread {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Unread {
    /// Wait until there is room, or until the page is gone.
    fn add(&self, bytes: usize) {
        let state = locked(&self.state);
        let full = |(unread, gone): &mut (usize, bool)| *unread >= MOST_UNREAD && !*gone;
        let waited = self.changed.wait_while(state, full);
        waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0 += bytes;
    }

    /// Count the bytes if there is room for more.
    fn add_if_room(&self, bytes: usize) -> bool {
        let mut state = locked(&self.state);
        let room = state.0 < MOST_UNREAD;
        if room {
            state.0 += bytes;
        }
        room
    }

    fn confirm(&self, bytes: usize) {
        let mut state = locked(&self.state);
        state.0 = state.0.saturating_sub(bytes);
        self.changed.notify_all();
    }

    fn leave(&self) {
        locked(&self.state).1 = true;
        self.changed.notify_all();
    }
}

/// Passes on the log as long as there is room: what a busy page cannot take is left out, and the program goes on.
fn log_within(unread: Arc<Unread>, send: impl Fn(Event) + Send + 'static) -> Box<dyn FnMut(&str) + Send> {
    let mut left_out = 0;
    Box::new(move |text| {
        let bytes = text.len();
        if !unread.add_if_room(bytes) {
            left_out += bytes;
            return;
        }
        let text = match std::mem::take(&mut left_out) {
            0 => text.into(),
            some => format!("\n({some} bytes of the log were left out)\n{text}"),
        };
        send(Event::Log { text, bytes });
    })
}

impl Running {
    /// End some of the programs.
    fn end_those(&mut self, which: impl Fn(&Page) -> bool) {
        self.by_id.retain(|_, own| {
            let ends = which(&own.page);
            if ends {
                own.unread.leave();
                own.program.close();
            }
            !ends
        });
    }

    /// Begin to start a program for a page: returns its id. A page that was left ends here, at the latest: its request may
    /// come after the news that another page is loaded.
    fn begin(&mut self, page: &Page) -> Result<u32> {
        let same_webview = |other: &Page| (&other.webview, &other.window) == (&page.webview, &page.window);
        if self.by_id.values().any(|own| same_webview(&own.page) && own.page.began > page.began) {
            return Err(Error::new("closed", "Another page has replaced this one."));
        }
        self.end_those(|other| same_webview(other) && other.began < page.began);
        if self.by_id.len() >= MOST_PROGRAMS {
            return Err(Error::new("overloaded", format!("{MOST_PROGRAMS} programs run. End one of them first.")));
        }
        self.last_id += 1;
        Ok(self.last_id)
    }
}

impl Programs {
    fn of(&self, webview: &str, id: u32) -> Result<(Arc<Program>, Arc<Unread>)> {
        let running = locked(&self.running);
        match running.by_id.get(&id) {
            Some(own) if own.page.webview == webview => Ok((own.program.clone(), own.unread.clone())),
            _ => Err(Error::new("closed", "This window has no such program.")),
        }
    }

    /// End the programs of a webview that loads another page.
    pub(crate) fn leave(&self, webview: &str) {
        locked(&self.running).end_those(|page| page.webview == webview);
    }

    /// End the programs of a window that is closed, of all its webviews.
    pub(crate) fn leave_window(&self, window: &str) {
        locked(&self.running).end_those(|page| page.window == window);
    }

    /// End all programs: the app ends.
    pub(crate) fn end(&self) {
        let all: Vec<_> = locked(&self.running).by_id.drain().collect();
        for (_, own) in &all {
            own.unread.leave();
            own.program.close(); // all at once; then wait for each
        }
        for (_, own) in all {
            own.program.end();
        }
    }
}

#[command]
pub(crate) async fn start<R: Runtime>(
    app: AppHandle<R>,
    webview: Webview<R>,
    sidecar: State<'_, LlamaSidecar>,
    began: f64,
    output: Channel<InvokeResponseBody>,
    events: Channel<Event>,
) -> Result<u32> {
    let page = Page { window: webview.window().label().into(), webview: webview.label().into(), began };
    let unread = Arc::new(Unread::default());
    let mut running = locked(&sidecar.programs.running);
    let id = running.begin(&page)?;
    let (counting, logging) = (unread.clone(), events.clone());
    let listeners = Listeners {
        output: Box::new(move |bytes| {
            counting.add(bytes.len());
            let _ = output.send(InvokeResponseBody::Raw(bytes.to_vec())); // the page may be gone
        }),
        log: log_within(unread.clone(), move |event| drop(logging.send(event))), // the page may be gone
        ended: Box::new(move |how, _| {
            let _ = events.send(Event::Ended { how });
            let sidecar = app.state::<LlamaSidecar>();
            let ended = locked(&sidecar.programs.running).by_id.remove(&id);
            drop(ended); // without the lock
        }),
    };
    let program = Program::start(&sidecar.program, &[], listeners).map_err(|error| {
        let path = sidecar.program.display();
        Error::new("startFailed", format!("{path} could not be started: {error}. Is it in bundle.externalBin?"))
    })?;
    running.by_id.insert(id, PagesProgram { page, program: Arc::new(program), unread });
    Ok(id)
}

/// Writes one text; the page waits for it before the next, which keeps their order.
#[command]
pub(crate) async fn write<R: Runtime>(
    webview: Webview<R>,
    sidecar: State<'_, LlamaSidecar>,
    id: u32,
    text: String,
) -> Result<()> {
    let (program, _) = sidecar.programs.of(webview.label(), id)?;
    match program.write_in_turn(text.into_bytes()).await {
        true => Ok(()),
        false => Err(Error::new("closed", "The program is ending.")),
    }
}

/// The page has taken so many bytes of the output.
#[command]
pub(crate) fn acknowledge<R: Runtime>(
    webview: Webview<R>,
    sidecar: State<'_, LlamaSidecar>,
    id: u32,
    bytes: usize,
) -> Result<()> {
    sidecar.programs.of(webview.label(), id)?.1.confirm(bytes);
    Ok(())
}

/// Ends the program. Returns when it has ended.
#[command]
pub(crate) async fn stop<R: Runtime>(webview: Webview<R>, sidecar: State<'_, LlamaSidecar>, id: u32) -> Result<()> {
    let (program, unread) = sidecar.programs.of(webview.label(), id)?;
    unread.leave(); // it need not be read any more
    let _ = tauri::async_runtime::spawn_blocking(move || program.end()).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn output_waits_until_the_page_has_taken_what_is_on_its_way() {
        let unread = Arc::new(Unread::default());
        unread.add(MOST_UNREAD);
        let waiting = thread::spawn({
            let unread = unread.clone();
            move || unread.add(1)
        });
        assert!(!waiting.is_finished());
        unread.confirm(1);
        waiting.join().unwrap();
        assert_eq!(locked(&unread.state).0, MOST_UNREAD);
        unread.leave();
        unread.add(MOST_UNREAD); // nobody reads: it does not wait
    }

    #[test]
    fn what_a_busy_page_cannot_take_of_the_log_is_left_out() {
        let unread = Arc::new(Unread::default());
        let (send, sent) = std::sync::mpsc::channel();
        let mut log = log_within(unread.clone(), move |event| send.send(event).unwrap());
        unread.add(MOST_UNREAD - 1);
        for text in ["first", "second", "third"] {
            log(text);
        }
        unread.confirm(MOST_UNREAD);
        log("fourth");
        let told: Vec<_> = sent.try_iter().map(|event| serde_json::to_value(event).unwrap()).collect();
        assert_eq!(told, [
            serde_json::json!({"type": "log", "text": "first", "bytes": 5}),
            serde_json::json!({"type": "log", "text": "\n(11 bytes of the log were left out)\nfourth", "bytes": 6}),
        ]);
    }

    /// A program that ends when its input does, for a page.
    #[cfg(unix)]
    fn add(programs: &Programs, window: &str, webview: &str, began: f64) -> Result<std::sync::mpsc::Receiver<()>> {
        let page = Page { window: window.into(), webview: webview.into(), began };
        let (end, ended) = std::sync::mpsc::channel();
        let mut running = locked(&programs.running);
        let id = running.begin(&page)?;
        let ended_now = Box::new(move |_, _| _ = end.send(())); // not every test waits for it
        let listeners = Listeners { output: Box::new(|_| {}), log: Box::new(|_| {}), ended: ended_now };
        let program = Arc::new(Program::start("cat".as_ref(), &[], listeners).unwrap());
        running.by_id.insert(id, PagesProgram { page, program, unread: Default::default() });
        Ok(ended)
    }

    #[cfg(unix)]
    #[test]
    fn programs_end_with_their_page_their_webview_and_their_window() {
        let programs = Programs::default();
        let main = add(&programs, "main", "main", 1.0).unwrap();
        let side = add(&programs, "main", "side", 1.0).unwrap();
        let other = add(&programs, "other", "other", 1.0).unwrap();
        programs.leave("main");
        main.recv().unwrap();

        let late = add(&programs, "main", "main", 2.0).unwrap(); // of a page that was just left
        let next = add(&programs, "main", "main", 3.0).unwrap();
        late.recv().unwrap();
        let second = add(&programs, "main", "main", 3.0).unwrap();
        assert_eq!(add(&programs, "main", "main", 2.0).unwrap_err().kind, "closed");

        programs.leave_window("main");
        for each in [next, second, side] {
            each.recv().unwrap();
        }
        assert_eq!(locked(&programs.running).by_id.len(), 1);
        for _ in 1..MOST_PROGRAMS {
            add(&programs, "other", "other", 1.0).unwrap();
        }
        assert_eq!(add(&programs, "main", "main", 4.0).unwrap_err().kind, "overloaded");
        programs.end();
        other.recv().unwrap();
    }
}
