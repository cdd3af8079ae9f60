import type { ServerConfig } from "../config/config.ts";
import { type HeaderList, onlyHeaderOf } from "../core/http/headers.ts";
import { isLocal, parseAddress } from "../core/ip.ts";
import { authorityOf } from "./refuse.ts";

/** Whether a request names a host that the server answers for. Its `Host` is there at most once. */
export type AnswersFor = (url: string, headers: HeaderList) => boolean;

/**
 * A page of the web can give its own name the address of this machine, and then its browser lets it read answers (DNS
 * rebinding). It cannot choose another name. So a server for this machine alone answers only for names that mean it.
 * Null if the server answers for any name.
 */
export function createHosts({
	hosts,
	host,
}: Pick<ServerConfig, "hosts" | "host">): AnswersFor | null {
	if (hosts?.includes("*") || (hosts === null && !isLocal(host))) return null;
	const isKnown = hosts === null ? isLocal : isAmong(hosts);
	let last: string | null = null;
	const answersFor = (authority: string) => {
		// Nearly every request names the same host as the one before.
		if (authority === last) return true;
		if (!isKnown(hostIn(authority))) return false;
		last = authority;
		return true;
	};
	return (url, headers) => {
		const named = onlyHeaderOf(headers, "host");
		const target = url.startsWith("/") ? null : authorityOf(url);
		// A request of HTTP/1.0 may name no host. No browser sends one.
		return (
			(named === null || answersFor(named)) &&
			(target === null || answersFor(target))
		);
	};
}

/** `*.example.com` is every name below that one. */
function isAmong(hosts: readonly string[]): (host: string) => boolean {
	const names = new Set(hosts);
	const ends = hosts
		.filter((name) => name.startsWith("*."))
		.map((name) => name.slice(1));
	return (host) =>
		names.has(host) ||
		ends.some((end) => host.endsWith(end) && host.length > end.length);
}

/** The name in small letters, or the address in its one form; without port, brackets and the dot of the root. */
function hostIn(authority: string): string {
	const name = authority.toLowerCase().replace(/:\d*$/, "");
	const bare = name.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
	return parseAddress(bare) ?? bare;
}
