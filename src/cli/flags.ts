import type { Config } from "../config/config.ts";

/** What the command line says instead of `server` of the config. It crosses processes, so it is data. */
export type ServerFlags = Partial<
	Pick<Config["server"], "host" | "port" | "workers">
>;

/** The config in force, which the admin server shows and hashes. */
export function withFlags(config: Config, flags: ServerFlags): Config {
	return { ...config, server: { ...config.server, ...flags } };
}

/** Null if none was given. */
export function portOf(port: string | undefined): number | null | "invalid" {
	if (port === undefined) return null;
	return /^\d{1,5}$/.test(port) && Number(port) <= 65_535
		? Number(port)
		: "invalid";
}
