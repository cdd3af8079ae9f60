/**
 * A mirror: serves a site under an address of its own, until Ctrl-C. A client that leaves ends what was asked for it.
 *
 *     npx node examples/tasks/mirror.ts [site [port]]
 */
import { pipeline } from "node:stream/promises";
import { run, type Scope } from "../../src/tasks/index.ts"; // elsewhere: "sluice/tasks"
import { type Handle, serve, serveSite } from "./server.ts";
import { endInterrupted } from "./terminal.ts";

const textInUtf8 = /^text\/[^;]+(; *charset="?utf-8"?)?$/i;

/** Where a text names the site, the mirror is named; all else passes as it comes. */
export function mirror(site: string): Handle {
	return async ({ method = "", url, headers }, response, { signal }) => {
		if (!/^(GET|HEAD) \//.test(`${method} ${url}`))
			return void response.writeHead(405, { allow: "GET, HEAD" }).end();
		const own = (text: string) =>
			text.replaceAll(site, `http://${headers.host}`);
		const asked = { method, signal, redirect: "manual" } as const;
		const page = await fetch(site + url, asked);
		for (const name of ["content-type", "location"]) {
			const value = page.headers.get(name);
			if (value) response.setHeader(name, own(value));
		}
		response.statusCode = page.status;
		if (textInUtf8.test(page.headers.get("content-type") ?? ""))
			response.end(own(await page.text()));
		else await pipeline(page.body ?? [], response, { signal });
	};
}

async function main(scope: Scope) {
	await using own = await serveSite(scope);
	const [site = own.url, port = "0"] = process.argv.slice(2);
	const handle = mirror(new URL(site).origin);
	await using server = await serve(handle, scope, Number(port));
	console.log(`${server.url} mirrors ${site}`);
	await new Promise((_, end) => scope.onCancel(end));
}

if (import.meta.main) await run(main).catch(endInterrupted);
