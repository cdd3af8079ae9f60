import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The reason to skip a test that needs a real nginx; false if it is there. Where all must be there, none is skipped. */
export function withoutNginx(): string | false {
	try {
		execFileSync("nginx", ["-v"], { stdio: "ignore" });
		return false;
	} catch {
		assert.ok(!process.env.SLUICE_TEST_ALL, "nginx is not installed");
		return "nginx is not installed";
	}
}

export interface Nginx extends AsyncDisposable {
	readonly url: string;
}

/** A real nginx on loopback; `locations` is what stands in its one server. */
export const startNginx = (locations: string): Promise<Nginx> =>
	startConfiguredNginx((port) => configOf(port, locations));

/** A real nginx whose config is made for a port and a folder of its own. It begins when a GET of `path` is answered. */
export async function startConfiguredNginx(
	configFor: (port: number, folder: string) => string,
	path = "/",
): Promise<Nginx> {
	const folder = mkdtempSync(join(tmpdir(), "sluice-nginx-"));
	const port = await freePort();
	writeFileSync(join(folder, "nginx.conf"), configFor(port, folder));
	const nginx = spawn(
		"nginx",
		["-p", folder, "-c", "nginx.conf", "-e", "error.log"],
		{ cwd: folder, stdio: "ignore" },
	);
	const url = `http://127.0.0.1:${port}`;
	const stop = async () => {
		const exited = once(nginx, "exit");
		nginx.kill();
		await exited;
		rmSync(folder, { recursive: true });
	};
	try {
		await answering(url + path);
	} catch (error) {
		await stop();
		throw error;
	}
	return { url, [Symbol.asyncDispose]: stop };
}

function configOf(port: number, locations: string): string {
	const folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
	return `
daemon off;
worker_processes 1;
pid nginx.pid;
${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections 64; }
http {
	access_log off;
	${folders.map((name) => `${name}_temp_path ${name};`).join(" ")}
	server {
		listen 127.0.0.1:${port};
		${locations}
	}
}
`;
}

async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	server.close();
	await once(server, "close");
	assert.ok(typeof address === "object" && address !== null);
	return address.port;
}

/** Waits until somebody answers there: at most 200 times 25 ms. */
async function answering(url: string): Promise<void> {
	for (let times = 0; times < 200; times++) {
		const answered = await fetch(url).then(
			(response) => response.ok,
			() => false,
		);
		if (answered) return;
		await new Promise((resolve) => setTimeout(resolve, 25));
	}
	throw new Error("nginx did not answer");
}
