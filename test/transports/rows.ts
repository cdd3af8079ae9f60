/**
 * The files of tests that are run again over other transports than plain HTTP. A file stands in a row if its subject can differ
 * there: what a client sends and gets, when it leaves, and what is cut.
 */
export const rows = {
	/** HTTP/1.1 over TLS. */
	tls: [
		"test/bounds/pace.test.ts",
		"test/server/client-address.test.ts",
		"test/server/cors.test.ts",
		"test/server/crowd.test.ts",
		"test/server/hostile.test.ts",
		"test/server/retire.test.ts",
		"test/server/server.test.ts",
		"test/server/shared-pieces.test.ts",
		"test/server/simple-heads.test.ts",
		"test/server/stream.test.ts",
		"test/server/websocket.test.ts",
		"test/whole/channels.test.ts",
		"test/whole/hops.test.ts",
		"test/whole/jobs.test.ts",
		"test/whole/parts.test.ts",
		"test/whole/proxy.test.ts",
	],
	/** HTTP/1.1 that node:http alone reads, as it reads all that is not simple. */
	node: [
		"test/server/server.test.ts",
		"test/server/hostile.test.ts",
		"test/server/crowd.test.ts",
		"test/server/retire.test.ts",
		"test/server/cors.test.ts",
		"test/server/shared-pieces.test.ts",
		"test/bounds/pace.test.ts",
		"test/whole/uploads.test.ts",
	],
	/** HTTP/2. */
	h2: [
		"test/auth/cors.test.ts",
		"test/gateway/compress.test.ts",
		"test/whole/channels.test.ts",
		"test/whole/hops.test.ts",
		"test/whole/incoming.test.ts",
		"test/whole/jobs.test.ts",
		"test/whole/parts.test.ts",
		"test/whole/promises.test.ts",
		"test/whole/proxied-events.test.ts",
		"test/whole/proxy-fields.test.ts",
		"test/whole/proxy-steps.test.ts",
		"test/whole/proxy.test.ts",
		"test/whole/uploads.test.ts",
		"test/whole/weather.test.ts",
	],
} as const;

const speaksTls = "it speaks TLS in each run";

/** Why files of the server's tests are in no row of TLS. */
export const notOverTls: Record<string, string> = {
	"test/server/both-versions.test.ts": speaksTls,
	"test/server/certificates.test.ts": speaksTls,
	"test/server/fixed-fields.test.ts": "it asks over each transport itself",
	"test/server/hosts.test.ts":
		"names of hosts are compared behind the transport",
	"test/server/http2-cases.test.ts": speaksTls,
	"test/server/http2-floods.test.ts": speaksTls,
	"test/server/interim.test.ts": "it has a server of node:http alone",
	"test/server/refuse.test.ts": "it opens no port",
	"test/server/simple-answer.test.ts": "it opens no port",
	"test/server/tls.test.ts": speaksTls,
	"test/server/answer-stream.test.ts": "it writes to no connection",
	"test/server/turn-writes.test.ts": "over TLS no answer is held back",
	"test/server/websocket-cases.test.ts":
		"frames are the same behind TLS, and websocket.test.ts sends some over it",
};
