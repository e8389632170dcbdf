//! A local language model for Tauri apps. The plugin starts the program `llama-sidecar` as a child process: for a page,
//! whose npm client `@llama-sidecar/client/tauri` speaks with it, and for Rust ([`LlamaSidecarExt`]).
//!
//! Each program ends with the app, however that ends; one of a page also when its window is closed or loads another page.

mod call;
mod client;
mod error;
mod ids;
mod lines;
mod messages;
mod methods;
mod program;
pub mod types;
mod window;

pub use call::Call;
pub use client::{Llama, Options, Restart};
pub use error::{Error, Result};
pub use methods::PROTOCOL_VERSION;

use client::Inner;
use program::locked;
use std::path::PathBuf;
use std::sync::{Mutex, Weak};
use tauri::plugin::TauriPlugin;
use tauri::webview::PageLoadEvent;
use tauri::{Manager, RunEvent, Runtime, WindowEvent};

/// The plugin with the program that `bundle.externalBin` puts beside the app.
pub fn init<R: Runtime>() -> TauriPlugin<R> {
    Builder::default().build()
}

/// The plugin with other settings.
#[derive(Default)]
pub struct Builder {
    program: Option<PathBuf>,
}

impl Builder {
    /// Another place of the program than beside the app: `llama-sidecar`, or `llama-sidecar.exe`.
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = Some(path.into());
        self
    }

    /// The plugin, for `tauri::Builder::plugin`.
    pub fn build<R: Runtime>(self) -> TauriPlugin<R> {
        tauri::plugin::Builder::new("llama-sidecar")
            .invoke_handler(tauri::generate_handler![
                window::start,
                window::write,
                window::acknowledge,
                window::stop
            ])
            .setup(move |app, _| {
                let program = self.program.map_or_else(beside_the_app, Ok)?;
                app.manage(LlamaSidecar { program, programs: Default::default(), clients: Default::default() });
                Ok(())
            })
            .on_page_load(|webview, payload| {
                if payload.event() == PageLoadEvent::Started {
                    webview.state::<LlamaSidecar>().programs.leave(webview.label());
                }
            })
            .on_event(|app, event| match event {
                RunEvent::WindowEvent { label, event: WindowEvent::Destroyed, .. } => {
                    app.state::<LlamaSidecar>().programs.leave_window(label);
                }
                RunEvent::Exit => app.state::<LlamaSidecar>().end(),
                _ => {}
            })
            .build()
    }
}

/// Where Tauri puts an entry of `bundle.externalBin`.
fn beside_the_app() -> std::io::Result<PathBuf> {
    let name = format!("llama-sidecar{}", std::env::consts::EXE_SUFFIX);
    Ok(tauri::utils::platform::current_exe()?.with_file_name(name))
}

/// What the plugin runs; [`LlamaSidecarExt`] has it.
pub struct LlamaSidecar {
    program: PathBuf,
    programs: window::Programs,
    clients: Mutex<Vec<Weak<Inner>>>,
}

impl LlamaSidecar {
    /// Start a program for Rust. It ends with the app, or when the last clone of the client is dropped.
    pub async fn start(&self, options: Options) -> Result<Llama> {
        let llama = Llama::start_program(self.program.clone(), Vec::new(), options).await?;
        let mut clients = locked(&self.clients);
        clients.retain(|client| client.strong_count() > 0);
        clients.push(std::sync::Arc::downgrade(&llama.inner));
        Ok(llama)
    }

    fn end(&self) {
        self.programs.end();
        for client in locked(&self.clients).drain(..) {
            if let Some(inner) = client.upgrade() {
                inner.end();
            }
        }
    }
}

/// `app.llama_sidecar()`, on everything that has the app's state.
pub trait LlamaSidecarExt<R: Runtime> {
    /// What the plugin runs.
    fn llama_sidecar(&self) -> &LlamaSidecar;
}

impl<R: Runtime, T: Manager<R>> LlamaSidecarExt<R> for T {
    fn llama_sidecar(&self) -> &LlamaSidecar {
        self.state::<LlamaSidecar>().inner()
    }
}
