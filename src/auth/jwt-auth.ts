import { LRUCache } from "lru-cache";
import { rulesOfKeys } from "../config/check-auth.ts";
import type { JwtConfig } from "../config/config.ts";
import { handedOn } from "../core/all-read.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { type KeySet, readKeySet } from "../core/key-set.ts";
import type { Auth, AuthContext } from "./auth.ts";
import { bearerChallenge } from "./challenge.ts";
import { openKeysSource } from "./fetched-keys.ts";
import { givenAt } from "./given.ts";
import { Denial, type Identity, type Judgement } from "./identity.ts";
import { type KnownKeys, RemoteKeys } from "./remote-keys.ts";
import {
	digestOf,
	headOf,
	issuerOf,
	judgeToken,
	type TokenRules,
} from "./token.ts";
import { WatchedFile } from "./watched-file.ts";

/** The keys that tokens may be signed with, wherever they come from. */
interface Keys {
	/** Rises when they change. */
	readonly version: number;
	/** Whether any of them still hold. What they have let in does not outlast them. */
	readonly holds: boolean;
	knownFor(kid: string | null): KnownKeys | Promise<KnownKeys>;
	readonly settled: Promise<void>;
	close(): Promise<void> | void;
}

/**
 * Tokens that were good, so that a client that sends one with each request does not have it verified each time. Each holds its
 * claims, of which nobody knows how long they are.
 */
const rememberedMax = 10_000;
const rememberedCharacters = 8 * 1024 * 1024;

interface Remembered {
	readonly identity: Identity;
	readonly version: number;
}

/** Tokens of one issuer. */
export function createJwtAuth(
	name: string,
	{ keys: written, from, resource, ...config }: JwtConfig,
	context: AuthContext,
): Auth {
	const { algorithms, renewMs, keepMs, ...rest } = config;
	const rules = handedOn<TokenRules>()(rest);
	const keys = openKeys(
		name,
		written,
		{ algorithms, renewMs, keepMs },
		context,
	);
	const remembered = new LRUCache<string, Remembered>({
		max: rememberedMax,
		maxSize: rememberedCharacters,
	});
	const judge = async (token: string): Promise<Judgement> => {
		const head = headOf(token, rules);
		if (head instanceof Denial) return head;
		// A token of another issuer never makes this one's keys be fetched.
		if (issuerOf(token) !== rules.issuer) {
			return new Denial("invalid", "its `iss` is not accepted");
		}
		const known = keys.knownFor(head.kid);
		const { keys: set, current } =
			known instanceof Promise ? await known : known;
		const { version } = keys;
		if (set === null || (!current && !set.knows(head.kid))) {
			return new Denial("unavailable", "its issuer's keys are not there");
		}
		const judged = await judgeToken(token, head, rules, set, new Date());
		if (judged instanceof Denial) return judged;
		const identity = named(name, judged);
		remembered.set(
			digestOf(token),
			{ identity, version },
			{ size: token.length },
		);
		return identity;
	};
	return {
		name,
		settled: keys.settled,
		...{ bearsTokens: true, resource },
		judge(request: GatewayRequest) {
			const token = givenAt(from, request);
			if (token instanceof Denial) return token;
			const before = remembered.get(digestOf(token));
			return before !== undefined && isGood(before, keys)
				? before.identity
				: judge(token);
		},
		challenge: (denial) => bearerChallenge(name, denial, resource),
		close: () => keys.close(),
	};
}

function isGood({ identity, version }: Remembered, keys: Keys): boolean {
	const { untilMs } = identity;
	if (!keys.holds || version !== keys.version) return false;
	return untilMs === null || Date.now() < untilMs;
}

function named(by: string, { values, untilMs }: Identity): Identity {
	return { values: deepFreeze({ ...values, by }), untilMs };
}

/** Requests share it, and a function of the author's may get it. */
function deepFreeze<T>(value: T): T {
	if (typeof value !== "object" || value === null) return value;
	for (const inner of Object.values(value)) deepFreeze(inner);
	return Object.freeze(value);
}

function openKeys(
	name: string,
	written: JwtConfig["keys"],
	{
		algorithms,
		...times
	}: Pick<JwtConfig, "algorithms" | "renewMs" | "keepMs">,
	{ clock, memory, open, told }: AuthContext,
): Keys {
	const own = rulesOfKeys({ algorithms });
	if (written.kind === "text") {
		return fixed(readKeySet(written.text.reveal(), own));
	}
	if (written.kind === "file") {
		const file = new WatchedFile(written.file, {
			clock,
			read: (text) => readKeySet(text, own),
			reread: (error) => told(name, error),
		});
		return {
			get version() {
				return file.version;
			},
			holds: true,
			knownFor: () => ({ keys: file.value, current: true }),
			settled: Promise.resolve(),
			close: () => file.close(),
		};
	}
	const source = openKeysSource(`auth ${name}`, written.url, open, {
		clock,
		memory,
	});
	const remote = new RemoteKeys(times, {
		clock,
		ask: () => source.ask(),
		// A secret that is fetched would be one that everybody can fetch.
		read: (text) => readKeySet(text, { algorithms, secrets: false }),
		asked: (error) => told(name, error),
	});
	return {
		get version() {
			return remote.version;
		},
		get holds() {
			return remote.holds;
		},
		knownFor: (kid) => remote.knownFor(kid),
		settled: remote.settled,
		close() {
			remote.close();
			return source.close();
		},
	};
}

function fixed(keys: KeySet): Keys {
	return {
		version: 0,
		holds: true,
		knownFor: () => ({ keys, current: true }),
		settled: Promise.resolve(),
		close: () => {},
	};
}
