import hooks from "node:async_hooks";

/**
 * The runner follows each promise, so that it knows whose error nobody catches. That takes a tenth to half of the processor
 * time of what makes many promises. Preloaded into every test file, this makes it follow only what is no promise: sockets,
 * timers and tests. An error that nobody catches still fails its file, and the report has the error, but it may not name
 * the test. `SUITE_TRACK=1` follows all.
 */
if (!process.env["SUITE_TRACK"]) {
	const { createHook } = hooks;
	// The runner takes it from here when the first test is declared. Whoever imports it by its name gets the other.
	hooks.createHook = (callbacks) =>
		createHook({ ...callbacks, trackPromises: false });
}
