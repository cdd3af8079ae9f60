import { inFile, jobsFolder } from "../kit/jobs.ts";
import { drainCases } from "./drain.ts";
import { leaveCases } from "./leave.ts";

const place = (more: string) => () => {
	const { file, [Symbol.dispose]: dispose } = jobsFolder();
	const lines = `jobs: { file: ${file}, ${more} }`;
	return { lines, look: inFile(file), [Symbol.dispose]: dispose };
};

drainCases("serve", place("parallel: 2"));
leaveCases(place("run: work, secret: '${env.WEBHOOK_SECRET}'"));
