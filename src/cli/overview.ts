import type { Config } from "../config/config.ts";
import { headerOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { isLocal } from "../core/ip.ts";
import { shownInOneLine } from "../core/shown.ts";
import type { Served } from "../server/serve.ts";
import { pad, usualColumns, widthOf } from "./columns.ts";

type Handle = Served["handle"];

/** More would push the first lines off the screen. */
const routesMax = 40;
const keyWidthMax = 40;

/** A line for each route, with its summary, none wider than a terminal. */
export function listOfRoutes({ routes }: Pick<Config, "routes">): string[] {
	const told = routes.slice(0, routesMax);
	const widths = told.map(({ key }) => widthOf(key));
	const width = Math.max(0, ...widths.filter((one) => one <= keyWidthMax));
	const lines = told.map(({ key, summary }) => {
		const line = `  ${summary === null ? key : `${pad(key, width)}  ${summary}`}`;
		const letters = [...shownInOneLine(line)];
		return letters.length < usualColumns
			? letters.join("")
			: `${letters.slice(0, usualColumns - 2).join("")}…`;
	});
	const more = routes.length - told.length;
	return more > 0 ? [...lines, `  and ${more} more`] : lines;
}

/** Fields that a proxy adds. Behind one a request may come from anywhere. */
const forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/**
 * Answers `GET /` with the list of routes where no route does, for whoever tries the gateway in a browser. Only if it
 * listens for this machine alone, and nothing says that somebody else's requests reach it.
 */
export function withOverview(
	handle: Handle,
	{ routes, server }: Pick<Config, "routes" | "server">,
	{ host }: { readonly host: string },
): Handle {
	const isAlone =
		isLocal(host) &&
		server.hosts === null &&
		server.trustedProxies === null &&
		!routes.some(answersRoot);
	if (!isAlone) return handle;
	const body = `This gateway has no route \`/\`. It answers:\n\n${listOfRoutes({ routes }).join("\n")}\n`;
	const headers = [
		...["content-type", "text/plain; charset=utf-8"],
		...["x-content-type-options", "nosniff"],
	];
	return (request, scope) => {
		if (request.target !== "/" || !isPlainlyLocal(request)) {
			return handle(request, scope);
		}
		const isHead = request.method === "HEAD";
		return Promise.resolve({
			status: 404,
			headers,
			body: isHead ? null : body,
		});
	};
}

function answersRoot({ path, rest }: Config["routes"][number]): boolean {
	return path.join("") === "" || (path.length === 0 && rest !== null);
}

function isPlainlyLocal({ method, headers }: GatewayRequest): boolean {
	return (
		(method === "GET" || method === "HEAD") &&
		forwarded.every((name) => headerOf(headers, name) === null)
	);
}
