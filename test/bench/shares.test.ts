import assert from "node:assert/strict";
import { test } from "node:test";
import { createShares, type Files } from "../../bench/shares.ts";

/** A system with these files, in whose groups some files can be written. */
function system(
	files: Record<string, string>,
	mayWrite: (file: string) => boolean,
) {
	const written: string[] = [];
	const folders = new Set<string>();
	/** For so many tries a group still has processes. */
	const busy = { tries: 0 };
	const shown = (file: string) => file.replace(/sluice-bench-\d+/, "ours");
	const system: Files = {
		read: (file) => files[shown(file)] ?? "",
		exists: (file) => file in files,
		write(file, text) {
			if (!mayWrite(shown(file))) throw new Error(`EACCES ${shown(file)}`);
			written.push(`${shown(file)} ${text}`);
		},
		makeFolder: (folder) => void folders.add(shown(folder)),
		removeFolder(folder) {
			if (busy.tries-- > 0) throw new Error("EBUSY");
			folders.delete(shown(folder));
		},
	};
	return { system, written, folders, busy, files };
}

const first = {
	"/proc/self/mounts": `proc /proc proc rw 0 0
cgroup /sys/cpu cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/memory cgroup rw,memory 0 0
cgroup2 /sys/unified cgroup2 rw 0 0
`,
	"/proc/self/cgroup": "4:memory:/a\n2:cpu,cpuacct:/a/b\n0::/c\n",
};

test("a share is a group of version 1 below that of this process", () => {
	const { system: files, written, folders } = system(first, () => true);
	const shares = createShares(0.25, files);
	assert.ok("hold" in shares);
	written.splice(0);
	shares.hold(7);
	assert.deepEqual(written, [
		"/sys/cpu/a/b/ours-1/cpu.cfs_period_us 20000",
		"/sys/cpu/a/b/ours-1/cpu.cfs_quota_us 5000",
		"/sys/cpu/a/b/ours-1/cgroup.procs 7",
	]);
	assert.deepEqual([...folders], ["/sys/cpu/a/b/ours-1"]);
	shares[Symbol.dispose]();
	assert.equal(folders.size, 0);
});

test("a group of version 2 is made where the system lets it have processor time", () => {
	const { system: files, written } = system(
		{
			"/proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
			"/proc/self/cgroup": "0::/user/me\n",
		},
		(file) => file.startsWith("/sys/fs/cgroup/ours"),
	);
	const shares = createShares(0.5, files);
	assert.ok("hold" in shares);
	written.splice(0);
	shares.hold(9);
	assert.deepEqual(written, [
		"/sys/fs/cgroup/ours-1/cpu.max 10000 20000",
		"/sys/fs/cgroup/ours-1/cgroup.procs 9",
	]);
});

test("without the right to make groups it says why, and leaves none", () => {
	const { system: files, folders } = system(first, () => false);
	assert.deepEqual(createShares(0.25, files), {
		why: "/sys/cpu/a/b: EACCES /sys/cpu/a/b/ours-0/cpu.cfs_period_us",
	});
	assert.equal(folders.size, 0);
	const none = system({}, () => true);
	assert.deepEqual(createShares(0.25, none.system), {
		why: "no control groups with `cpu` are mounted",
	});
});

test("how often processes were out of time is counted since the last call", () => {
	const made = system(first, () => true);
	const shares = createShares(0.25, made.system);
	assert.ok("hold" in shares);
	shares.hold(7);
	shares.hold(8);
	const stat = (name: string, out: number, all: number) => {
		made.files[`/sys/cpu/a/b/ours-${name}/cpu.stat`] =
			`nr_periods ${all}\nnr_throttled ${out}\nthrottled_time 5\n`;
	};
	stat("1", 5, 10);
	stat("2", 10, 10);
	assert.equal(shares.outOfTime([7, 8]), 0.75);
	stat("1", 15, 20);
	assert.equal(shares.outOfTime([7]), 1);
	assert.equal(shares.outOfTime([7]), 0);
});

test("a group whose processes still end is removed when they have", () => {
	const { system: files, folders, busy } = system(first, () => true);
	const shares = createShares(0.25, files);
	assert.ok("hold" in shares);
	shares.hold(7);
	busy.tries = 2;
	shares[Symbol.dispose]();
	assert.equal(folders.size, 0);
});
