import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

/** What the figures were taken on and with, one fact a line. */
export function describeMachine(): readonly string[] {
	const [cpu] = cpus();
	const gibibytes = Math.round(totalmem() / 2 ** 30);
	return [
		`${cpus().length} × ${cpu?.model.trim() ?? "unknown"}, ${gibibytes} GiB, Linux ${release()}`,
		`Node ${process.versions.node}, V8 ${process.versions.v8}, ${version("nginx", "-v")}, ${version("wrk", "-v")}`,
	];
}

/** The program's name and version, as it says itself: nginx and wrk do so on standard error, wrk with an exit code. */
function version(program: string, flag: string): string {
	const command = `${program} ${flag} 2>&1 || true`;
	const said = execFileSync("sh", ["-c", command], { encoding: "utf8" });
	const number = /\d+\.\d+(?:\.\d+)?/.exec(said)?.[0] ?? "";
	return `${program} ${number}`;
}
