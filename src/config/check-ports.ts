import type { Config } from "./config.ts";
import type { Problem } from "./problem.ts";
import { entryOf } from "./shape.ts";
import type { Source } from "./source.ts";

/** One of the ports that a gateway listens on. */
interface Listening {
	/** Its key, as the author knows it. */
	readonly key: "server.port" | "server.tls.redirect" | "admin.port";
	readonly port: number;
	readonly host: string;
}

type Ports = Pick<Config, "server" | "admin">;

/** A port can be taken once. The second would fail when the gateway starts, after the old one has ended. */
export function checkPorts(
	ports: Ports,
	root: Source,
	problems: Problem[],
): void {
	for (const [one, other] of clashesOf(ports)) {
		const isDefault = writtenOf(other, root) === null;
		// The server's default may give way to `--port`.
		const warning = isDefault ? { warning: true } : {};
		const at = writtenOf(one, root)?.at ?? root.at;
		const name = `\`${other.key}\`${isDefault ? ", the default" : ""}`;
		problems.push({ at, ...warning, follows: true, message: told(one, name) });
	}
}

/** The same of a config whose server was told another port or host by the command line. */
export function faultsOfPorts(
	ports: Ports,
	{ byCommand }: { readonly byCommand: boolean },
): string[] {
	return clashesOf(ports).map(([one, other]) => {
		const isTold = byCommand && other.key === "server.port";
		return told(one, isTold ? "`--port`" : `\`${other.key}\``);
	});
}

function told({ key, port }: Listening, other: string): string {
	return `\`${key}\` is ${port}, and so is ${other}: choose another`;
}

/** Each port that is taken, with what takes it. */
function clashesOf(ports: Ports): (readonly [Listening, Listening])[] {
	const all = listeningOf(ports);
	return all.flatMap((one, index) => {
		const other = all.slice(0, index).find((before) => clashes(before, one));
		return other === undefined ? [] : [[one, other] as const];
	});
}

/** In the order in which they are taken. */
function listeningOf({ server, admin }: Ports): readonly Listening[] {
	const { host, port } = server;
	const redirect = server.tls?.redirect ?? null;
	const all: Listening[] = [{ key: "server.port", port, host }];
	if (redirect !== null) {
		all.push({ key: "server.tls.redirect", port: redirect, host });
	}
	// Without a port of its own the admin server gives way.
	if (admin !== null && admin.port !== null) {
		all.push({ key: "admin.port", port: admin.port, host: admin.host });
	}
	return all;
}

/** Where the config says it; null for a default. */
function writtenOf({ key }: Listening, root: Source): Source | null {
	return key
		.split(".")
		.reduce<Source | null>((within, name) => entryOf(within, name), root);
}

/** 0 takes any free port. */
function clashes(one: Listening, other: Listening): boolean {
	if (one.port === 0 || one.port !== other.port) return false;
	return one.host === other.host || [one, other].some(takesAll);
}

function takesAll({ host }: Listening): boolean {
	return host === "0.0.0.0" || host === "::" || host === "";
}
