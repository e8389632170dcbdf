// No console window beside the app on Windows.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() {
    tauri::Builder::default()
        .plugin(tauri_plugin_llama_sidecar::init())
        .run(tauri::generate_context!())
        .expect("the app could not be started");
}
