import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cpuNs, residentBytesOfAll } from "./cpu.ts";
import type { Listening } from "./gateways/listen.ts";
import type { ListenForm } from "./listeners.ts";
import { pushModule, startNginx } from "./nginx.ts";
import { has, type Processes, type Running } from "./processes.ts";

/** One way to send each message to all who listen. */
export interface LiveContender {
	readonly title: string;
	readonly form: ListenForm;
	/** Whose figures are held against the others of the form. */
	readonly isOurs: boolean;
	/**
	 * `hand` should be no cheaper than ours. `system` and `node` do nothing but write, and nobody can be cheaper; they have no figures of
	 * memory. Absent for others.
	 */
	readonly role?: "hand" | "system" | "node";
	/** Why it cannot run here and how to get it; null where it can. */
	missing(): string | null;
	/** Its files lie in the folder. `bounds` of our channel are for tests. */
	start(
		processes: Processes,
		folder: string,
		bounds?: { readonly listeners: number },
	): Promise<StartedLive>;
}

/** A contender that runs, with the clients that listen to it. */
export interface StartedLive {
	/** Opens as many as are missing to so many. */
	open(count: number): Promise<void>;
	/** Says so many messages, one after the other. Each has been heard by all before the next. */
	say(count: number): Promise<void>;
	close(): Promise<void>;
	cpuNs(): number;
	/** After a garbage collection, if the contender has garbage. */
	memory(): Promise<LiveMemory>;
	end(): Promise<void>;
}

export interface LiveMemory {
	readonly residentBytes: number;
	/** What is in use of its heap and beside it; null if it has none. */
	readonly heapBytes: number | null;
}

/** A message: 200 bytes of JSON, with the mark of listeners.ts. */
const liveMessage = `{"text":"${"x".repeat(188)}|"}`;

const path = "/room";

/** Else Sluice would send what it keeps to whoever comes. The others keep nothing, and do not read it. */
const listenTarget = `${path}?after=latest`;

/** More than any number of listeners. */
const bound = 100_000;

const channelConfig = ({ listeners = bound } = {}) => ({
	server: { connections: bound },
	// Others refuse nothing on a busy machine either.
	overload: false,
	channels: {
		room: {
			message: {
				type: "object",
				properties: { text: { type: "string", maxLength: 2000 } },
			},
			listeners,
		},
	},
	routes: {
		[`GET ${path}`]: { listen: "room" },
		[`POST ${path}`]: {
			request: {
				body: {
					type: "object",
					properties: { text: { type: "string", maxLength: 2000 } },
				},
			},
			steps: { said: { publish: "room", message: "${body}" } },
			respond: "${said}",
		},
	},
});

const pushConfig = {
	lua: false,
	connections: 20_000,
	http: "nchan_max_reserved_memory 256M;",
	server: `location = /say { nchan_publisher; nchan_channel_id room; }
		location = ${path} { nchan_subscriber; nchan_channel_id room; nchan_subscriber_first_message newest; }`,
};

const forms = ["events", "websocket"] as const;

/** Of both forms, because it writes the same to either. */
const nodeAlone: LiveContender = {
	title: "Node's write alone: net",
	...{ form: "events", isOurs: false, role: "node" },
	missing: () => null,
	start: (processes) =>
		startNode(processes, "events", ["gateways/live-bare.ts"]),
};

export const liveContenders: readonly LiveContender[] = forms.flatMap(
	(form): readonly LiveContender[] => [
		{
			title: "Sluice",
			...{ form, isOurs: true },
			missing: () => null,
			start: (processes, folder, bounds) => {
				const file = join(mkdtempSync(join(folder, "live-")), "config.json");
				writeFileSync(file, JSON.stringify(channelConfig(bounds)));
				return startNode(processes, form, ["gateways/live.ts", file]);
			},
		},
		{
			title: form === "events" ? "by hand: node:http" : "by hand: ws",
			...{ form, isOurs: false, role: "hand" },
			missing: () => null,
			start: (processes) =>
				startNode(processes, form, ["gateways/live-by-hand.ts"]),
		},
		{
			title: "nginx + nchan",
			...{ form, isOurs: false },
			missing: () =>
				pushModule() === null
					? "nginx's module that pushes is missing: apt-get install libnginx-mod-nchan"
					: null,
			start: async (processes, folder) => {
				const module = pushModule() ?? "";
				const own = mkdtempSync(join(folder, "nchan-"));
				const config = { ...pushConfig, modules: [module] };
				const running = await startNginx(processes, "gateway", own, config);
				const { url } = running;
				const sayUrl = `${url}/say`;
				return withListeners(processes, form, running, { url, sayUrl });
			},
		},
		...(form === "events" ? [nodeAlone] : []),
		{
			title: "the system's write alone: C",
			...{ form, isOurs: false, role: "system" },
			missing: () =>
				has("cc", "--version")
					? null
					: "a compiler of C is missing: apt-get install gcc",
			start: async (processes, folder) => {
				const program = join(mkdtempSync(join(folder, "c-")), "write-alone");
				const source = fileOf("gateways/write-alone.c");
				execFileSync("cc", ["-O2", "-o", program, source]);
				const running = await processes.start("gateway", [program], "line");
				const { url } = JSON.parse(running.line) as Listening;
				return withListeners(processes, form, running, {
					url,
					sayUrl: url + path,
				});
			},
		},
	],
);

function fileOf(name: string): string {
	return fileURLToPath(new URL(name, import.meta.url));
}

async function startNode(
	processes: Processes,
	form: ListenForm,
	[program = "", ...args]: readonly string[],
): Promise<StartedLive> {
	const command = [
		...[process.execPath, "--expose-gc", fileOf(program)],
		...args,
	];
	const running = await processes.start("gateway", command, "line");
	const { url, memoryUrl } = JSON.parse(running.line) as Listening;
	const where = { url, sayUrl: url + path, ...(memoryUrl && { memoryUrl }) };
	return withListeners(processes, form, running, where);
}

interface Where {
	readonly url: string;
	readonly sayUrl: string;
	readonly memoryUrl?: string;
}

async function withListeners(
	processes: Processes,
	form: ListenForm,
	gateway: Running,
	{ url, sayUrl, memoryUrl }: Where,
): Promise<StartedLive> {
	const command = [process.execPath, fileOf("listeners.ts")];
	const listeners = await processes.start("load", command, "line");
	const control = (JSON.parse(listeners.line) as Listening).url;
	const tell = async (what: string, given: Record<string, string>) => {
		const query = new URLSearchParams(given);
		const answer = await fetch(`${control}/${what}?${query}`);
		const said = await answer.text();
		if (!answer.ok) throw new Error(`${url}: ${said}`);
	};
	return {
		open: (count) =>
			tell("open", { url: url + listenTarget, form, count: `${count}` }),
		say: (count) =>
			tell("say", { url: sayUrl, body: liveMessage, count: `${count}` }),
		close: () => tell("close", {}),
		cpuNs: () => cpuNs(gateway.pid),
		memory: async () => {
			const told = memoryUrl ? await (await fetch(memoryUrl)).json() : null;
			const { heapBytes = null } = (told ?? {}) as { heapBytes?: number };
			return { residentBytes: residentBytesOfAll(gateway.pid), heapBytes };
		},
		end: async () => {
			await listeners.end();
			await gateway.end();
		},
	};
}
