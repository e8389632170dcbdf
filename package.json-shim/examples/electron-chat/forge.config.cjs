// The same app with Electron Forge: `npx electron-forge make`.

const { platform, arch } = process; // of the app, too: each system makes its own

/** @type {import("@electron-forge/shared-types").ForgeConfig} */
module.exports = {
  packagerConfig: {
    asar: true,
    executableName: "llama-chat", // as in package.json: the makers for Linux look for it
    // llama-sidecar.exe if that is a file
    extraResource: [`node_modules/@llama-sidecar/${platform}-${arch}/llama-sidecar`],
    ignore: [/^\/node_modules\/@llama-sidecar\/[a-z0-9]+-[a-z0-9]+\//], // no program can run from within the archive
  },
  makers: [
    { name: "@electron-forge/maker-squirrel", platforms: ["win32"], config: {} },
    { name: "@electron-forge/maker-dmg", platforms: ["darwin"], config: {} },
    { name: "@electron-forge/maker-deb", platforms: ["linux"], config: {} },
  ],
};
