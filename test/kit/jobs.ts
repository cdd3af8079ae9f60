import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GetOptions, type ServedGateway, serve } from "./serve.ts";

/** A job as its client sees it. */
export interface ShownJob {
	readonly id: string;
	readonly route: string;
	readonly state: string;
	readonly url: string;
	readonly begun: number;
	readonly steps: readonly {
		readonly step: string;
		readonly state: string;
		readonly items?: readonly [number, number];
	}[];
	readonly status: number | null;
	readonly code: string | null;
	readonly answer: string | null;
}

/** A folder for the database of jobs, gone at the end. */
export function jobsFolder(): { readonly file: string } & Disposable {
	const folder = mkdtempSync(join(tmpdir(), "sluice-jobs-"));
	return {
		file: join(folder, "jobs.db"),
		[Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
	};
}

/** A gateway with jobs on a real port, whose database is gone with it. */
export async function serveJobs(
	yaml: string,
	more = "",
	file?: string,
): Promise<ServedGateway> {
	const folder = file === undefined ? jobsFolder() : null;
	const settings = `jobs:\n  file: ${file ?? folder?.file}\n${more}`;
	const served = await serve(`${yaml}\n${settings}`);
	return {
		...served,
		async [Symbol.asyncDispose]() {
			await served[Symbol.asyncDispose]();
			folder?.[Symbol.dispose]();
		},
	};
}

/** Asks for a job, and gives it as it is at first. */
export async function begin(
	served: ServedGateway,
	path: string,
	{ headers = {}, ...options }: GetOptions = {},
): Promise<ShownJob> {
	const answer = await served.get(path, {
		...options,
		headers: { prefer: "respond-async", ...headers },
	});
	if (answer.status !== 202) throw new Error(answer.text);
	return answer.json as ShownJob;
}

/** The job when it has ended. */
export async function ended(
	served: ServedGateway,
	{ url }: ShownJob,
): Promise<ShownJob> {
	for (;;) {
		const headers = { prefer: "wait=10" };
		const { json, status, text } = await served.get(url, { headers });
		if (status !== 200) throw new Error(text);
		const job = json as ShownJob;
		if (job.state !== "queued" && job.state !== "running") return job;
	}
}
