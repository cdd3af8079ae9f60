import {
	chmodSync,
	cpSync,
	mkdirSync,
	mkdtempSync,
	rmSync,
	symlinkSync,
} from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Plugin, rolldown } from "rolldown";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What runs in a process or a thread of its own. */
export const programs = [
	"cli/main",
	"cli/workers/worker-process",
	"jobs/sqlite/database-thread",
	"telemetry/history/database-thread",
	"tasks/worker",
];

/** What the source loads only when it needs it, and finds by its name. */
const loadedByName = [/^@opentelemetry\//, /^@redis\//, "bullmq", "piscina"];

/** The command, packed into few files. */
export interface Packed extends Disposable {
	/** The path of its `sluice.js`. */
	readonly bin: string;
}

/**
 * Packs the source and its packages into few files, in a folder that looks as the installed package does. The check starts hundreds
 * of processes, and each spends two thirds of its start on finding and reading six hundred files.
 */
export async function packSluice(): Promise<Packed> {
	const cache = join(root, "node_modules/.cache");
	mkdirSync(cache, { recursive: true });
	const folder = mkdtempSync(join(cache, "packed-"));
	// Some tests start it as another user.
	chmodSync(folder, 0o755);
	cpSync(join(root, "bin"), join(folder, "bin"), { recursive: true });
	cpSync(join(root, "package.json"), join(folder, "package.json"));
	const dist = join(folder, "dist");
	mkdirSync(dist);
	symlinkSync(join(root, "dist/page"), join(dist, "page"));
	const input = Object.fromEntries(
		programs.map((name) => [name, join(root, "src", `${name}.ts`)]),
	);
	const pack = await rolldown({
		...{ input, platform: "node", external: loadedByName },
		plugins: [ownPlaces(dist)],
	});
	await pack.write({ dir: dist, format: "esm", keepNames: true });
	await pack.close();
	return {
		bin: join(folder, "bin/sluice.js"),
		[Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
	};
}

/**
 * A file finds its threads, its page and its version from where it stands. Packed, it says the place where it would stand in the
 * package. Only what looks for itself in a stack needs the place where it really is.
 */
function ownPlaces(dist: string): Plugin {
	const src = join(root, "src");
	return {
		name: "own-places",
		transform(code, id) {
			if (!id.startsWith(src) || id.endsWith("config/functions.ts"))
				return null;
			const place = join(dist, relative(src, id).replace(/\.ts$/, ".js"));
			const { href } = pathToFileURL(place);
			return code.replaceAll("import.meta.url", JSON.stringify(href));
		},
	};
}
