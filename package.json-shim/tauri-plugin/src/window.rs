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

/// What a page hears of its program, besides its output.
#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Event {
    Log { text: String },
    Ended { how: String },
}

#[derive(Default)]
pub(crate) struct Programs {
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    last_id: u32,
    by_id: HashMap<u32, WindowsProgram>,
}

struct WindowsProgram {
    window: String,
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

impl Programs {
    fn of(&self, window: &str, id: u32) -> Result<(Arc<Program>, Arc<Unread>)> {
        let running = locked(&self.running);
        match running.by_id.get(&id) {
            Some(own) if own.window == window => Ok((own.program.clone(), own.unread.clone())),
            _ => Err(Error::new("closed", "This window has no such program.")),
        }
    }

    /// End the programs of a window that is closed or loads another page.
    pub(crate) fn leave(&self, window: &str) {
        let mut running = locked(&self.running);
        running.by_id.retain(|_, own| {
            let stays = own.window != window;
            if !stays {
                own.unread.leave();
                own.program.close();
            }
            stays
        });
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
    output: Channel<InvokeResponseBody>,
    events: Channel<Event>,
) -> Result<u32> {
    let unread = Arc::new(Unread::default());
    let mut running = locked(&sidecar.programs.running);
    if running.by_id.len() >= MOST_PROGRAMS {
        return Err(Error::new("overloaded", format!("{MOST_PROGRAMS} programs run. End one of them first.")));
    }
    running.last_id += 1;
    let id = running.last_id;
    let (counting, logging) = (unread.clone(), events.clone());
    let listeners = Listeners {
        output: Box::new(move |bytes| {
            counting.add(bytes.len());
            let _ = output.send(InvokeResponseBody::Raw(bytes.to_vec())); // the page may be gone
        }),
        log: Box::new(move |text| {
            let _ = logging.send(Event::Log { text: text.into() });
        }),
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
    let own = WindowsProgram { window: webview.label().into(), program: Arc::new(program), unread };
    running.by_id.insert(id, own);
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
}
