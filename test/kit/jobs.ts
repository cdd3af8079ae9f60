import { randomUUID } from "node:crypto";
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

type Variables = Record<string, string>;

/** Makes a gateway with jobs. `more` are lines below `jobs`. */
export type ServeJobs = (
	yaml: string,
	more?: string,
	env?: Variables,
) => Promise<ServedGateway>;

/** Makes gateways that share jobs. */
export type ShareJobs = () => { readonly serve: ServeJobs } & Disposable;

/** As `serveJobs`, with jobs in a store. Gateways of one prefix share them. */
export function inStore(url: string, prefix?: string): ServeJobs {
	return async (yaml, more = "", env = {}) => {
		// The machine may be busy with other tests.
		const store = {
			url: "${env.STORE_URL}",
			...{ prefix: prefix ?? randomUUID(), timeout: "1s" },
		};
		const bounds = more === "" ? "{}" : `\n${more}`;
		const served = await serve(
			`${yaml}\njobs: ${bounds}\nstore: ${JSON.stringify(store)}`,
			{ ...env, STORE_URL: url },
		);
		await served.gateway.settled;
		// Only then a job can be taken on.
		while (served.gateway.state().jobs?.counts === null) {
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
		return served;
	};
}

/** As `serveJobs`, with jobs in a file that others may share. */
export function inFile(file: string): ServeJobs {
	return (yaml, more = "", env = {}) =>
		serve(`${yaml}\njobs:\n  file: ${file}\n${more}`, env);
}

/** A gateway with jobs on a real port, whose database is gone with it. */
export const serveJobs: ServeJobs = async (yaml, more, env) => {
	const folder = jobsFolder();
	const served = await inFile(folder.file)(yaml, more, env);
	return {
		...served,
		async [Symbol.asyncDispose]() {
			await served[Symbol.asyncDispose]();
			folder[Symbol.dispose]();
		},
	};
};

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
