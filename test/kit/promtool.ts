import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";

/** The reason to skip a test that needs Prometheus' own checker; false if it is there. Where all must be there, none is skipped. */
export function withoutPromtool(): string | false {
	try {
		execFileSync("promtool", ["--version"], { stdio: "ignore" });
		return false;
	} catch {
		assert.ok(!process.env.SLUICE_TEST_ALL, "promtool is not installed");
		return "promtool is not installed";
	}
}

/** What `promtool check …` says; empty if it has nothing to say. */
export function promtool(args: readonly string[], input = ""): string {
	const { status, stdout, stderr } = spawnSync("promtool", args, {
		input,
		encoding: "utf8",
	});
	return status === 0 ? stderr : stdout + stderr;
}
