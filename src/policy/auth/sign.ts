import { GatewayError } from "../../core/errors.ts";
import { type HeaderList, headersWithout } from "../../core/http/headers.ts";
import type { Guard } from "../policy.ts";

/** The parts of a request that a signature covers. */
export interface Signed {
	readonly method: string;
	/** Path and query, as they are sent. */
	readonly target: string;
	readonly headers: HeaderList;
	/** The bytes of the body; null without one. */
	readonly body: Buffer | null;
}

export interface Signer {
	/** The names of the fields that it writes, in lower case: what a call has of them is replaced. */
	readonly writes: ReadonlySet<string>;
	/** The fields that it adds. */
	sign(request: Signed): HeaderList;
}

/** Signs each call. Another attempt of it has the same signature, which is good for minutes. */
export function signing(signer: Signer, upstream: string): Guard {
	const signed = <Request extends Omit<Signed, "body">>(
		request: Request,
		body: Buffer | null,
	): Request => {
		const headers = headersWithout(request.headers, (name) =>
			signer.writes.has(name),
		);
		const added = signer.sign({ ...request, headers, body });
		return { ...request, headers: [...headers, ...added] };
	};
	return {
		call: (next) => (request, scope, ended) => {
			const { body, binary = false } = request;
			const bytes =
				body === null ? null : Buffer.from(body, binary ? "latin1" : "utf8");
			next(signed(request, bytes), scope, ended);
		},
		stream: (next) => (request, scope, ended) => {
			if (request.body !== null) throw unsignable(upstream);
			next(signed(request, null), scope, ended);
		},
	};
}

/** Its signature stands before it, and counts all of it. */
function unsignable(upstream: string): GatewayError {
	const message = "a body that is passed on as it comes cannot be signed";
	return new GatewayError("upstream_auth_failed", message, { upstream });
}
