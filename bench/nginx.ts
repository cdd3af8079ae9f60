import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
	freePort,
	type Processes,
	type Running,
	type Side,
} from "./processes.ts";

export interface NginxConfig {
	/** Whether it needs the Lua module. */
	readonly lua: boolean;
	/** Files of further modules. Default: none. */
	readonly modules?: readonly string[];
	/** How many connections it may have. Default: enough for every loader. */
	readonly connections?: number;
	/** What stands in `http`, and in its one server. */
	readonly http: string;
	readonly server: string;
}

/** Starts an nginx of one worker on a free port, all its files in the folder. */
export async function startNginx(
	processes: Processes,
	side: Side,
	folder: string,
	config: NginxConfig,
): Promise<Running & { readonly url: string }> {
	const port = await freePort();
	mkdirSync(folder, { recursive: true });
	const file = join(folder, "nginx.conf");
	writeFileSync(file, nginxConfig(port, config));
	const command = ["nginx", "-p", folder, "-c", file, "-e", "error.log"];
	const running = await processes.start(side, command, port);
	return { ...running, url: `http://127.0.0.1:${port}` };
}

/** Whether Lua finds cjson where packages put it. */
export function hasCjson(): boolean {
	const pattern = "/usr/{,local/}lib/{,*/}lua/5.1/cjson.so";
	return globSync(pattern).length > 0;
}

/** The files of nginx's Lua module and of what it stands on; null where they are not. */
export function luaModules(): readonly string[] | null {
	const folder = modulesFolder();
	const files = ["ndk_http_module.so", "ngx_http_lua_module.so"].map((name) =>
		join(folder, name),
	);
	return files.every((file) => existsSync(file)) ? files : null;
}

/** The file of the module that pushes messages; null where it is not. */
export function pushModule(): string | null {
	const file = join(modulesFolder(), "ngx_nchan_module.so");
	return existsSync(file) ? file : null;
}

function modulesFolder(): string {
	// nginx tells how it was built on its standard error.
	const built = execFileSync("sh", ["-c", "nginx -V 2>&1"], {
		encoding: "utf8",
	});
	return /--modules-path=(\S+)/.exec(built)?.[1] ?? "/usr/lib/nginx/modules";
}

function nginxConfig(port: number, config: NginxConfig): string {
	const { lua, http, server, connections = 8192 } = config;
	const { modules: others = [] } = config;
	const modules = [...(lua ? (luaModules() ?? []) : []), ...others];
	const folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
	return `
${modules.map((file) => `load_module ${file};`).join("\n")}
daemon off;
worker_processes 1;
pid nginx.pid;
${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections ${connections}; }
http {
	access_log off;
	default_type application/json;
	keepalive_timeout 65;
	keepalive_requests 1000000000;
	${folders.map((name) => `${name}_temp_path ${name};`).join(" ")}
	${http}
	server {
		listen 127.0.0.1:${port} backlog=4096;
		${server}
	}
}
`;
}
