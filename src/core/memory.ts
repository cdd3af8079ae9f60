import { GatewayError } from "./errors.ts";

/** A holder that drops something when others need its memory. */
export interface Yielding {
	/** The bytes that it holds now. */
	readonly bytes: number;
	/** Drops what it needs least, until it holds so many bytes less or nothing. */
	yield(bytes: number): void;
}

/** New requests leave this share free, so that those that were begun can end. */
const reserveShare = 1 / 8;

/** One request alone may hold this share. */
const requestShare = 1 / 2;

/** All requests of one client may hold this share. An eighth is left for the first requests of others. */
const clientShare = 3 / 4;

/** A request without a body, with its head, its scope and its run: measured, and rounded up. */
const requestBytes = 8 * 1024;

/** By then requests that are begun have ended. */
const retryAfterMs = 1_000;

/**
 * The memory that a gateway may hold. It counts what the size of data decides: bodies, values, texts, and answers that
 * their clients have not read. To count is to add two integers.
 */
export class Memory {
	readonly bytesMax: number;
	/** The most that one request may hold. */
	readonly requestBytesMax: number;
	/** The most that the requests of one client hold when another one begins. */
	readonly clientBytesMax: number;
	/** Bytes of requests, and of answers on their way from upstreams. */
	held = 0;
	/** Bytes of caches. They give way to the others. */
	kept = 0;
	readonly #newBytesMax: number;
	readonly #yielding: Yielding[] = [];
	/** Made once, because an error costs more than the rest of a refusal. */
	readonly usedUp = new GatewayError(
		"overloaded",
		"the gateway holds as much as `server.memory` allows",
		{ retryAfterMs },
	);

	/** Without a bound it only counts. */
	constructor(bytesMax = Number.POSITIVE_INFINITY) {
		this.bytesMax = bytesMax;
		this.requestBytesMax = bytesMax * requestShare;
		this.clientBytesMax = bytesMax * clientShare;
		this.#newBytesMax = bytesMax * (1 - reserveShare);
	}

	/** Whether a new request must be refused. Before that, caches give way. */
	get short(): boolean {
		return !this.#hasRoom(this.#newBytesMax);
	}

	/** Takes bytes for a request that was begun. Returns false, and takes none, if they do not fit. */
	take(bytes: number): boolean {
		const fits = this.fits(bytes);
		if (fits) this.held += bytes;
		return fits;
	}

	/** As `take`, for what is still to begin. */
	takeNew(bytes: number): boolean {
		const fits = this.fitsNew(bytes);
		if (fits) this.held += bytes;
		return fits;
	}

	/** Whether so many bytes can be taken. Caches give way. */
	fits(bytes: number): boolean {
		return this.#hasRoom(this.bytesMax - bytes);
	}

	/** As `fits`, for what is still to begin. */
	fitsNew(bytes: number): boolean {
		return this.#hasRoom(this.#newBytesMax - bytes);
	}

	/** Gives back what was taken. */
	give(bytes: number): void {
		this.held -= bytes;
	}

	/** Lets a cache take part. Its holder says by `keep` how its bytes change. Gives the removal. */
	join(one: Yielding): () => void {
		this.#yielding.push(one);
		return () => {
			const at = this.#yielding.indexOf(one);
			if (at >= 0) this.#yielding.splice(at, 1);
		};
	}

	/** A cache holds so many bytes more, or less. It gives way at once if that is too much. */
	keep(bytes: number): void {
		this.kept += bytes;
		if (bytes > 0) this.#hasRoom(this.#newBytesMax);
	}

	#hasRoom(bytesMax: number): boolean {
		if (this.held + this.kept <= bytesMax) return true;
		// To drop what is kept would not be enough.
		if (this.held > bytesMax) return false;
		for (const one of this.#yielding.toSorted((a, b) => b.bytes - a.bytes)) {
			const over = this.held + this.kept - bytesMax;
			if (over > 0) one.yield(over);
		}
		return this.held + this.kept <= bytesMax;
	}
}

/**
 * Memory that several requests use, and that a cache may keep meanwhile: an answer, and the values made of it. It counts
 * once: as the cache's while that keeps it, else as long as a request uses it.
 */
export class SharedMemory {
	#bytes: number;
	#users = 0;
	#keepers = 0;
	readonly #memory: Memory;

	constructor(memory: Memory, bytes: number) {
		this.#memory = memory;
		this.#bytes = bytes;
	}

	get bytes(): number {
		return this.#bytes;
	}

	/** A value was made of it. */
	grow(bytes: number): void {
		if (this.#isHeld) this.#memory.held += bytes;
		this.#bytes += bytes;
	}

	/** A request uses it. */
	use(): void {
		this.#change(1, 0);
	}

	/** A request uses it no more. */
	leave(): void {
		this.#change(-1, 0);
	}

	/** A cache keeps it, and counts it. */
	keep(): void {
		this.#change(0, 1);
	}

	/** A cache keeps it no more. */
	drop(): void {
		this.#change(0, -1);
	}

	#change(users: number, keepers: number): void {
		if (this.#isHeld) this.#memory.held -= this.#bytes;
		this.#users += users;
		this.#keepers += keepers;
		if (this.#isHeld) this.#memory.held += this.#bytes;
	}

	get #isHeld(): boolean {
		return this.#users > 0 && this.#keepers === 0;
	}
}

/** What the requests of one client hold. */
export interface ClientMemory {
	held: number;
}

/**
 * The part of the memory that one request holds. Whoever makes the request ends it, when the answer is out or the client
 * has left. So nothing is left behind, wherever a request ends.
 */
export class RequestMemory {
	readonly #memory: Memory;
	readonly #client: ClientMemory;
	#bytes = 0;
	#over = false;
	/** What it uses with others. Most requests use nothing. */
	#used: SharedMemory[] | null = null;
	#answerIsShared = false;

	/** Without a client its own share bounds it. */
	constructor(memory: Memory, client: ClientMemory = { held: 0 }) {
		this.#memory = memory;
		this.#client = client;
		this.#add(requestBytes);
	}

	#add(bytes: number): void {
		this.#bytes += bytes;
		this.#client.held += bytes;
		this.#memory.held += bytes;
	}

	/** Whether it must not begin: hardly anything is left, or its client holds too much of it. */
	get short(): boolean {
		const { clientBytesMax, short } = this.#memory;
		return short || this.#client.held > clientBytesMax;
	}

	/** The most that it may ever hold. */
	get bytesMax(): number {
		return this.#memory.requestBytesMax;
	}

	/** Takes bytes. Throws `limit_exceeded` if one request may not hold so much, and `overloaded` if nothing is left. */
	take(bytes: number): void {
		if (this.#over) return;
		if (this.#bytes + bytes > this.bytesMax) throw tooMuch(this.bytesMax);
		if (!this.#memory.fits(bytes)) throw this.#memory.usedUp;
		this.#add(bytes);
	}

	/** Takes bytes of the request's own body. Gives the reason if it cannot. */
	takeBody(bytes: number): GatewayError | null {
		if (this.#over) return null;
		if (this.#bytes + bytes > this.bytesMax) return tooLong(this.bytesMax);
		const tooMuch = this.#client.held + bytes > this.#memory.clientBytesMax;
		if (tooMuch || !this.#memory.fitsNew(bytes)) return this.#memory.usedUp;
		this.#add(bytes);
		return null;
	}

	/** Counts bytes that are bounded elsewhere, so that they need not be refused. */
	hold(bytes: number): void {
		if (!this.#over) this.#add(bytes);
	}

	/** Gives bytes back before its end. */
	give(bytes: number): void {
		this.#add(-Math.min(bytes, this.#bytes));
	}

	/** Uses memory that is counted once for all who use it. */
	use(shared: SharedMemory): void {
		if (this.#over) return;
		this.#used ??= [];
		this.#used.push(shared);
		shared.use();
	}

	/** As `use`, for the answer itself, which then takes no memory of its own. */
	useAsAnswer(shared: SharedMemory): void {
		this.#answerIsShared = true;
		this.use(shared);
	}

	/** The answer takes memory of its own after all, because it was made anew of what others share. */
	answerIsOwn(): void {
		this.#answerIsShared = false;
	}

	/** Gives everything back but what the answer takes until it is out. */
	keepAnswer(bytes: number): void {
		if (this.#over) return;
		const kept = this.#answerIsShared ? requestBytes : requestBytes + bytes;
		this.#add(kept - this.#bytes);
		if (!this.#answerIsShared) this.#leaveShared();
	}

	#leaveShared(): void {
		if (this.#used === null) return;
		for (const shared of this.#used) shared.leave();
		this.#used = null;
	}

	/** Gives everything back. What is taken later is not counted. */
	end(): void {
		this.give(this.#bytes);
		this.#leaveShared();
		this.#over = true;
	}
}

function tooMuch(bytesMax: number): GatewayError {
	const message = `one request would hold more than ${bytesMax} bytes, half of \`server.memory\``;
	return new GatewayError("limit_exceeded", message);
}

function tooLong(bytesMax: number): GatewayError {
	const message = `the body takes more than ${bytesMax} bytes, half of \`server.memory\``;
	return new GatewayError("request_too_large", message);
}
