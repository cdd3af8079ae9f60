import { BlockList } from "node:net";
import type { ServerConfig } from "../config/config.ts";
import {
	allHeadersOf,
	type HeaderList,
	onlyHeaderOf,
} from "../core/http/headers.ts";
import { familyOf, nobody, parseAddress, parseSubnet } from "../core/ip.ts";

/**
 * The address of the client behind a connection's peer, which is the peer itself unless that is a trusted proxy. It is
 * `nobody` if a trusted proxy does not say it.
 */
export type ClientAddress = (peer: string, headers: HeaderList) => string;

/** The address in a header's lines, nearest the last line's end first, that is not trusted. Null if there is none. */
type ReadAddress = (lines: readonly string[], isTrusted: IsTrusted) => Found;
type IsTrusted = (address: string) => boolean;
type Found = string | null;

/**
 * Believes the one header that the trusted proxies write, and no other: a client may have written any other. If the
 * client cannot be told, it is never taken for a proxy, which may be more than a client may be.
 */
export function createClientAddress({
	trustedProxies,
	addressHeader,
}: Pick<ServerConfig, "trustedProxies" | "addressHeader">): ClientAddress {
	if (trustedProxies === null || addressHeader === null) {
		return (peer) => peer || nobody;
	}
	const trusted = blockListOf(trustedProxies);
	const isTrusted = (address: string) =>
		trusted.check(address, familyOf(address));
	const read = readers.get(addressHeader) ?? onlyAddress;
	return (peer, headers) => {
		if (peer === "" || !isTrusted(peer)) return peer || nobody;
		return read(allHeadersOf(headers, addressHeader), isTrusted) ?? nobody;
	};
}

/** The scheme by which a client came; null if a trusted proxy does not say it. */
export type ClientScheme = (
	peer: string,
	headers: HeaderList,
) => "http" | "https" | null;

/** `own` is what the server itself speaks. Of a trusted proxy it believes the one header that the proxies write. */
export function createClientScheme({
	trustedProxies,
	schemeHeader,
	own,
}: Pick<ServerConfig, "trustedProxies" | "schemeHeader"> & {
	readonly own: "http" | "https";
}): ClientScheme {
	if (trustedProxies === null) return () => own;
	const trusted = blockListOf(trustedProxies);
	return (peer, headers) => {
		if (peer === "" || !trusted.check(peer, familyOf(peer))) return own;
		const said = schemeHeader && onlyHeaderOf(headers, schemeHeader);
		const scheme = said?.trim().toLowerCase();
		return scheme === "http" || scheme === "https" ? scheme : null;
	};
}

function blockListOf(subnets: readonly string[]): BlockList {
	const list = new BlockList();
	for (const text of subnets) {
		const subnet = parseSubnet(text);
		if (subnet === null) throw new TypeError(`${text} is no address`);
		list.addSubnet(subnet.address, subnet.prefix, subnet.family);
	}
	return list;
}

/** The headers to which each proxy adds one address. Any other holds one address alone. */
const readers: ReadonlyMap<string, ReadAddress> = new Map([
	["x-forwarded-for", lastAddress(startAfterComma, addressOf)],
	["forwarded", lastAddress(startOutsideQuotes, forwardedFor)],
]);

/** With two lines nobody knows which one the proxy wrote. */
const onlyAddress: ReadAddress = ([line = "", ...others], isTrusted) => {
	const address = others.length > 0 ? null : addressOf(line.trim());
	return address !== null && isTrusted(address) ? null : address;
};

/**
 * Reads a list from the right: each proxy adds its element there, and only the elements of trusted ones are looked at.
 * Empty elements do not count (RFC 9110, 5.6.1.2).
 */
function lastAddress(
	startOf: (list: string, end: number) => number,
	addressIn: (element: string) => string | null,
): ReadAddress {
	return (lines, isTrusted) => {
		const list = lines.join(",");
		for (let end = list.length; end > 0; ) {
			const start = startOf(list, end);
			const element = list.slice(start, end).trim();
			end = start - 1;
			if (element === "") continue;
			const address = addressIn(element);
			if (address === null || !isTrusted(address)) return address;
		}
		return null;
	};
}

function startAfterComma(list: string, end: number): number {
	return list.lastIndexOf(",", end - 1) + 1;
}

/** A quote that a client left open ends left of the element that the proxy added. */
function startOutsideQuotes(list: string, end: number): number {
	let quoted = false;
	for (let at = end; at > 0; at--) {
		const before = list[at - 1];
		if (before === '"' && !isEscaped(list, at - 1)) quoted = !quoted;
		else if (before === "," && !quoted) return at;
	}
	return 0;
}

function isEscaped(text: string, at: number): boolean {
	let start = at;
	while (text[start - 1] === "\\") start--;
	return (at - start) % 2 === 1;
}

/** Two ways to take the same blanks would make a long run of them slow, so each has its own branch. */
const pairPattern =
	/(?:[ \t]*([\w!#$%&'*+.^`|~-]+)=(?:([\w!#$%&'*+.^`|~-]+)|"((?:[^"\\]|\\.)*)")[ \t]*|[ \t]*)(?:;|$)/y;

/** The `for` of an element of `Forwarded` (RFC 7239). Null if it breaks the grammar, or has none or two of them. */
function forwardedFor(element: string): string | null {
	let node: string | null = null;
	for (let at = 0; at < element.length; at = pairPattern.lastIndex) {
		pairPattern.lastIndex = at;
		const pair = pairPattern.exec(element);
		if (pair === null) return null;
		const [, name = "", token, quoted = ""] = pair;
		if (name.toLowerCase() !== "for") continue;
		if (node !== null) return null;
		node = token ?? quoted.replaceAll(/\\(.)/g, "$1");
	}
	return node === null ? null : addressOf(node);
}

/** The address of a node, which may have a port. Null for `unknown`, `_hidden` and a text that is no address. */
function addressOf(node: string): string | null {
	const [, inBrackets, alone] =
		/^(?:\[([^\]]*)\]|([^:]*))(?::\d{1,5})?$/.exec(node) ?? [];
	return parseAddress(inBrackets ?? alone ?? node);
}
