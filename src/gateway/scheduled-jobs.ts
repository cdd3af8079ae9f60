import crypto, { randomUUID } from "node:crypto";
import { nobody } from "../core/ip.ts";
import type { NewJob } from "../jobs/job.ts";
import { newJobId } from "../jobs/job-path.ts";
import type { Scheduled } from "../jobs/job-schedules.ts";
import type { GatewayRoute } from "./gateway-route.ts";
import type { JobRoute } from "./job-route.ts";

/** The jobs that the clock asks for. */
export function scheduledJobs(routes: readonly GatewayRoute[]): Scheduled[] {
	return routes.flatMap(({ plan, job }) => {
		if (job === null || job.config.schedule === null) return [];
		const { schedule: cron, zone } = job.config;
		const target = `/${plan.path.map((part) => (typeof part === "string" ? encodeURIComponent(part) : "")).join("/")}`;
		const { key, method } = plan;
		const asked = { key, method, target };
		return [{ cron, zone, job: (at: number) => jobAt(at, asked, job) }];
	});
}

function jobAt(
	at: number,
	{
		key,
		method,
		target,
	}: { readonly key: string; readonly method: string; readonly target: string },
	{ config, attempts }: JobRoute,
): NewJob {
	const acceptedAt = Date.now();
	const text = crypto.hash("sha256", `schedule ${at} ${key}`, "base64url");
	return {
		...{ id: newJobId(), route: key, owner: null, requestId: randomUUID() },
		...{ acceptedAt, expiresAt: acceptedAt + config.expiresMs },
		...{ keptMs: config.keptMs, attempts, hook: config.webhook !== null },
		key: { text, fingerprint: "schedule" },
		request: {
			...{ method, target, headers: [], body: new Uint8Array() },
			...{ ip: nobody, scheme: null },
		},
	};
}
