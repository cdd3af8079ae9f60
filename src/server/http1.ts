import type { Socket } from "node:net";
import type { SessionBounds } from "../core/http/web-socket.ts";
import {
	ClientConnection,
	type ConnectionOptions,
} from "./client-connection.ts";
import {
	type Admission,
	type ClientConnections,
	givenItsSocket,
} from "./client-connections.ts";
import { NodeHttp1 } from "./node-http1.ts";
import type { Service } from "./service.ts";
import { SimpleHttp1 } from "./simple-http1.ts";

interface Http1Means {
	readonly service: Service;
	readonly connections: ClientConnections;
	readonly options: ConnectionOptions;
	/** How long the header fields of a request may take to come. */
	readonly headersMs: number;
	/** Null: there are no WebSockets. */
	readonly sessionBounds: SessionBounds | null;
	/** False: node:http reads all requests. */
	readonly simpleHeads: boolean;
}

/**
 * Clients' connections of HTTP/1.1. We read requests with simple heads ourselves. As soon as anything else comes on a
 * connection, node:http reads that, and all that comes after it.
 */
export class Http1 {
	readonly #means: Http1Means;
	readonly #connections = new Map<Socket, ClientConnection>();
	readonly #node: NodeHttp1;
	/** Null: node:http reads all. */
	readonly #simple: SimpleHttp1 | null;

	constructor(means: Http1Means) {
		this.#means = means;
		const { service, options, headersMs, sessionBounds } = means;
		const { idleTimeoutMs } = options;
		this.#node = new NodeHttp1({
			...{ service, sessionBounds },
			bounds: { headersMs, idleTimeoutMs },
			connectionOf: (socket) => this.#connections.get(socket),
			onTimeout: this.#onTimeout,
		});
		this.#simple = means.simpleHeads
			? new SimpleHttp1({
					...{ service, options, headersMs },
					handOver: (socket) => this.#handOver(socket),
				})
			: null;
	}

	/** A client has connected, and was counted. */
	connect(socket: Socket, admission: Admission): void {
		const { connections, options } = this.#means;
		const connection = new ClientConnection(socket, admission, options);
		this.#connections.set(socket, connection);
		connections.add(connection);
		if (admission.refusal !== null) connection.refuse(admission.refusal);
		socket.on("close", this.#onClose);
		if (this.#simple === null) {
			connection.handOver();
			this.#node.read(socket);
		} else {
			socket.on("timeout", this.#onTimeout);
			this.#simple.read(socket, connection);
		}
	}

	#handOver(socket: Socket): void {
		// Node has a listener of its own.
		socket.off("timeout", this.#onTimeout);
		this.#node.read(socket);
	}

	readonly #onClose = givenItsSocket((socket) => {
		const connection = this.#connections.get(socket);
		if (connection === undefined) return;
		this.#connections.delete(socket);
		this.#means.connections.delete(connection);
	});

	readonly #onTimeout = givenItsSocket((socket) =>
		this.#connections.get(socket)?.onIdle(),
	);

	/** Closes the connections at rest that node:http reads. */
	closeResting(): void {
		this.#node.closeResting();
	}

	/** No more connections come. */
	close(): void {
		this.#node.close();
		this.#simple?.close();
	}
}
