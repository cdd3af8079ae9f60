import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cpuNs, residentBytes, residentBytesOfAll } from "../../bench/cpu.ts";
import { folderWith } from "../kit/cli.ts";

/** A folder as Linux shows its processes: 1 has two threads and, by the second, the child 9. */
function proc() {
	return folderWith({
		"1/task/1/schedstat": "1000 5 7\n",
		"1/task/1/children": "",
		"1/task/2/schedstat": "200 5 7\n",
		"1/task/2/children": "9 \n",
		"9/task/9/schedstat": "30 5 7\n",
		"9/task/9/children": "",
		"1/status": "Name:\tx\nVmRSS:\t     12 kB\n",
		"9/status": "Name:\ty\nVmRSS:\t      3 kB\n",
	});
}

test("CPU time is that of all threads and all children", () => {
	using folder = proc();
	assert.equal(cpuNs(1, folder.path), 1230);
	assert.equal(cpuNs(9, folder.path), 30);
});

test("the CPU time of a process that is gone cannot be read", () => {
	using folder = proc();
	mkdirSync(join(folder.path, "2"));
	assert.throws(() => cpuNs(2, folder.path), /ENOENT/);
});

test("memory is what is in RAM, in bytes", () => {
	using folder = proc();
	assert.equal(residentBytes(1, folder.path), 12 * 1024);
});

test("memory of all is also that of the children", () => {
	using folder = proc();
	assert.equal(residentBytesOfAll(1, folder.path), 15 * 1024);
	assert.equal(residentBytesOfAll(9, folder.path), 3 * 1024);
});
