// The main process: one window, served by one worker. The page is the chat window that both shells share.

const { join } = require("node:path");
const { app, BrowserWindow } = require("electron");
const { disposeBeforeQuit, serveWindow } = require("llama-sidecar/electron");

app.whenReady().then(() => {
  const window = new BrowserWindow({
    width: 760,
    height: 720,
    title: "Llama Chat",
    webPreferences: { preload: require.resolve("llama-sidecar/electron/preload") },
  });
  // Only our own page is served, so the window never shows another.
  window.webContents.on("will-navigate", (event) => event.preventDefault());
  window.webContents.setWindowOpenHandler(() => ({ action: "deny" }));
  disposeBeforeQuit(app, serveWindow(window.webContents));
  window.loadFile(join(__dirname, "ui", "index.html"));
});

app.on("window-all-closed", () => app.quit());
