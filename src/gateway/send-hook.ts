import { createHmac } from "node:crypto";
import type { Job } from "../jobs/job.ts";
import { shownJob } from "../jobs/job-document.ts";
import type { SendHook } from "../jobs/job-hooks.ts";
import type { CallHook } from "../run/job-hook.ts";
import type { Clock } from "../tasks/clock.ts";
import { openScope } from "../tasks/scope.ts";
import type { GatewayRoute } from "./gateway-route.ts";

/** Whoever gets it does not want any more (Standard Webhooks). */
const unwanted = 410;

/**
 * Tells of the ends of jobs by signed calls, as Standard Webhooks have it. Each attempt has the same id, so that the other side
 * knows a message that it has got twice. Null if no route has a webhook, or without a key.
 */
export function createSendHook(
	routes: readonly GatewayRoute[],
	secret: string | null,
	clock: Clock,
): SendHook | null {
	const hooks = new Map<string, CallHook>(
		routes.flatMap(({ plan, hook }) =>
			hook === null ? [] : [[plan.key, hook]],
		),
	);
	if (hooks.size === 0 || secret === null) return null;
	const key = Buffer.from(secret.slice("whsec_".length), "base64");
	return async (job) => {
		const hook = hooks.get(job.route);
		// The config says no more whom to tell.
		if (hook === undefined) return true;
		const scope = openScope({ clock });
		try {
			const status = await hook(signed(job, key), scope);
			return (status >= 200 && status < 300) || status === unwanted;
		} catch {
			return false;
		} finally {
			scope.close();
		}
	};
}

function signed(job: Job, key: Buffer) {
	const { id, state, endedAt, requestId } = job;
	const body = JSON.stringify({
		type: `job.${state}`,
		timestamp: new Date(endedAt ?? 0).toISOString(),
		data: shownJob(job),
	});
	const message = `msg_${id}`;
	const seconds = String(Math.floor(Date.now() / 1000));
	const signature = createHmac("sha256", key)
		.update(`${message}.${seconds}.${body}`)
		.digest("base64");
	const headers = [
		...["webhook-id", message],
		...["webhook-timestamp", seconds],
		...["webhook-signature", `v1,${signature}`],
	];
	return { requestId, headers, body };
}
