import { asGatewayError, type GatewayError } from "../../core/errors.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../core/http/messages.ts";
import type { Scope } from "../../tasks/scope.ts";
import type { Call, Policy } from "../policy.ts";
import { codeVerdicts } from "../verdict.ts";
import type { Kept } from "./keeper.ts";
import type { CacheParts } from "./parts.ts";
import { failureOf } from "./rules.ts";
import { conditionsOf, confirms } from "./validate.ts";
import { serves, type Wish, wishOf } from "./wish.ts";

/** The cache of calls: their answers are whole and decoded. */
export function cacheCalls(parts: CacheParts): Policy {
	return (next) => (request, scope) =>
		callCached(parts, { next, request, scope });
}

/** One call, and how it asks. */
interface Asking {
	readonly next: Call;
	readonly request: UpstreamRequest;
	readonly scope: Scope;
}

async function callCached(
	parts: CacheParts,
	asking: Asking,
): Promise<UpstreamResponse> {
	const { next, request, scope } = asking;
	const { keeper, report } = parts;
	const { requestId } = request;
	if (scope.cancelled) throw scope.reason;
	if (!request.safe) return change(parts, asking);
	const wish = wishOf(request.headers);
	if (wish === "none") return next(request, scope);
	const now = scope.clock.now();
	const kept = keeper.find("decoded", request);
	if (kept !== null && serves(kept, wish, now)) {
		report(requestId, "hit", null);
		return kept.response;
	}
	const whole =
		request.method === "HEAD" ? keeper.find("decoded", request, "GET") : null;
	if (whole !== null && serves(whole, wish, now)) {
		report(requestId, "hit", null);
		return headOf(whole.response);
	}
	if (kept !== null && wish === "fresh" && now < kept.whileRevalidateUntilMs) {
		const error = refresh(parts, asking, kept);
		report(requestId, "stale", error?.code ?? "refreshing");
		return staleOf(kept, error);
	}
	if (kept === null) report(requestId, "miss", null);
	return ask(parts, asking, kept, wish);
}

async function change(
	{ intake, report }: CacheParts,
	{ next, request, scope }: Asking,
): Promise<UpstreamResponse> {
	const response = await next(request, scope);
	if (intake.change(request.target, response)) {
		report(request.requestId, "invalidated", null);
	}
	return response;
}

/** Asks the upstream, or lets it confirm the kept answer. If that fails, the kept answer may stand in. */
async function ask(
	parts: CacheParts,
	asking: Asking,
	kept: Kept | null,
	wish: Wish,
): Promise<UpstreamResponse> {
	const standIn = (error: GatewayError) => {
		const late = asking.scope.clock.now() >= (kept?.ifErrorUntilMs ?? 0);
		if (kept === null || wish !== "fresh" || late) return null;
		parts.report(asking.request.requestId, "stale", error.code);
		return staleOf(kept, error);
	};
	try {
		const response = await validate(parts, asking, kept);
		const failure = failureOf(response.status, parts.upstream);
		return (failure && standIn(failure)) ?? response;
	} catch (thrown) {
		const error = asGatewayError(thrown);
		const instead = codeVerdicts[error.code].stale ? standIn(error) : null;
		if (instead === null) throw thrown;
		return instead;
	}
}

function refresh(
	parts: CacheParts,
	{ next, request }: Asking,
	kept: Kept,
): GatewayError | null {
	return parts.refreshes.begin(kept, request.requestId, async (scope) => {
		// The client that began it is answered already, so nobody needs to know when the call is sent.
		const asking = { next, request: { ...request, onSent: null }, scope };
		const { status } = await validate(parts, asking, kept);
		return failureOf(status, parts.upstream);
	});
}

/** Keeps a new answer. Gives the kept one, newly dated, if the upstream confirms it. */
async function validate(
	parts: CacheParts,
	asking: Asking,
	kept: Kept | null,
): Promise<UpstreamResponse> {
	const conditions = kept ? conditionsOf(kept.response.headers) : [];
	if (kept === null || conditions.length === 0) return fetch(parts, asking);
	const confirmed = await fetch(parts, asking, { kept, conditions });
	if (confirmed.status !== 304) return confirmed;
	// The 304 is about another answer than ours.
	parts.keeper.drop(kept);
	return fetch(parts, asking);
}

/** The answer to be confirmed, and the fields that ask for it. */
interface Doubt {
	readonly kept: Kept;
	readonly conditions: readonly string[];
}

async function fetch(
	{ keeper, intake, report }: CacheParts,
	{ next, request, scope }: Asking,
	doubt: Doubt | null = null,
): Promise<UpstreamResponse> {
	const flight = intake.begin(request.target);
	try {
		const response = await next(
			doubt
				? { ...request, headers: [...request.headers, ...doubt.conditions] }
				: request,
			scope,
		);
		const kept = keeper.find("decoded", request);
		if (kept?.origin === response) return kept.response;
		if (doubt === null || response.status !== 304) {
			return intake.take("decoded", request, response, flight);
		}
		if (!confirms(response.headers, doubt.kept.response.headers)) {
			return response;
		}
		report(request.requestId, "revalidated", null);
		return intake.confirm(request, doubt.kept, response, flight);
	} finally {
		intake.end(flight);
	}
}

function staleOf(kept: Kept, error: GatewayError | null): UpstreamResponse {
	const sharing = kept.response.freshness?.sharing ?? "all";
	const untilMs = kept.freshUntilMs;
	return {
		...kept.response,
		freshness: { untilMs, sharing, stale: { error } },
	};
}

const noBody = new Uint8Array();

/** RFC 9110, 9.3.2: the answer to GET, without its body. */
function headOf({
	status,
	headers,
	freshness,
}: UpstreamResponse): UpstreamResponse {
	const head = { status, headers, body: noBody };
	return freshness ? { ...head, freshness } : head;
}
