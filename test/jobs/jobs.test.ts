import { inFile, jobsFolder, serveJobs } from "../kit/jobs.ts";
import { jobCases } from "./cases.ts";

jobCases(serveJobs, () => {
	const folder = jobsFolder();
	return { ...folder, serve: inFile(folder.file) };
});
