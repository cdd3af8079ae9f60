import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "./handle.ts";

/** Where `npm run build:ui` puts them, seen from the source and from the compiled file. */
const builtFolder = new URL("../../dist/page/", import.meta.url);

const types: Readonly<Record<string, string>> = {
	".html": "text/html; charset=utf-8",
	".js": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
};

const howToBuild = `The page is not built here. Build it, and start the gateway again:

  npm run build:ui
`;

/** The page runs its own files, and asks its own server alone. */
const policy = [
	"default-src 'none'",
	...["script-src 'self'", "style-src 'self'", "connect-src 'self'"],
	...["img-src 'self' data:", "font-src 'self'"],
	...["frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"],
].join("; ");

/**
 * The files of the page for browsers, by the paths at which they are asked for. They are read now, and held from now on. If they
 * are not built, a text at `/` says how to build them.
 */
export function pagesOfFiles(
	folder: URL = builtFolder,
): ReadonlyMap<string, Page> {
	const root = fileURLToPath(folder);
	const files = new Map<string, Page>();
	const names = existsSync(root) ? readdirSync(root, { recursive: true }) : [];
	for (const name of names.map(String)) {
		const type = types[extname(name)];
		if (type === undefined) continue;
		const path = `/${name.replaceAll("\\", "/")}`;
		files.set(path, file(type, readFileSync(new URL(`.${path}`, folder))));
	}
	const index = files.get("/index.html");
	return files.set("/", index ?? file("text/plain; charset=utf-8", howToBuild));
}

/** A browser that opens an address sends no token. The files are equal for everybody, and tell nothing of the gateway. */
function file(type: string, body: string | Uint8Array): Page {
	return { open: true, answer: () => ({ status: 200, type, body, policy }) };
}
