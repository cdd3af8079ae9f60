import { BlockList } from "node:net";
import { allHeadersOf, type HeaderList } from "../core/http/headers.ts";
import { familyOf, parseAddress, parseSubnet } from "../core/ip.ts";

/** The address of the client behind a connection's peer, which is the peer itself unless that is a trusted proxy. */
export type ClientAddress = (peer: string, headers: HeaderList) => string;

/** The addresses that a header names, nearest the client first. Null stands for one that cannot be told. */
type Hops = readonly (string | null)[];

/**
 * Believes `Forwarded` (RFC 7239) and `X-Forwarded-For` as far as trusted proxies wrote them. They are read from the
 * right, past each trusted address, to the first that is not trusted. Anybody may have written the entries left of it,
 * so they are not looked at. If the client cannot be told, it is not guessed: the peer's address counts.
 */
export function createClientAddress(
	trustedProxies: readonly string[],
): ClientAddress {
	if (trustedProxies.length === 0) return (peer) => peer;
	const trusted = blockListOf(trustedProxies);
	const isTrusted = (address: string) =>
		trusted.check(address, familyOf(address));
	return (peer, headers) => {
		if (peer === "" || !isTrusted(peer)) return peer;
		const said = hopsIn(headers).map((hops) => clientIn(hops, isTrusted));
		const [first = null] = said;
		// A proxy that writes one of the headers may pass on the other as the client wrote it. Then they disagree.
		return first !== null && said.every((each) => each === first)
			? first
			: peer;
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

function clientIn(
	hops: Hops,
	isTrusted: (address: string) => boolean,
): string | null {
	for (const hop of hops.toReversed()) {
		if (hop === null || !isTrusted(hop)) return hop;
	}
	return hops[0] ?? null;
}

/** One for each of the two headers that is there. */
function hopsIn(headers: HeaderList): Hops[] {
	const forwarded = listOf(headers, "forwarded");
	const older = listOf(headers, "x-forwarded-for");
	return [
		...(forwarded === null ? [] : [forwardedHops(forwarded)]),
		...(older === null
			? []
			: [older.split(",").map((node) => addressOf(node.trim()))]),
	];
}

/** A field as one list, on however many lines it comes (RFC 9110, 5.3); null if it does not come. */
function listOf(headers: HeaderList, name: string): string | null {
	const lines = allHeadersOf(headers, name);
	return lines.length === 0 ? null : lines.join(", ");
}

const pairPattern =
	/[ \t]*([\w!#$%&'*+.^`|~-]+)=(?:([\w!#$%&'*+.^`|~-]+)|"((?:[^"\\]|\\.)*)")[ \t]*(;|,|$)/y;

/** The `for` of each element. A field that breaks the grammar counts as one address that cannot be told. */
function forwardedHops(value: string): Hops {
	const hops: (string | null)[] = [];
	let node: string | null = null;
	for (let at = 0; at < value.length; at = pairPattern.lastIndex) {
		pairPattern.lastIndex = at;
		const pair = pairPattern.exec(value);
		if (pair === null) return [null];
		const [, name = "", token, quoted = "", end] = pair;
		if (name.toLowerCase() === "for") {
			if (node !== null) return [null];
			node = token ?? quoted.replaceAll(/\\(.)/g, "$1");
		}
		if (end === ";") continue;
		hops.push(node === null ? null : addressOf(node));
		node = null;
	}
	return /[;,]\s*$/.test(value) ? [null] : hops;
}

/** The address of a node, which may have a port. Null for `unknown`, `_hidden` and a text that is no address. */
function addressOf(node: string): string | null {
	const [, inBrackets, alone] =
		/^(?:\[([^\]]*)\]|([^:]*))(?::\d{1,5})?$/.exec(node) ?? [];
	return parseAddress(inBrackets ?? alone ?? node);
}
