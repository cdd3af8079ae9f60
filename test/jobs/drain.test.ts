import { inFile, jobsFolder } from "../kit/jobs.ts";
import { drainCases } from "./drain.ts";

drainCases("serve", () => {
	const { file, [Symbol.dispose]: dispose } = jobsFolder();
	const lines = `jobs: { file: ${file}, parallel: 2 }`;
	return { lines, look: inFile(file), [Symbol.dispose]: dispose };
});
