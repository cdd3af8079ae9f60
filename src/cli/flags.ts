import type { Config } from "../config/config.ts";

/** What the command line says instead of `server` of the config. It crosses processes, so it is data. */
export type ServerFlags = Partial<
	Pick<Config["server"], "host" | "port" | "workers">
>;

/** The config in force, which the admin server shows and hashes. */
export function withFlags(config: Config, flags: ServerFlags): Config {
	return { ...config, server: { ...config.server, ...flags } };
}
