import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Secrets } from "../core/secrets.ts";
import { faultOfKeys, fileOf } from "./check-auth.ts";
import type { ApiKeyEntry, AuthConfig, Config } from "./config.ts";
import { readApiKeys, readPasswords } from "./keys/auth-entries.ts";
import { messageOf, type Problem } from "./problem.ts";
import { readSource } from "./read-yaml.ts";
import { addKeys } from "./secret-values.ts";
import { entryOf, type Judged } from "./shape.ts";
import type { Source } from "./source.ts";

/** The most faults that are told at once. */
const faultsTold = 16;

function listed(faults: readonly string[]): string {
	const more = faults.length - faultsTold;
	const rest = more > 0 ? [`and ${more} more`] : [];
	return [...faults.slice(0, faultsTold), ...rest].join("; ");
}

/** Reads a text of entries. Throws an error in words for the operator, with each fault. */
export function entriesIn<Entry>(
	text: string,
	read: (source: Source, judged: Judged) => readonly Entry[] | undefined,
): readonly Entry[] {
	const { root, problems, positionOf } = readSource(text);
	const all = [...problems];
	const judged = { what: "the file", problems: all };
	const entries = root === null ? [] : read(root, judged);
	if (all.length === 0 && entries !== undefined) return entries;
	if (all.length === 0) throw new Error("line 1: there is no list of entries");
	const faults = all
		.toSorted((a, b) => a.at - b.at)
		.map((one) => `line ${positionOf(one.at).line ?? 1}: ${messageOf(one)}`);
	throw new Error(listed(faults));
}

/** Finds the files from the config's folder, and says what is wrong with what they hold. */
export function withAuthFiles(
	config: Config,
	root: Source | null,
	folder: string,
	nowMs: number,
): { readonly config: Config; readonly problems: readonly Problem[] } {
	const problems: Problem[] = [];
	const auth = config.auth.map((one): AuthConfig => {
		const path = fileOf(one);
		if (path === null || one.kind === "mtls") {
			if (one.kind === "keys") problems.push(...expiredOf(one, root, nowMs));
			return one;
		}
		const file = resolve(folder, path);
		const key = one.kind === "jwt" ? "keys" : "file";
		const { at = 0 } = entryOf(writtenOf(root, one), key) ?? {};
		const said = lookedAt(one, file, nowMs, config.secrets);
		if (said !== null) {
			problems.push({ ...said, at, message: `${path}: ${said.message}` });
		}
		return one.kind === "jwt"
			? { ...one, keys: { kind: "file", file } }
			: { ...one, file };
	});
	return { config: { ...config, auth }, problems };
}

function writtenOf(
	root: Source | null,
	{ name, kind }: Pick<AuthConfig, "name" | "kind">,
): Source | null {
	return entryOf(entryOf(entryOf(root, "auth"), name), kind);
}

/** Keys of the config itself that let nobody in any more. */
function expiredOf(
	auth: Extract<AuthConfig, { readonly kind: "keys" }>,
	root: Source | null,
	nowMs: number,
): Problem[] {
	const list = entryOf(writtenOf(root, auth), "list");
	const items = list?.kind === "list" ? list.items : [];
	return auth.list.flatMap((entry, at) => {
		const message = whyOver(entry, nowMs);
		if (message === null) return [];
		return [{ at: items[at]?.at ?? 0, warning: true, message }];
	});
}

/** Null for a key that is still good. */
function whyOver(
	{ name, expiresMs }: ApiKeyEntry,
	nowMs: number,
): string | null {
	if (expiresMs === null || expiresMs > nowMs) return null;
	const since = new Date(expiresMs).toISOString();
	return `the key of \`${name}\` has expired, at ${since}: remove it, or make another with \`sluice key\``;
}

/** What is to be said of a file; null if it is good. */
function lookedAt(
	auth: AuthConfig,
	file: string,
	nowMs: number,
	secrets: Secrets,
): { readonly message: string; readonly warning?: true } | null {
	try {
		const text = readFileSync(file, "utf8");
		if (auth.kind === "jwt") {
			addKeys(text, secrets);
			const message = faultOfKeys(text, auth.algorithms);
			return message === null ? null : { message };
		}
		if (auth.kind !== "keys") {
			entriesIn(text, readPasswords);
			return null;
		}
		const over = entriesIn(text, readApiKeys).flatMap(
			(entry) => whyOver(entry, nowMs) ?? [],
		);
		return over.length === 0 ? null : { message: listed(over), warning: true };
	} catch (error) {
		const { code, message } = error as NodeJS.ErrnoException;
		if (code === "ENOENT") return { message: "there is no such file" };
		return {
			message: code === undefined ? message : `it cannot be read (${code})`,
		};
	}
}
