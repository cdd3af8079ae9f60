import {
	lookup as lookUpBySystem,
	type RecordWithTtl,
	Resolver,
} from "node:dns";
import { readFile } from "node:fs";
import { isIP } from "node:net";
import type { Clock, Timer } from "../../tasks/clock.ts";

/** An address of a host. */
interface Address {
	readonly address: string;
	readonly family: 4 | 6;
}

interface Found {
	readonly addresses: readonly Address[];
	readonly ttlMs: number;
}

/** The addresses stand in the order in which they are to be tried. */
type OnFound = (error: Error | null, addresses: readonly string[]) => void;

/** A name server that does not answer is asked twice, and then the next one. */
const triesMax = 2;
const tryMs = 1_000;

/** How long an answer of one family waits for the other's: some name servers answer one alone. */
const otherMs = 50;

/** Bounds of the time for which an answer holds. Without a lower one a TTL of 0 would ask for each connection. */
const ttlMsMin = 1_000;
const ttlMsMax = 10 * 60_000;

/** What says no time of its own: the hosts file, and what the system found. */
const ttlMsDefault = 10_000;

/** How long a failure holds, so that a name that is not there is not asked for by every call. */
const failureMs = 1_000;

/** The most addresses that are tried. A name server may name thousands. */
const addressesMax = 32;

/** How long the address that was reached comes first. Then the usual order may have become good (RFC 6555, 4). */
const reachedMs = 10 * 60_000;

const hostsFile = "/etc/hosts";

/**
 * Finds the addresses of one host. All who ask at once wait for one look-up, and its answer holds for its time. If a
 * later look-up fails, the last good answer is used. A name that does not resolve takes nobody else's time: name servers
 * are asked from the event loop. The system's own way would block one of the few threads that all look-ups share.
 */
export class Names {
	readonly #host: string;
	readonly #clock: Clock;
	readonly #nameServers: readonly string[] | undefined;
	/** As they were found. */
	#found: readonly Address[] = [];
	/** As they are tried. */
	#addresses: readonly string[] = [];
	/** The address that was reached although it was not the first. */
	#reached: Address | null = null;
	#reachedUntilMs = Number.NEGATIVE_INFINITY;
	#error: Error | null = null;
	#untilMs = Number.NEGATIVE_INFINITY;
	#waiting: OnFound[] | null = null;

	/** With `nameServers` nobody else is asked. */
	constructor(host: string, clock: Clock, nameServers?: readonly string[]) {
		this.#host = host;
		this.#clock = clock;
		this.#nameServers = nameServers;
	}

	/** Calls back in a later turn. */
	find(onFound: OnFound): void {
		if (this.#clock.now() < this.#untilMs) {
			process.nextTick(onFound, this.#error, this.#addresses);
			return;
		}
		if (this.#waiting !== null) {
			this.#waiting.push(onFound);
			return;
		}
		this.#waiting = [onFound];
		this.#lookUp().then(
			({ addresses, ttlMs }) => {
				this.#found = addresses;
				this.#order();
				this.#end(null, Math.min(Math.max(ttlMs, ttlMsMin), ttlMsMax));
			},
			// A good answer of before is likelier to be right than none.
			(error: Error) =>
				this.#end(this.#addresses.length > 0 ? null : error, failureMs),
		);
	}

	/**
	 * A connection to the address was made. If others before it could not be reached, it comes first for a while, and its
	 * family with it (RFC 8305, 4).
	 */
	reached(address: string): void {
		if (address === this.#addresses[0]) return;
		const reached = this.#found.find((one) => one.address === address);
		if (reached === undefined) return;
		this.#reached = reached;
		this.#reachedUntilMs = this.#clock.now() + reachedMs;
		this.#order();
	}

	/** The families take turns, so that a dead one costs one attempt. At first the newer one is preferred (RFC 8305, 4). */
	#order(): void {
		if (this.#clock.now() >= this.#reachedUntilMs) this.#reached = null;
		const { address, family } = this.#reached ?? { address: null, family: 6 };
		const rank = (one: Address) => Number(one.address !== address);
		const all = this.#found.toSorted((a, b) => rank(a) - rank(b));
		const preferred = all.filter((one) => one.family === family);
		const others = all.filter((one) => one.family !== family);
		const ordered: string[] = [];
		for (let at = 0; at < all.length; at++) {
			for (const one of [preferred[at], others[at]]) {
				if (one !== undefined) ordered.push(one.address);
			}
		}
		this.#addresses = ordered.slice(0, addressesMax);
	}

	#end(error: Error | null, holdsMs: number): void {
		this.#error = error;
		this.#untilMs = this.#clock.now() + holdsMs;
		const waiting = this.#waiting ?? [];
		this.#waiting = null;
		for (const onFound of waiting) onFound(error, this.#addresses);
	}

	async #lookUp(): Promise<Found> {
		const host = this.#host;
		// It never leaves the machine (RFC 6761, 6.3), and a server may listen on one of both alone.
		if (/(?:^|\.)localhost\.?$/i.test(host)) {
			return found([six("::1"), four("127.0.0.1")]);
		}
		const listed = await addressesInHosts(host);
		if (listed.length > 0) return found(listed);
		const [sixes, fours] = await this.#askBoth();
		const addresses = [...sixes.addresses, ...fours.addresses];
		if (addresses.length > 0) {
			return { addresses, ttlMs: Math.min(sixes.ttlMs, fours.ttlMs) };
		}
		const code = fours.code ?? sixes.code ?? "ENODATA";
		if (this.#nameServers === undefined && askSystemAfter.has(code)) {
			return bySystem(host);
		}
		throw failure(code, host);
	}

	/** Asks for both families at once. If one has an answer, the other has a moment more (RFC 8305, 3). */
	#askBoth(): Promise<[sixes: Asked, fours: Asked]> {
		// A new one each time, because the machine's name servers may have changed.
		const resolver = new Resolver({ timeout: tryMs, tries: triesMax });
		if (this.#nameServers !== undefined) resolver.setServers(this.#nameServers);
		return new Promise((resolve) => {
			let sixes: Asked | null = null;
			let fours: Asked | null = null;
			let timer: Timer | null = null;
			const end = () => {
				timer?.cancel();
				resolve([sixes ?? nothing, fours ?? nothing]);
			};
			const answered = ({ addresses }: Asked) => {
				if (sixes !== null && fours !== null) end();
				else if (addresses.length > 0) timer = this.#clock.after(otherMs, end);
			};
			resolver.resolve6(this.#host, { ttl: true }, (error, records) => {
				sixes = askedOf(error, records, six);
				answered(sixes);
			});
			resolver.resolve4(this.#host, { ttl: true }, (error, records) => {
				fours = askedOf(error, records, four);
				answered(fours);
			});
		});
	}
}

/**
 * The system also knows search domains and other sources. It is asked only after an answer that came at once, because
 * a name server that hangs or fails would keep its thread, too.
 */
const askSystemAfter: ReadonlySet<string> = new Set([
	"ENOTFOUND",
	"ENODATA",
	// Nobody listens, as on a machine without name servers.
	"ECONNREFUSED",
	// A name that DNS does not allow may stand elsewhere.
	"EBADNAME",
]);

interface Asked extends Found {
	/** Why there is no address. */
	readonly code?: string;
}

function askedOf(
	error: NodeJS.ErrnoException | null,
	records: readonly RecordWithTtl[],
	addressOf: (address: string) => Address,
): Asked {
	if (error !== null) return { ...nothing, code: error.code ?? "ENODATA" };
	return {
		addresses: records.map(({ address }) => addressOf(address)),
		ttlMs: Math.min(...records.map(({ ttl }) => ttl * 1000)),
	};
}

const nothing: Found = { addresses: [], ttlMs: Number.POSITIVE_INFINITY };

function found(addresses: readonly Address[]): Found {
	return { addresses, ttlMs: ttlMsDefault };
}

function six(address: string): Address {
	return { address, family: 6 };
}

function four(address: string): Address {
	return { address, family: 4 };
}

function bySystem(host: string): Promise<Found> {
	return new Promise((resolve, reject) => {
		lookUpBySystem(host, { all: true }, (error, addresses) => {
			if (error !== null) {
				reject(failure(error.code ?? "ENOTFOUND", host));
				return;
			}
			resolve(
				found(
					addresses.map(({ address, family }) =>
						family === 6 ? six(address) : four(address),
					),
				),
			);
		});
	});
}

/** The addresses that the machine's own file gives a name. */
function addressesInHosts(host: string): Promise<Address[]> {
	const wanted = host.toLowerCase();
	return new Promise((resolve) => {
		readFile(hostsFile, "utf8", (error, text) => {
			// A machine without the file has none in it.
			resolve(error === null ? addressesIn(text, wanted) : []);
		});
	});
}

function addressesIn(hosts: string, wanted: string): Address[] {
	return hosts.split("\n").flatMap((line) => {
		const [address = "", ...names] = line
			.replace(/#.*/, "")
			.trim()
			.split(/\s+/);
		const family = isIP(address);
		if (family === 0 || !names.some((name) => name.toLowerCase() === wanted)) {
			return [];
		}
		return [family === 6 ? six(address) : four(address)];
	});
}

/** As the system's errors are: a code, and what was being done. */
function failure(code: string, host: string): Error {
	const syscall = "look-up";
	return Object.assign(new Error(`${syscall} ${code} ${host}`), {
		code,
		syscall,
	});
}
