import { pidFile } from "./workers.ts";

/** Functions that keep a worker busy in different ways. */
export const busyFunctions = `${pidFile}
// Nothing turns the loop, and others may compute meanwhile.
export const hang = () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); };
export const burn = () => {
	const endMs = performance.now() + 300;
	while (performance.now() < endMs);
	return process.pid;
};
export const work = () => {
	const endMs = performance.now() + 4;
	while (performance.now() < endMs);
	return process.pid;
};
`;

/** Routes to each of them. `more` are further lines. */
export const busyConfig = (more = "", headersTimeout = "15s") => `
admin: { port: 0 }
server: { port: 0, drainDelay: 1s, drain: 20s, headersTimeout: ${headersTimeout} }
overload: false
${more}
routes:
  GET /pid: { steps: { pid: { run: "f.js#pid" } }, respond: "\${pid}" }
  GET /work: { steps: { pid: { run: "f.js#work" } }, respond: "\${pid}" }
  GET /burn: { steps: { pid: { run: "f.js#burn" } }, respond: "\${pid}" }
  GET /hang: { steps: { never: { run: "f.js#hang" } }, respond: "\${never}" }
`;

/** The files of a gateway with them. */
export const busyFiles = (more?: string) => ({
	"f.js": busyFunctions,
	"sluice.yaml": busyConfig(more),
});
