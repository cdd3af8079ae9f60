/** Where a store is: one server, or servers that know which one it is. */
export interface StoreAddress {
	readonly kind: "server" | "sentinel" | "cluster";
	/** The server, or those to ask, as URLs for the library. Sentinels are asked without the user and the password at first. */
	readonly seeds: readonly [string, ...string[]];
	/** The name that Sentinels have for the servers; empty without Sentinels. */
	readonly name: string;
	readonly tls: boolean;
	/** `user:password@` as it is written, or empty. */
	readonly user: string;
	/** The number of the database, or empty. */
	readonly database: string;
}

const form =
	/^(?<scheme>rediss?)(?:-(?<kind>sentinel|cluster))?:\/\/(?<user>[^/?#]*@)?(?<hosts>[^@/?#]+)(?<path>\/[^?#]*)?$/;

const portsOf = { server: 6379, sentinel: 26_379, cluster: 6379 };

/**
 * Takes `redis://host:port/database`, `redis-sentinel://host:port,host:port/name/database` and `redis-cluster://host:port,host:port`; with `rediss` over TLS. Null
 * for any other text.
 */
export function parseStoreUrl(text: string): StoreAddress | null {
	const { scheme, kind, user, hosts, path } = form.exec(text)?.groups ?? {};
	if (scheme === undefined || hosts === undefined) return null;
	const address = {
		kind: (kind ?? "server") as StoreAddress["kind"],
		tls: scheme === "rediss",
		user: user ?? "",
	};
	const [name = "", database = "", ...more] =
		address.kind === "sentinel"
			? (path ?? "").slice(1).split("/")
			: ["", ...(path ?? "").slice(1).split("/")];
	const named = address.kind === "sentinel" ? /^[\w.-]+$/ : /^$/;
	const numbered = address.kind === "cluster" ? /^$/ : /^\d{0,5}$/;
	if (more.length > 0 || !named.test(name) || !numbered.test(database)) {
		return null;
	}
	const all = hosts.split(",");
	if (all.length > 1 && address.kind === "server") return null;
	const seeds = all.map((host) => urlOf(host, scheme, address));
	const [first, ...others] = seeds.filter((one) => one !== null);
	if (first === undefined || others.length + 1 < all.length) return null;
	return { ...address, seeds: [first, ...others], name, database };
}

/** What keys begin with. A Cluster puts all with the same text in braces on one server, and scripts take no others together. */
export function keyPrefix(url: string, prefix: string): string {
	return parseStoreUrl(url)?.kind === "cluster" ? `{${prefix}}:` : `${prefix}:`;
}

/** The address of the server that was found. */
export function serverUrl(
	{ tls, user, database }: StoreAddress,
	host: string,
	port: string,
): string {
	const name = host.includes(":") ? `[${host}]` : host;
	return `${tls ? "rediss" : "redis"}://${user}${name}:${port}${database && `/${database}`}`;
}

function urlOf(
	host: string,
	scheme: string,
	{ kind, user }: Pick<StoreAddress, "kind" | "user">,
): string | null {
	const url = URL.parse(`${scheme}://${user}${host}`);
	if (url === null || url.hostname === "") return null;
	const port = url.port || portsOf[kind];
	return `${scheme}://${user}${url.hostname}:${port}`;
}
