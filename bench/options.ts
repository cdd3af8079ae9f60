import { parseArgs } from "node:util";
import { type RouteName, routeNames } from "./routes.ts";

export interface Options {
	readonly routes: readonly RouteName[];
	readonly rounds: number;
	readonly growth: boolean;
	/** Whether it measures how long clients wait, by how many they are. */
	readonly latency: boolean;
	/** The route to profile Sluice on, and nothing else; null for the bench. */
	readonly profile: RouteName | null;
	/** Where results go; null for nowhere. */
	readonly out: string | null;
}

export const usage = `npm run bench -- [options]

  --full            21 rounds instead of 9
  --quick           3 rounds, neither growth curves nor latencies
  --rounds N        so many rounds
  --only A,B        only these: ${routeNames.join(", ")}, latency, growth
  --profile ROUTE   instead of the bench: where Sluice spends its time on a route, function by function
  --out FOLDER      where results go. Default: bench/results for a whole run, nowhere for a part of one`;

/** Reads the command line; a text where it cannot be understood. */
export function readOptions(
	args: readonly string[],
	defaultOut: string,
): Options | string {
	let values: ReturnType<typeof parse>;
	try {
		values = parse(args);
	} catch (error) {
		return (error as Error).message;
	}
	const { full, quick, only, profile, out } = values;
	const rounds = Number(values.rounds ?? (full ? 21 : quick ? 3 : 9));
	if (!Number.isInteger(rounds) || rounds < 1) {
		return `--rounds takes a whole number from 1, not ${values.rounds}`;
	}
	const others = quick ? [] : ["latency", "growth"];
	const names = only?.split(",") ?? [...routeNames, ...others];
	const wanted = new Set(names.filter((name) => name !== ""));
	const known = new Set<string>([...routeNames, "latency", "growth"]);
	for (const name of [...wanted, profile ?? "three"]) {
		if (!known.has(name)) return `there is no route ${name}`;
	}
	if (profile === "growth" || profile === "latency") {
		return "--profile takes a route";
	}
	const whole = only === undefined && !quick && rounds >= 9;
	return {
		routes: routeNames.filter((name) => wanted.has(name)),
		rounds,
		latency: wanted.has("latency"),
		growth: wanted.has("growth"),
		profile: (profile as RouteName | undefined) ?? null,
		out: out ?? (whole ? defaultOut : null),
	};
}

function parse(args: readonly string[]) {
	const { values } = parseArgs({
		args: [...args],
		options: {
			full: { type: "boolean" },
			quick: { type: "boolean" },
			rounds: { type: "string" },
			only: { type: "string" },
			profile: { type: "string" },
			out: { type: "string" },
		},
	});
	return values;
}
