import { type Canary, startCanary } from "./kit/canary.ts";

/** A port that is open while the whole suite runs, and that the hostile strings name: nobody may be led to it. */
let canary: Canary;

export async function globalSetup(): Promise<void> {
	canary = await startCanary();
	process.env["SUITE_CANARY_PORT"] = String(canary.port);
}

/** What is thrown here fails the run, but without a word. */
export async function globalTeardown(): Promise<void> {
	try {
		await canary[Symbol.asyncDispose]();
	} catch (error) {
		console.error(error);
		throw error;
	}
}
