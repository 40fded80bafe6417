import { defineConfig } from "vitest/config";

// The server that `npm run dev` passes WHIP, WHEP and the API on to.
const server = "http://127.0.0.1:8080";

export default defineConfig({
  build: {
    target: "es2022",
    // Nothing inlined: the pages' Content-Security-Policy allows only files
    // of our own origin.
    assetsInlineLimit: 0,
    // hls.js is one chunk of its own, loaded when it is needed.
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: ["index.html", "broadcast.html", "watch.html", "embed.html"],
    },
  },
  plugins: [
    {
      // The same page routes as embed.go, for `npm run dev`.
      name: "page-routes",
      configureServer(dev) {
        dev.middlewares.use((req, _res, next) => {
          const match = /^\/(broadcast|watch|embed)\/[^/?]+(\?.*)?$/.exec(req.url ?? "");
          if (match) req.url = `/${match[1]}.html${match[2] ?? ""}`;
          next();
        });
      },
    },
  ],
  server: {
    proxy: {
      "/whip": server,
      "/whep": server,
      "/hls": server,
      "/api": server,
      "/rooms": { target: server, ws: true },
    },
  },
  test: { include: ["test/**/*.test.ts"] },
});
