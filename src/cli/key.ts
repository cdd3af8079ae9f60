import { randomBytes } from "node:crypto";
import { createApiKey, hashOfPassword } from "../config/keys/auth-hash.ts";
import { GatewayError } from "../core/errors.ts";
import { exitCodes } from "./exit-codes.ts";
import { print, printError } from "./terminal.ts";

export interface KeyOptions {
	readonly password?: boolean;
	readonly expires?: string;
	readonly scope?: string;
}

/**
 * `sluice key`: makes an API key or a password. It goes to stdout, where a script can take it, and the entry for the file of
 * the gateway to stderr. The key itself is written nowhere.
 */
export function keyCommand(name: string, options: KeyOptions): number {
	if (!/^[^:\p{Cc}]{1,100}$/u.test(name)) {
		throw new GatewayError(
			"request_invalid",
			"a name has 1 to 100 characters, none of them a colon or a control character such as a line break",
		);
	}
	const { expires, scope, password = false } = options;
	if (password && expires !== undefined) {
		throw new GatewayError("request_invalid", "a password does not expire");
	}
	const made = password ? newPassword() : createApiKey();
	const lines = [
		`- name: ${JSON.stringify(name)}`,
		`  hash: ${made.hash}`,
		...(expires === undefined ? [] : [`  expires: ${dayOf(expires)}`]),
		...(scope === undefined
			? []
			: [`  claims: { scope: ${JSON.stringify(scope)} }`]),
	];
	const what = password ? "password" : "key";
	printError(
		`# The ${what} is shown once. This goes into the file of the gateway:`,
	);
	printError(lines.join("\n"));
	print(made.key);
	return exitCodes.ok;
}

/** Of 128 random bits. */
function newPassword(): { readonly key: string; readonly hash: string } {
	const key = randomBytes(16).toString("base64url");
	return { key, hash: hashOfPassword(key) };
}

function dayOf(written: string): string {
	const days = /^(\d{1,4})d$/.exec(written)?.[1];
	if (days !== undefined) {
		if (Number(days) === 0) throw alreadyOver(written);
		const ms = Date.now() + Number(days) * 86_400_000;
		return new Date(ms).toISOString().slice(0, 10);
	}
	const ms = /^\d{4}-\d\d-\d\d$/.test(written)
		? Date.parse(written)
		: Number.NaN;
	if (ms <= Date.now()) throw alreadyOver(written);
	if (!Number.isNaN(ms)) return written;
	throw new GatewayError(
		"request_invalid",
		"--expires takes a number of days, such as `90d`, or a day, such as `2027-06-30`",
	);
}

function alreadyOver(written: string): GatewayError {
	return new GatewayError(
		"request_invalid",
		`--expires ${written} is over already: no key would be good, so give a later day`,
	);
}
