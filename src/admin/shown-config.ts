import type { Plan } from "../plan/plan.ts";
import { printPlan } from "../plan/print.ts";

/**
 * The plan as the admin server shows it. An author may have written a secret as a text, so of everything that is sent to
 * upstreams only the holes are shown: `Bearer ${env.TOKEN}` is `…${env.TOKEN}`.
 */
export function shownPlan(plan: Plan): object {
	const printed = JSON.parse(printPlan(plan)) as PrintedPlan;
	return {
		...printed,
		upstreams: mapValues(printed.upstreams, (upstream) => ({
			...shown(upstream),
			...hiddenUrls(upstream),
			...(upstream.auth !== undefined && { auth: onlyHoles(upstream.auth) }),
		})),
		routes: mapValues(printed.routes, (route) => ({
			...shown(route),
			request: route.request,
		})),
	};
}

type PrintedMap = Readonly<Record<string, unknown>>;

interface PrintedPlan extends PrintedMap {
	readonly upstreams: Readonly<Record<string, PrintedMap>>;
	readonly routes: Readonly<Record<string, PrintedMap>>;
}

/** What is sent to upstreams, or comes from them changed. */
const sentKeys: ReadonlySet<string> = new Set([
	...["headers", "query", "tls", "args"],
	...["body", "form", "text", "bytes"],
]);

/** At any depth, but a step of such a name is none of them. */
function shown(map: PrintedMap): PrintedMap {
	return Object.fromEntries(
		Object.entries(map).map(([key, value]) => {
			if (sentKeys.has(key)) return [key, onlyHoles(value)];
			if (!isMap(value)) return [key, value];
			const isOfSteps = key === "steps";
			return [key, isOfSteps ? mapValues(value, shownStep) : shown(value)];
		}),
	);
}

function shownStep(step: unknown): unknown {
	return isMap(step) ? shown(step) : step;
}

function onlyHoles(value: unknown): unknown {
	if (typeof value === "string") return holesOf(value);
	if (Array.isArray(value)) return value.map(onlyHoles);
	if (isMap(value)) return mapValues(value, onlyHoles);
	return value === null ? null : "…";
}

/** A hole with a text in it may hold a secret as well: only the variables in it are named. */
function holesOf(text: string): string {
	return text
		.split(/(\$\{[^}]*\})/)
		.map((part) => {
			if (!part.startsWith("${") || !part.endsWith("}")) {
				return part === "" ? "" : "…";
			}
			if (!/["'`]/.test(part)) return part;
			const names = [...part.matchAll(/\benv\.(\w+)/g)].map(
				([, name]) => `env.${name} `,
			);
			return `\${${names.join("")}…}`;
		})
		.join("");
}

/** A URL without its path, which is a secret at some services. */
function hiddenUrls({ url, urls }: PrintedMap): PrintedMap {
	if (url !== undefined) return { url: originOf(url) };
	return Array.isArray(urls) ? { urls: urls.map(originOf) } : {};
}

function originOf(written: unknown): string {
	const text = String(written);
	const url = text.includes("${") ? null : URL.parse(text);
	if (url === null) return holesOf(text);
	return url.pathname === "/" ? url.origin : `${url.origin}/…`;
}

function isMap(value: unknown): value is PrintedMap {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mapValues<From, To>(
	map: Readonly<Record<string, From>>,
	change: (value: From) => To,
): Record<string, To> {
	return Object.fromEntries(
		Object.entries(map).map(([key, value]) => [key, change(value)]),
	);
}
