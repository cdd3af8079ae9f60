/** A row of messages whose store forgot nothing and lacks nothing. */
export interface Epoch {
	readonly name: string;
	/** The offset of its first message. */
	readonly from: number;
}

/** The newest epoch of an instance, and the offset of its last message. */
export interface Newest {
	readonly epoch: string;
	readonly offset: number;
}

/** A message that was published. */
export interface Said extends Newest {
	/** How many listen, in all gateways. */
	readonly listeners: number;
}

export interface StoredMessage {
	readonly offset: number;
	/** For how long it has been there. */
	readonly ageMs: number;
	readonly json: string;
}

/** What comes after a place. */
export interface Read {
	/** The oldest first. There is at least one. */
	readonly epochs: readonly Epoch[];
	readonly lastOffset: number;
	/** Whether there are no more than these. */
	readonly isAll: boolean;
	readonly messages: readonly StoredMessage[];
}

/** An instance when a gateway joins it. */
export interface Snapshot extends Read {
	readonly members: readonly string[];
	/** How many there are in all. More than are named if they are very many. */
	readonly memberCount: number;
	/** How often it had changed who is there. */
	readonly changes: number;
}

// What comes from the store may be anything. Each gives null for what its script cannot give.

export function readSaid(reply: unknown): Said | null {
	const [epoch, offset, listeners] = listOf(reply);
	const newest = newestOf(epoch, offset);
	return newest && isCount(listeners) ? { ...newest, listeners } : null;
}

export function readNewest(reply: unknown): Newest | null {
	const [epoch, offset] = listOf(reply);
	return newestOf(epoch, offset);
}

/** Null for an instance in which the gateway is not known. */
export function readNewestOfAll(
	reply: unknown,
	count: number,
): readonly (Newest | null)[] | null {
	const all = listOf(reply).map((one) => {
		const [epoch, offset] = textOf(one)?.split("-") ?? [];
		return newestOf(epoch, Number(offset));
	});
	return all.length === count ? all : null;
}

export function readRead(reply: unknown): Read | null {
	const [epochs, last, isAll, entries] = listOf(reply);
	const all = textOf(epochs)?.split(" ").map(epochOf) ?? [];
	const fields = listOf(entries);
	const messages: StoredMessage[] = [];
	for (let at = 0; at < fields.length; at += 3) {
		const [offset, ageMs] = [fields[at], fields[at + 1]];
		const json = textOf(fields[at + 2]);
		if (!isCount(offset) || typeof ageMs !== "number" || json === null) {
			return null;
		}
		messages.push({ offset, ageMs, json });
	}
	const known = all.filter((epoch) => epoch !== null);
	if (known.length === 0 || known.length < all.length) return null;
	if (!isCount(last) || !isCount(isAll)) return null;
	return { epochs: known, lastOffset: last, isAll: isAll === 1, messages };
}

export function readSnapshot(reply: unknown): Snapshot | null {
	const read = readRead(reply);
	const [, , , , memberCount, changes, named] = listOf(reply);
	if (read === null || !isCount(memberCount) || !isCount(changes)) return null;
	const members = listOf(named).map(textOf);
	return members.every((member) => member !== null)
		? { ...read, members, memberCount, changes }
		: null;
}

export function readRenewed(
	reply: unknown,
): { readonly wasAlive: boolean; readonly dead: readonly string[] } | null {
	const [wasAlive, found] = listOf(reply);
	if (!isCount(wasAlive)) return null;
	const dead = listOf(found).map(textOf);
	return dead.every((one) => one !== null)
		? { wasAlive: wasAlive === 1, dead }
		: null;
}

function listOf(value: unknown): readonly unknown[] {
	return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string | null {
	if (typeof value === "string") return value;
	return Buffer.isBuffer(value) ? value.toString() : null;
}

function isCount(value: unknown): value is number {
	return Number.isSafeInteger(value) && (value as number) >= 0;
}

function newestOf(epoch: unknown, offset: unknown): Newest | null {
	const name = textOf(epoch);
	if (name === null || !/^[0-9a-z]{1,32}$/.test(name)) return null;
	return isCount(offset) ? { epoch: name, offset } : null;
}

function epochOf(text: string): Epoch | null {
	const [, name, from] = /^([0-9a-z]{1,32}):(\d{1,15})$/.exec(text) ?? [];
	return name === undefined ? null : { name, from: Number(from) };
}
