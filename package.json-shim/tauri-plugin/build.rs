fn main() {
    tauri_plugin::Builder::new(&["start", "write", "acknowledge", "stop"]).build();
}
