/**
 * The same routes by hand, as fast as we know how to write them with `node:http` and undici's `dispatch`: no stream, no
 * promise and no signal per call; one text per answer, its length counted. What Sluice adds is not here: no deadline, no
 * cancellation, no bound on anything.
 */
import { createServer, type ServerResponse } from "node:http";
import { parse } from "node:querystring";
import { type Dispatcher, Pool } from "undici";
import type { Weather } from "../weather.ts";
import { listen, upstreamUrl } from "./listen.ts";

/** As many connections as there are calls at once, so that none waits in a queue. */
const pool = new Pool(upstreamUrl(), {
	pipelining: 1,
	headersTimeout: 0,
	bodyTimeout: 0,
	allowH2: false,
});

type Done = (error: unknown, weather: Weather | null) => void;

/** Collects an answer and parses it. */
class Get implements Dispatcher.DispatchHandler {
	readonly #done: Done;
	#status = 0;
	#first: Buffer | null = null;
	#more: Buffer[] | null = null;

	constructor(done: Done) {
		this.#done = done;
	}

	onRequestStart(): void {}

	onResponseStart(
		_controller: Dispatcher.DispatchController,
		status: number,
	): void {
		this.#status = status;
	}

	onResponseData(
		_controller: Dispatcher.DispatchController,
		chunk: Buffer,
	): void {
		if (this.#first === null) this.#first = chunk;
		else if (this.#more === null) this.#more = [this.#first, chunk];
		else this.#more.push(chunk);
	}

	onResponseEnd(): void {
		if (this.#status !== 200) {
			this.#done(new Error(`the upstream answered ${this.#status}`), null);
			return;
		}
		const bytes = this.#more ? Buffer.concat(this.#more) : this.#first;
		let weather: Weather;
		try {
			weather = JSON.parse(bytes?.toString() ?? "");
		} catch (error) {
			this.#done(error, null);
			return;
		}
		this.#done(null, weather);
	}

	onResponseError(
		_controller: Dispatcher.DispatchController,
		error: Error,
	): void {
		this.#done(error, null);
	}
}

function get(path: string, done: Done): void {
	pool.dispatch({ method: "GET", path }, new Get(done));
}

/** Calls all paths, so many at once; their answers come in the order of the paths. */
function getAll(
	paths: readonly string[],
	response: ServerResponse,
	done: (answers: readonly Weather[]) => void,
	parallel = paths.length,
): void {
	const answers = new Array<Weather>(paths.length);
	let left = paths.length;
	let next = 0;
	let failed = false;
	const begin = () => {
		const index = next++;
		get(paths[index] as string, (error, weather) => {
			if (failed) return;
			if (weather === null) {
				failed = true;
				fail(response, error);
				return;
			}
			answers[index] = weather;
			if (--left === 0) done(answers);
			else if (next < paths.length) begin();
		});
	};
	while (next < Math.min(parallel, paths.length)) begin();
}

/** Hands an answer on as it comes, in one write where it came in one piece. */
class Pass implements Dispatcher.DispatchHandler {
	readonly #response: ServerResponse;
	#left = 0;

	constructor(response: ServerResponse) {
		this.#response = response;
	}

	onRequestStart(): void {}

	onResponseStart(
		_controller: Dispatcher.DispatchController,
		status: number,
		headers: Record<string, string | string[] | undefined>,
	): void {
		const length = headers["content-length"] as string | undefined;
		const type = headers["content-type"] as string;
		this.#left = length === undefined ? Infinity : Number(length);
		this.#response.writeHead(
			status,
			length === undefined
				? ["content-type", type]
				: ["content-type", type, "content-length", length],
		);
	}

	onResponseData(
		controller: Dispatcher.DispatchController,
		chunk: Buffer,
	): void {
		this.#left -= chunk.length;
		if (this.#left === 0) {
			this.#response.end(chunk);
		} else if (!this.#response.write(chunk)) {
			controller.pause();
			this.#response.once("drain", () => controller.resume());
		}
	}

	onResponseEnd(): void {
		if (this.#left !== 0) this.#response.end();
	}

	onResponseError(
		_controller: Dispatcher.DispatchController,
		error: Error,
	): void {
		fail(this.#response, error);
	}
}

function send(response: ServerResponse, value: unknown): void {
	const text = JSON.stringify(value);
	response.writeHead(200, [
		"content-type",
		"application/json",
		"content-length",
		`${Buffer.byteLength(text)}`,
	]);
	response.end(text);
}

function fail(response: ServerResponse, error: unknown): void {
	if (response.headersSent) {
		response.destroy();
		return;
	}
	response.writeHead(502, { "content-type": "text/plain" });
	response.end(String(error));
}

const pick = ({ name, main }: Weather) => ({ name, main: { temp: main.temp } });

function reshaped(response: ServerResponse): void {
	get("/weather/kaliningrad", (error, weather) => {
		if (weather === null) {
			fail(response, error);
			return;
		}
		send(response, {
			city: weather.name,
			country: weather.sys.country,
			temp: weather.main.temp,
			feels: weather.main.feels_like,
			sky: weather.weather[0]?.main,
		});
	});
}

const threePaths = [
	"/weather/kaliningrad",
	"/weather/moscow",
	"/weather/london",
];
const slowPaths = ["/weather/kaliningrad", "/weather/moscow", "/slow/london"];

function three(paths: readonly string[], response: ServerResponse): void {
	getAll(paths, response, ([a, b, c]) =>
		send(response, {
			kaliningrad: pick(a as Weather),
			moscow: pick(b as Weather),
			london: pick(c as Weather),
		}),
	);
}

function chain(response: ServerResponse): void {
	get("/weather/kaliningrad", (error, first) => {
		if (first === null) return fail(response, error);
		get(`/echo/${first.id}`, (error, second) => {
			if (second === null) return fail(response, error);
			get(`/echo/${second.echo}-${second.name}`, (error, third) => {
				if (third === null) return fail(response, error);
				send(response, {
					first: first.id,
					second: second.echo,
					third: third.echo,
				});
			});
		});
	});
}

function each(query: string, response: ServerResponse): void {
	const { city = [] } = parse(query);
	const list = typeof city === "string" ? [city] : city;
	const paths = list.map((name) => `/echo/${encodeURIComponent(name)}`);
	getAll(paths, response, (answers) =>
		send(
			response,
			answers.map(({ echo, main }) => ({ city: echo, temp: main.temp })),
		),
	);
}

function steps(count: number, response: ServerResponse): void {
	const paths = new Array<string>(count).fill("/weather/kaliningrad");
	getAll(paths, response, (answers) =>
		send(
			response,
			answers.map(({ main }) => main.temp),
		),
	);
}

function items(count: number, response: ServerResponse): void {
	const paths = new Array<string>(count).fill("/echo/x");
	const done = (answers: readonly Weather[]) =>
		send(
			response,
			answers.map(({ echo, main }) => ({ city: echo, temp: main.temp })),
		);
	getAll(paths, response, done, 16);
}

function read(bytes: string, response: ServerResponse): void {
	get(`/bodies/${bytes}`, (error, body) => {
		if (body === null) return fail(response, error);
		send(response, { name: body.name });
	});
}

function pass(path: string, response: ServerResponse): void {
	pool.dispatch({ method: "GET", path }, new Pass(response));
}

const server = createServer(
	{ keepAliveTimeout: 65_000, optimizeEmptyRequests: true },
	(request, response) => {
		const url = request.url as string;
		const mark = url.indexOf("?");
		const path = mark < 0 ? url : url.slice(0, mark);
		if (path === "/three") three(threePaths, response);
		else if (path === "/slow") three(slowPaths, response);
		else if (path === "/reshaped") reshaped(response);
		else if (path === "/chain") chain(response);
		else if (path === "/each") each(url.slice(mark + 1), response);
		else if (path.startsWith("/pass/")) pass(url.slice(5), response);
		else if (path.startsWith("/steps/")) steps(+path.slice(7), response);
		else if (path.startsWith("/items/")) items(+path.slice(7), response);
		else if (path.startsWith("/read/")) read(path.slice(6), response);
		else {
			response.writeHead(404);
			response.end();
		}
	},
);
listen(server);
