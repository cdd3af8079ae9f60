/**
 * The files of tests that are run again over other transports than plain HTTP. A file stands in a row if its subject can differ
 * there: what a client sends and gets, when it leaves, and what is cut.
 */
export const rows = {
	/** HTTP/1.1 over TLS. */
	tls: [
		"test/server/server.test.ts",
		"test/server/retire.test.ts",
		"test/server/cors.test.ts",
		"test/server/client-address.test.ts",
		"test/whole/uploads.test.ts",
	],
	/** HTTP/2. */
	h2: [
		"test/whole/promises.test.ts",
		"test/whole/uploads.test.ts",
		"test/whole/proxy-fields.test.ts",
	],
} as const;
