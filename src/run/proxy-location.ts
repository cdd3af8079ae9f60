import type { ResolvedUpstream } from "../config/resolve-upstream.ts";
import { bytesOf, faultOfPath, normalPath } from "../core/http/path.ts";
import { lenientName, withoutParameters } from "../core/http/query.ts";
import type { Secrets } from "../core/secrets.ts";
import type { ProxyPlan, TargetPlan } from "../plan/plan.ts";

/**
 * The addresses in an upstream's answer, as its client may see them. The upstream names itself by the address that the
 * gateway calls, which clients cannot reach, and repeats the parameters that the gateway added, which may be secrets.
 */

/** One request that was passed on: the targets of the client's request and of the call, encoded. */
export interface Passed {
	readonly asked: string;
	readonly sent: string;
}

/**
 * A field's value for the client; null if the field is not to pass. `name` is in lower case. A field that holds no address
 * by its definition does not pass if it names the upstream.
 */
export type MapField = (
	name: string,
	value: string,
	passed: Passed,
) => string | null;

/** An address for the client; null if it is none that a client may see. */
type MapAddress = (address: string) => string | null;

/** `above` is the number of segments before `{rest*}` in the client's path. */
export function prepareMapField(
	above: number,
	proxy: Pick<TargetPlan, "path" | "rest"> & Pick<ProxyPlan, "paths">,
	upstream: ResolvedUpstream,
): MapField {
	const own = ownOf(upstream);
	const base = upstream.basePath.split("/").length - 1 + proxy.path.length;
	return (name, value, { asked, sent }) => {
		const rewrite = rewriting.get(name);
		if (rewrite === undefined) return own.isIn(value) ? null : value;
		const [askedPath = ""] = asked.split("?", 1);
		const [sentPath = ""] = sent.split("?", 1);
		const route = {
			prefix: segmentsOf(askedPath).slice(0, above),
			base: segmentsOf(sentPath).slice(0, base),
			rest: proxy.rest,
			raw: proxy.paths === "raw",
		};
		const mapAddress = (address: string) => mapped(address, sent, route, own);
		return rewrite(value, { mapAddress, route, own });
	};
}

/** What belongs to the upstream and not to its clients. */
interface Own {
	/** `http://a:81`. The first stands for all: they differ in nothing else. */
	readonly origins: readonly string[];
	/** Without port, and without a dot at the end. */
	readonly hosts: ReadonlySet<string>;
	/** The names of its parameters, as the most lenient reader takes them. */
	readonly parameters: ReadonlySet<string>;
	/** Whether a text, decoded or not, holds one of its parameters or hosts. */
	readonly isIn: (text: string) => boolean;
}

function ownOf(upstream: ResolvedUpstream): Own {
	const { query, host } = upstream;
	// An upstream that is asked by another name says that name of itself.
	const named =
		host === null
			? []
			: ["http:", "https:"].map(
					(scheme) => new URL(`${scheme}//${host}`).origin,
				);
	const origins = [...upstream.origins, ...named];
	const hosts = origins.map((origin) => hostOf(new URL(origin)));
	const pairs = query.map(([name, value]) => pairOf(name, value));
	const traces = [...pairs, ...hosts.map(addressOf), ...secretPathOf(upstream)];
	return {
		origins,
		hosts: new Set(hosts),
		parameters: new Set(
			query.map(([name]) => lenientName(encodeURIComponent(name))),
		),
		isIn: (text) =>
			decodings(text)
				.map(plain)
				.some((level) => traces.some((trace) => trace.test(level))),
	};
}

/** Whether a field of an upstream's answer, or an address in it, holds a secret of the gateway. */
export function holdsSecret(text: string, secrets: Secrets): boolean {
	if (secrets.has(text)) return true;
	// What is encoded once is known as it is.
	return (
		text.includes("%25") && decodings(text).some((one) => secrets.has(one))
	);
}

/** Addresses stand in parameters of other addresses, encoded once more in each. */
function decodings(text: string): string[] {
	const levels = [text];
	for (let level = 0; level < 4; level++) {
		const above = levels.at(-1) ?? "";
		const decoded = bytesOf(above);
		if (decoded === above) break;
		levels.push(decoded);
	}
	return levels;
}

function plain(text: string): string {
	return text.replaceAll("+", " ").toLowerCase();
}

/** Finds the path of a URL that the environment gave. It may be a token; a short one, such as `/v1`, is none. */
function secretPathOf({ basePath, originsFrom }: ResolvedUpstream): RegExp[] {
	if (originsFrom.join("") === "" || basePath.length < shortLength) return [];
	return [new RegExp(RegExp.escape(plain(bytesOf(basePath))))];
}

/** Finds a parameter in a text. A short value, such as `1`, is one only if nothing follows it. */
function pairOf(name: string, value: string): RegExp {
	const bytes = Buffer.from(`${name}=${value}`).toString("latin1");
	const pair = RegExp.escape(plain(bytes));
	return new RegExp(
		value.length < shortLength ? `(?<![\\w-])${pair}(?![\\w-])` : pair,
	);
}

const shortLength = 8;

/** Finds an address of this host in a text. */
function addressOf(host: string): RegExp {
	const name = `${RegExp.escape(host)}\\.?(?![\\w-]|\\.\\w)`;
	return new RegExp(`[/\\\\]{2}(?:[^/\\\\?#\\s]*@)?${name}`);
}

function hostOf({ hostname }: URL): string {
	return hostname.replace(/\.$/, "");
}

/** The two paths that a route puts in place of each other, as encoded segments. */
interface Route {
	readonly prefix: readonly string[];
	readonly base: readonly string[];
	/** Whether further segments may follow both. */
	readonly rest: boolean;
	/** Whether these may be empty. */
	readonly raw: boolean;
}

function segmentsOf(path: string): string[] {
	return path.split("/").slice(1);
}

function mapped(
	address: string,
	sent: string,
	route: Route,
	own: Own,
): string | null {
	const url = URL.parse(address, `${own.origins[0]}${sent}`);
	if (url === null) return null;
	if (!own.origins.includes(url.origin)) {
		const foreign = !own.hosts.has(hostOf(url)) && !own.isIn(address);
		return foreign ? address : null;
	}
	const path = pathFor(url.pathname, route);
	if (path === null) return null;
	const query = withoutParameters(url.search.slice(1), own.parameters);
	const whole = `${path}${query === "" ? "" : `?${query}`}${url.hash}`;
	return own.isIn(whole) ? null : whole;
}

/** The client's path for an upstream's own; null if no request of a client is passed on to it. */
function pathFor(
	path: string,
	{ prefix, base, rest, raw }: Route,
): string | null {
	const segments = segmentsOf(path);
	const left = segments.slice(base.length);
	const isBelow = base.every(
		(segment, at) => normalPath(segment) === normalPath(segments[at] ?? ""),
	);
	if (!isBelow || rest !== left.length > 0) return null;
	const last = left.length - 1;
	// No client could ask for one of these, and two slashes at the start would lead to another host.
	if (!raw && left.some((segment, at) => segment === "" && at < last)) {
		return null;
	}
	if (faultOfPath(left.join("/")) !== null) return null;
	const whole = `/${[...prefix, ...left].join("/")}`;
	return /^\/(?![/\\])[\x21-\x7e]*$/.test(whole) ? whole : null;
}

interface Rewriting {
	readonly mapAddress: MapAddress;
	readonly route: Route;
	readonly own: Own;
}

/** The fields that hold addresses. */
const rewriting: ReadonlyMap<
	string,
	(value: string, to: Rewriting) => string | null
> = new Map([
	["location", (value: string, { mapAddress }) => mapAddress(value)],
	["content-location", (value: string, { mapAddress }) => mapAddress(value)],
	["refresh", rewriteRefresh],
	["link", rewriteLinks],
	["set-cookie", rewriteCookie],
]);

/** Whether a field holds addresses by its definition. `name` is in lower case. */
export function holdsAddress(name: string): boolean {
	return rewriting.has(name);
}

/** `5; url=/next`, as browsers read it. */
function rewriteRefresh(
	value: string,
	{ mapAddress }: Rewriting,
): string | null {
	const [, delay, address] =
		/^([\d.]+)(?:[;, \t]+(?:url[ \t]*=[ \t]*)?(.*))?$/i.exec(value) ?? [];
	if (delay === undefined) return null;
	if (!address) return delay;
	const to = mapAddress(address.replace(/^(["'])(.*)\1$/, "$2"));
	return to === null ? null : `${delay}; url=${to}`;
}

/** A link of RFC 8288, and what separates it from the next one. */
const linkPattern = /[ \t,]*<([^>]*)>((?:[^,"<>]|"(?:[^"\\]|\\.)*")*)(?:,|$)/y;

/** Links that no client could follow are left out. */
function rewriteLinks(
	value: string,
	{ mapAddress, own }: Rewriting,
): string | null {
	const links: string[] = [];
	linkPattern.lastIndex = 0;
	while (linkPattern.lastIndex < value.length) {
		const found = linkPattern.exec(value);
		if (found === null) return null;
		const [, address = "", parameters = ""] = found;
		const to = mapAddress(address);
		if (to !== null && !own.isIn(parameters)) {
			links.push(`<${to}>${parameters.trimEnd()}`);
		}
	}
	return links.length === 0 ? null : links.join(", ");
}

/** A cookie of the upstream's host becomes one of the gateway's, for the same requests. */
function rewriteCookie(value: string, { route, own }: Rewriting): string {
	const [pair = "", ...attributes] = value.split(";");
	const kept = attributes.flatMap((attribute) => {
		const [name = "", text = ""] = attribute.trim().split("=", 2);
		const of = text.trim();
		if (/^domain$/i.test(name)) {
			return own.hosts.has(of.replace(/^\./, "").toLowerCase())
				? []
				: [attribute];
		}
		if (!/^path$/i.test(name) || of === "/") return [attribute];
		const path = cookiePathFor(of, route);
		return path === null ? [attribute] : [` Path=${path}`];
	});
	return [pair, ...kept].join(";");
}

/** A cookie's path covers what is below it. One that covers all that the route passes on covers all of the route. */
function cookiePathFor(path: string, route: Route): string | null {
	const segments = segmentsOf(path.replace(/(?<=.)\/$/, ""));
	const covers = segments.every((segment, at) => segment === route.base[at]);
	return covers
		? `/${route.prefix.join("/")}`
		: pathFor(path, { ...route, rest: true });
}
