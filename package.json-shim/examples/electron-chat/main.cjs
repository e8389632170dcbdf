// The main process: one window, served by one worker. Electron and Tauri share the page of the window.

const { join } = require("node:path");
const { app, BrowserWindow } = require("electron");
const { disposeBeforeQuit, serveWindow } = require("@llama-sidecar/client/electron");

app.whenReady().then(() => {
  const window = new BrowserWindow({
    width: 760,
    height: 720,
    title: "Llama Chat",
    webPreferences: { preload: require.resolve("@llama-sidecar/client/electron/preload") },
  });
  // The page can use the worker, so the window never shows another page.
  window.webContents.on("will-navigate", (event) => event.preventDefault());
  window.webContents.setWindowOpenHandler(() => ({ action: "deny" }));
  disposeBeforeQuit(app, serveWindow(window.webContents));
  window.loadFile(join(__dirname, "ui", "index.html"));
});

app.on("window-all-closed", () => app.quit());
