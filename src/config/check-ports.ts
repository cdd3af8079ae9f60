import type { Config } from "./config.ts";
import type { Problem } from "./problem.ts";
import { entryOf } from "./shape.ts";
import type { Source } from "./source.ts";

/** One of the ports that a gateway listens on. */
interface Listening {
	/** Its key, as the author knows it. */
	readonly key: string;
	readonly port: number;
	readonly host: string;
	/** Null for a default. */
	readonly written: Source | null;
}

/** A port can be taken once. The second would fail when the gateway starts, after the old one has ended. */
export function checkPorts(
	{ server, admin }: Pick<Config, "server" | "admin">,
	root: Source,
	problems: Problem[],
): void {
	const ofServer = entryOf(root, "server");
	const first = {
		key: "server.port",
		port: server.port,
		host: server.host,
		written: entryOf(ofServer, "port"),
	};
	const redirect = server.tls?.redirect ?? null;
	const others: Listening[] = [];
	if (redirect !== null) {
		const written = entryOf(entryOf(ofServer, "tls"), "redirect");
		const { host } = server;
		others.push({ key: "server.tls.redirect", port: redirect, host, written });
	}
	// Without a port of its own the admin server gives way.
	if (admin !== null && admin.port !== null) {
		const written = entryOf(entryOf(root, "admin"), "port");
		const { port, host } = admin;
		others.push({ key: "admin.port", port, host, written });
	}
	for (const [index, one] of others.entries()) {
		const taken = [first, ...others.slice(0, index)];
		const other = taken.find((before) => clashes(before, one));
		if (other === undefined) continue;
		// The server's default may give way to `--port`.
		const warning = other.written === null ? { warning: true } : {};
		const at = one.written?.at ?? root.at;
		const isDefault = other.written === null ? ", the default" : "";
		const message = `\`${one.key}\` is ${one.port}, and so is \`${other.key}\`${isDefault}: choose another`;
		problems.push({ at, ...warning, follows: true, message });
	}
}

/** 0 takes any free port. */
function clashes(one: Listening, other: Listening): boolean {
	if (one.port === 0 || one.port !== other.port) return false;
	return one.host === other.host || [one, other].some(takesAll);
}

function takesAll({ host }: Listening): boolean {
	return host === "0.0.0.0" || host === "::" || host === "";
}
