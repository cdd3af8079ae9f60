import { defineConfig } from "vite";

export default defineConfig({
	// The page may stand below a path of a proxy.
	base: "./",
	build: {
		// Beside the compiled server, where the admin server looks for it.
		outDir: "../dist/page",
		emptyOutDir: true,
		// The policy of the page forbids scripts in the document.
		modulePreload: { polyfill: false },
		assetsInlineLimit: 0,
	},
	oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
