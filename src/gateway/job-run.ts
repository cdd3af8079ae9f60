import type { IdentityValues } from "../auth/identity.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { parseJson } from "../core/json.ts";
import { RequestMemory } from "../core/memory.ts";
import { Trail } from "../core/trail.ts";
import type {
	RunOutcome,
	StepProgress,
	StoredAnswer,
	TakenJob,
} from "../jobs/job.ts";
import { progressOf } from "../jobs/job-progress.ts";
import type { JobRun } from "../jobs/job-runner.ts";
import { compose } from "../run/compose.ts";
import type { Load } from "../run/run.ts";
import type { Scope } from "../tasks/scope.ts";
import { noteRoute } from "./find.ts";
import type { Handling } from "./handling.ts";
import { reported } from "./reported.ts";
import { readWithBody } from "./request-content.ts";
import type { RequestEnd } from "./request-end.ts";

/** A job has time, and its client wants all of it. */
const unhurried: Load = { skipping: false };

/**
 * Carries out a job: as the request that it was, with its id, and a deadline from now on. It takes no place among the requests in
 * progress, because the number of jobs is bounded by itself.
 */
export function runJob(
	taken: TakenJob,
	scope: Scope,
	handling: Handling,
): JobRun {
	const run = new RunOfJob(taken, scope, handling);
	return { outcome: run.carryOut(), progress: () => run.progress() };
}

class RunOfJob {
	readonly #taken: TakenJob;
	readonly #scope: Scope;
	readonly #handling: Handling;
	#names: readonly string[] = [];
	#trail: Trail | null = null;
	#end: RequestEnd | null = null;

	constructor(taken: TakenJob, scope: Scope, handling: Handling) {
		this.#taken = taken;
		this.#scope = scope;
		this.#handling = handling;
	}

	progress(): StepProgress[] {
		return this.#trail === null ? [] : progressOf(this.#names, this.#trail);
	}

	async carryOut(): Promise<RunOutcome> {
		const { method, target, headers, ip, scheme, body } = this.#taken.request;
		const { memory, clock } = this.#handling;
		const request: GatewayRequest = {
			id: this.#taken.job.requestId,
			...{ method, target, headers, ip, scheme },
			arrivedMs: clock.now(),
			memory: new RequestMemory(memory),
			readBody: async () => body,
			streamBody: () => null,
		};
		const response = await reported(
			request,
			this.#scope,
			this.#handling,
			(end) => this.#answer(request, end),
		);
		const end = () => request.memory.end();
		if (response.ongoing === undefined) end();
		else void response.ongoing.then(end);
		return this.#outcomeOf(response);
	}

	async #answer(
		request: GatewayRequest,
		end: RequestEnd,
	): Promise<GatewayResponse> {
		this.#end = end;
		end.isJob = true;
		const handling = this.#handling;
		const { target: route, params } = handling.route(
			request.method,
			request.target,
		);
		noteRoute(route, end);
		if (route.plan.key !== this.#taken.job.route) {
			const words = "the route of the job is not in the config any more";
			throw new GatewayError("route_not_found", words);
		}
		const { id: requestId, method, arrivedMs } = request;
		const trail =
			end.trail ?? new Trail(handling.clock, { requestId, method, arrivedMs });
		this.#names = route.plan.steps.map(({ name }) => name);
		const read = await readWithBody(
			request,
			params,
			this.#taken.request.body,
			route,
			handling,
		);
		const { auth } = this.#taken.request;
		const values =
			auth === undefined
				? read
				: { ...read, auth: parseJson(auth) as Partial<IdentityValues> };
		trail.read();
		trail.begun();
		this.#trail = trail;
		const { events } = handling;
		const via = handling.via(request.headers);
		const given = { request, values, events, trail, via, ids: end.ids };
		const result = await compose(route, {
			...given,
			...{ scope: this.#scope, load: unhurried, beyond: end },
		});
		end.missing = result.missing;
		return result.response;
	}

	#outcomeOf({ status, headers, body }: GatewayResponse): RunOutcome {
		const { error = null, writes = [] } = this.#end ?? {};
		if (error !== null && this.#stops) {
			return { state: "left", wrote: writes.length > 0 };
		}
		const answer: StoredAnswer = {
			...{ status, headers },
			body:
				body === null
					? null
					: typeof body === "string"
						? Buffer.from(body)
						: (body as Uint8Array),
		};
		return error === null
			? { state: "done", code: null, answer }
			: { state: "failed", code: error.code, answer };
	}

	/** Whether the process stops. */
	get #stops(): boolean {
		if (!this.#scope.cancelled) return false;
		return asGatewayError(this.#scope.reason).code === "gateway_draining";
	}
}
