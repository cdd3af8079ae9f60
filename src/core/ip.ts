import { isIP, SocketAddress } from "node:net";

/** A range of addresses: all addresses that agree with `address` in its first `prefix` bits. */
export interface Subnet {
	readonly address: string;
	readonly family: "ipv4" | "ipv6";
	readonly prefix: number;
}

/** Stands for the address of a client that cannot be told (RFC 7239, 6.2). It is no address, so it equals none. */
export const nobody = "unknown";

/**
 * An IP address in its one canonical form, or null if the text is none. A socket for both families gives IPv4 addresses
 * mapped into IPv6 (`::ffff:192.0.2.1`). They become IPv4 again. A zone (`%eth0`) is no address.
 */
export function parseAddress(text: string): string | null {
	const version = isIP(text);
	if (version === 4) return text;
	if (version === 0 || text.includes("%")) return null;
	const { address } = new SocketAddress({ address: text, family: "ipv6" });
	return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1] ?? address;
}

/** The machine itself, for whoever asks on it (RFC 6761, 6.3). */
export function isLocal(host: string): boolean {
	return (
		/^(?:.+\.)?localhost$/i.test(host) ||
		/^(?:127\..*|::1)$/.test(addressIn(host))
	);
}

function addressIn(host: string): string {
	return parseAddress(host) ?? "";
}

/** `10.0.0.0/8`, `fd00::/8`, or one address alone; null if the text is neither. */
export function parseSubnet(text: string): Subnet | null {
	const [, given = "", bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
	const address = parseAddress(given);
	if (address === null) return null;
	const family = familyOf(address);
	// The bits of a mapped address would count from another start.
	if (family === "ipv4" && given.includes(":") && bits) return null;
	const longest = family === "ipv4" ? 32 : 128;
	const prefix = bits === undefined ? longest : Number(bits);
	return prefix > longest ? null : { address, family, prefix };
}

/**
 * The part of an address that identifies one client: an IPv4 address, or the first 64 bits of an IPv6 address. The
 * client chooses the other bits itself (RFC 7934; RFC 4291, 2.5.4). A text that is no address stays as it is.
 */
export function networkOf(text: string): string {
	if (!text.includes(":")) return text;
	const address = parseAddress(text);
	if (address === null || familyOf(address) === "ipv4") return address ?? text;
	const [before = "", behind] = address.split("::");
	const groups = groupsOf(before);
	if (behind !== undefined) {
		const left = 8 - groups.length - groupsOf(behind).length;
		groups.push(...new Array(left).fill("0"), ...groupsOf(behind));
	}
	return `${groups.slice(0, 4).join(":")}::/64`;
}

/** The groups of half an IPv6 address. A half that ends like IPv4 (`64:ff9b::192.0.2.1`) has two groups there. */
function groupsOf(text: string): string[] {
	const groups = text === "" ? [] : text.split(":");
	return groups.flatMap((group) =>
		group.includes(".") ? ["v4", "v4"] : group,
	);
}

/** Of an address in canonical form. */
export function familyOf(address: string): "ipv4" | "ipv6" {
	return address.includes(":") ? "ipv6" : "ipv4";
}
