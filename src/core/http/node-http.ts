/**
 * Node's HTTP as CommonJS has it. An `import` of the module reads each of its exports, also `WebSocket`, which loads Node's whole `fetch` and HTTP/2: it
 * made up a tenth of the time in which a command and a worker start.
 */
export const { createServer, METHODS, ServerResponse, STATUS_CODES } =
	process.getBuiltinModule("node:http");
