import {
	existsSync,
	mkdirSync,
	readFileSync,
	rmdirSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** Holds each process to a share of a core, by a control group of its own. */
export interface Shares extends Disposable {
	/** Puts a process, with all its threads, into a group of its own. It stays there until it ends. */
	hold(pid: number): void;
	/** How often the processes of these groups have been out of time at the end of a period, of all periods since the last call. */
	outOfTime(pids: readonly number[]): number;
}

/** Why there are none. */
export interface NoShares {
	readonly why: string;
}

/** What is used of the system's files. */
export interface Files {
	read(file: string): string;
	write(file: string, text: string): void;
	exists(file: string): boolean;
	makeFolder(folder: string): void;
	removeFolder(folder: string): void;
}

/** A short period spreads the share over time, so that a process never rests for long. */
const periodUs = 20_000;

/** How often, and after which pauses, it is tried to remove a group. */
const triesMax = 100;
const waitMs = 50;

/** Where groups are made, and how they are told their share. */
interface Place {
	readonly folder: string;
	readonly version: 1 | 2;
}

const system: Files = {
	read: (file) => readFileSync(file, "utf8"),
	write: (file, text) => writeFileSync(file, text),
	exists: existsSync,
	makeFolder: (folder) => void mkdirSync(folder),
	removeFolder: rmdirSync,
};

/**
 * Makes groups of so many cores each, with the control groups of Linux, version 1 or 2. Needs the right to make groups, which
 * root has, and in a container only if they can be written there.
 */
export function createShares(
	cores: number,
	files: Files = system,
): Shares | NoShares {
	const tried: string[] = [];
	const name = `sluice-bench-${process.pid}`;
	const quotaUs = Math.round(cores * periodUs);
	const make = ({ folder, version }: Place, number: number): string => {
		const group = join(folder, `${name}-${number}`);
		files.makeFolder(group);
		try {
			if (version === 2) {
				files.write(join(group, "cpu.max"), `${quotaUs} ${periodUs}`);
			} else {
				files.write(join(group, "cpu.cfs_period_us"), `${periodUs}`);
				files.write(join(group, "cpu.cfs_quota_us"), `${quotaUs}`);
			}
			return group;
		} catch (error) {
			files.removeFolder(group);
			throw error;
		}
	};
	for (const place of placesIn(files)) {
		try {
			files.removeFolder(make(place, 0));
			return new Groups((number) => make(place, number), files);
		} catch (error) {
			tried.push(`${place.folder}: ${(error as Error).message}`);
		}
	}
	const [first = "no control groups with `cpu` are mounted"] = tried;
	return { why: first };
}

/** The folders in which a group with a share might be made: that of this process first, then those around it. */
function placesIn(files: Files): readonly Place[] {
	const own = linesOf(files, "/proc/self/cgroup").map((line) =>
		line.split(":"),
	);
	return linesOf(files, "/proc/self/mounts").flatMap((line) => {
		const [, mount = "", type, options = ""] = line.split(" ");
		const version = versionOf(type, options);
		if (version === null) return [];
		const [, , path = "/"] =
			own.find(([id, controllers = ""]) =>
				version === 2
					? id === "0" && controllers === ""
					: controllers.split(",").includes("cpu"),
			) ?? [];
		const places: Place[] = [];
		for (let at = path; ; at = dirname(at)) {
			places.push({ folder: join(mount, at), version });
			if (at === "/" || at === ".") return places;
		}
	});
}

function versionOf(type: string | undefined, options: string): 1 | 2 | null {
	if (type === "cgroup2") return 2;
	return type === "cgroup" && options.split(",").includes("cpu") ? 1 : null;
}

function linesOf(files: Files, file: string): readonly string[] {
	return files.exists(file) ? files.read(file).trim().split("\n") : [];
}

class Groups implements Shares {
	readonly #make: (number: number) => string;
	readonly #files: Files;
	readonly #groups = new Map<number, string>();
	/** What was counted at the last call, by process. */
	readonly #before = new Map<number, readonly [number, number]>();
	#made = 0;

	constructor(make: (number: number) => string, files: Files) {
		this.#make = make;
		this.#files = files;
	}

	hold(pid: number): void {
		this.#made++;
		const group = this.#make(this.#made);
		this.#groups.set(pid, group);
		this.#files.write(join(group, "cgroup.procs"), `${pid}`);
	}

	outOfTime(pids: readonly number[]): number {
		let [out, all] = [0, 0];
		for (const pid of pids) {
			const stat = this.#files.read(
				join(this.#groups.get(pid) ?? "", "cpu.stat"),
			);
			const number = (name: string) =>
				Number(new RegExp(`^${name} (\\d+)$`, "m").exec(stat)?.[1] ?? 0);
			const now = [number("nr_throttled"), number("nr_periods")] as const;
			const [outBefore, allBefore] = this.#before.get(pid) ?? [0, 0];
			out += now[0] - outBefore;
			all += now[1] - allBefore;
			this.#before.set(pid, now);
		}
		return all === 0 ? 0 : out / all;
	}

	/** A group that has processes cannot be removed, so those that still end are waited for. */
	[Symbol.dispose](): void {
		for (const group of this.#groups.values()) this.#remove(group);
		this.#groups.clear();
	}

	#remove(group: string): void {
		for (let tries = 1; ; tries++) {
			try {
				return this.#files.removeFolder(group);
			} catch (error) {
				if (tries === triesMax) throw error;
				Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waitMs);
			}
		}
	}
}
