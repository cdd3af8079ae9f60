import type { z } from "zod";
import { adminKeys } from "../src/config/keys/admin.ts";
import { apiKeyKeys, authKeys, basicKeys } from "../src/config/keys/auth.ts";
import { jwtKeys } from "../src/config/keys/auth-jwt.ts";
import { mtlsKeys } from "../src/config/keys/auth-mtls.ts";
import { channelKeys } from "../src/config/keys/channel.ts";
import { defaultsKeys } from "../src/config/keys/defaults.ts";
import { historyKeys } from "../src/config/keys/history.ts";
import { jobKeys } from "../src/config/keys/job.ts";
import { jobsKeys } from "../src/config/keys/jobs.ts";
import type { AnyKeys, KeyMeta } from "../src/config/keys/key.ts";
import { liveKeys } from "../src/config/keys/live.ts";
import { logKeys } from "../src/config/keys/log.ts";
import { overloadKeys } from "../src/config/keys/overload.ts";
import { poolKeys } from "../src/config/keys/pool.ts";
import { proxyKeys } from "../src/config/keys/proxy.ts";
import { rateLimitKeys } from "../src/config/keys/rate-limit.ts";
import { requestKeys } from "../src/config/keys/request.ts";
import { routeKeys } from "../src/config/keys/route.ts";
import { corsKeys, serverKeys } from "../src/config/keys/server.ts";
import { storeKeys } from "../src/config/keys/store.ts";
import { upstreamKeys } from "../src/config/keys/upstream.ts";
import { sentKeys } from "../src/config/steps/call.ts";
import { commonKeys, waitKeys } from "../src/config/steps/common.ts";
import { bodyKeys } from "../src/config/steps/sent.ts";
import { undoKeys } from "../src/config/steps/undo.ts";

interface Input {
	readonly name: string;
	readonly words: string;
	/** The constant that declares the keys. */
	readonly from: string;
	readonly keys: AnyKeys;
	/** Whether it is a constant of keys alone, which steps share. */
	readonly ofSteps?: true;
}

type MetaOf = (schema: z.ZodType) => KeyMeta | null | undefined;

const { as: _, ...commonButAs } = commonKeys;

const inputs: readonly Input[] = [
	{
		name: "ServerInput",
		words: "Where the gateway listens, and its limits.",
		from: "serverKeys",
		keys: serverKeys.keys,
	},
	{
		name: "CorsInput",
		words:
			"Which pages of other origins may read answers, and what they may send.",
		from: "corsKeys",
		keys: corsKeys.keys,
	},
	{
		name: "PoolInput",
		words: "The threads of `worker` steps.",
		from: "poolKeys",
		keys: poolKeys.keys,
	},
	{
		name: "DefaultsInput",
		words: "The defaults of upstreams, routes and steps.",
		from: "defaultsKeys",
		keys: defaultsKeys.keys,
	},
	{
		name: "RateLimitInput",
		words:
			"How often clients may ask. `by` is a text with holes. It is read before the body and before any step.",
		from: "rateLimitKeys",
		keys: rateLimitKeys.keys,
	},
	{
		name: "LiveInput",
		words: "When a live route runs again, and how many may watch it.",
		from: "liveKeys",
		keys: liveKeys.keys,
	},
	{
		name: "JobInput",
		words: "How requests of a route become jobs.",
		from: "jobKeys",
		keys: jobKeys.keys,
	},
	{
		name: "JobsInput",
		words: "Where jobs are kept, and how many there may be.",
		from: "jobsKeys",
		keys: jobsKeys.keys,
	},
	{
		name: "OverloadInput",
		words: "The bounds beyond which requests are refused.",
		from: "overloadKeys",
		keys: overloadKeys.keys,
	},
	{
		name: "LogInput",
		words: "Which requests the log tells of, and how it is written.",
		from: "logKeys",
		keys: logKeys.keys,
	},
	{
		name: "HistoryInput",
		words: "The database of requests.",
		from: "historyKeys",
		keys: historyKeys.keys,
	},
	{
		name: "StoreInput",
		words: "What several gateways share, and where.",
		from: "storeKeys",
		keys: storeKeys.keys,
	},
	{
		name: "AdminInput",
		words: "The server for operators.",
		from: "adminKeys",
		keys: adminKeys.keys,
	},
	{
		name: "ChannelInput",
		words: "A stream of messages to whoever listens.",
		from: "channelKeys",
		keys: channelKeys.keys,
	},
	{
		name: "AuthInput",
		words: "One kind of credentials.",
		from: "authKeys",
		keys: authKeys.keys,
	},
	{
		name: "JwtInput",
		words: "Tokens of one issuer.",
		from: "jwtKeys",
		keys: jwtKeys.keys,
	},
	{
		name: "ApiKeysInput",
		words: "API keys.",
		from: "apiKeyKeys",
		keys: apiKeyKeys.keys,
	},
	{
		name: "BasicInput",
		words: "Names and passwords.",
		from: "basicKeys",
		keys: basicKeys.keys,
	},
	{
		name: "MtlsInput",
		words: "Certificates of clients.",
		from: "mtlsKeys",
		keys: mtlsKeys.keys,
	},
	{
		name: "UpstreamInput",
		words:
			"A service that is asked: by `url` or by `urls`. Its texts may hold `${env.NAME}`.",
		from: "upstreamKeys",
		keys: upstreamKeys.keys,
	},
	{
		name: "WaitInputs",
		words: "When a step starts.",
		from: "waitKeys",
		keys: waitKeys,
		ofSteps: true,
	},
	{
		name: "CommonInputs",
		words: "The keys of every step but `as`.",
		from: "commonKeys",
		keys: commonButAs,
		ofSteps: true,
	},
	{
		name: "SentInputs",
		words: "The keys of every call.",
		from: "sentKeys",
		keys: sentKeys,
		ofSteps: true,
	},
	{
		name: "BodyInputs",
		words: "The bodies of a call that sends one.",
		from: "bodyKeys",
		keys: bodyKeys,
		ofSteps: true,
	},
	{
		name: "UndoInputs",
		words: "What a call that writes has besides.",
		from: "undoKeys",
		keys: undoKeys,
		ofSteps: true,
	},
];

/**
 * The types of what an author writes, with the documentation of each key. An editor shows none of a key that a mapped
 * type makes.
 */
export function inputsFile(metaOf: MetaOf): string {
	return `// Generated by \`npm run docs\` from the declarations of the keys.

import type { Filled, Names } from "./define.ts";
import type { adminKeys } from "./keys/admin.ts";
import type { apiKeyKeys, basicKeys } from "./keys/auth.ts";
import type { jwtKeys } from "./keys/auth-jwt.ts";
import type { mtlsKeys } from "./keys/auth-mtls.ts";
import type { channelKeys } from "./keys/channel.ts";
import type { defaultsKeys } from "./keys/defaults.ts";
import type { historyKeys } from "./keys/history.ts";
import type { jobKeys } from "./keys/job.ts";
import type { jobsKeys } from "./keys/jobs.ts";
import type { liveKeys } from "./keys/live.ts";
import type { logKeys } from "./keys/log.ts";
import type { overloadKeys } from "./keys/overload.ts";
import type { poolKeys } from "./keys/pool.ts";
import type { rateLimitKeys } from "./keys/rate-limit.ts";
import type { InputOfKey } from "./keys/section.ts";
import type { corsKeys, serverKeys } from "./keys/server.ts";
import type { storeKeys } from "./keys/store.ts";
import type { upstreamKeys } from "./keys/upstream.ts";
import type { sentKeys } from "./steps/call.ts";
import type { commonKeys, waitKeys } from "./steps/common.ts";
import type { bodyKeys } from "./steps/sent.ts";
import type { undoKeys } from "./steps/undo.ts";

${inputs.map((one) => printInput(one, metaOf)).join("\n")}`;
}

function printInput(
	{ name, words, from, keys, ofSteps }: Input,
	metaOf: MetaOf,
): string {
	const alias = name.replace(/Inputs?$/, "");
	const held = ofSteps ? `typeof ${from}` : `(typeof ${from})["keys"]`;
	const parameters = ofSteps ? "<S extends Names, Input extends string>" : "";
	const lines = Object.entries(keys).map(([key, { options, schema }]) => {
		const own = `InputOfKey<${alias}["${key}"]>`;
		const type =
			inner[alias]?.[key] ?? (ofSteps ? `Filled<${own}, S, Input>` : own);
		const mark = options.required ? "" : "?";
		return `${comment(metaOf(schema), "\t")}\treadonly ${key}${mark}: ${type};\n`;
	});
	const used = lines.some((line) => line.includes(`<${alias}["`));
	return `${used ? `type ${alias} = ${held};\n\n` : ""}/** ${words} */
export interface ${name}${parameters} {
${lines.join("")}}
`;
}

/** Maps that have a type of their own. */
const inner: Readonly<Record<string, Readonly<Record<string, string>>>> = {
	Server: { cors: "CorsInput" },
	Auth: {
		...{ jwt: "JwtInput", keys: "ApiKeysInput", basic: "BasicInput" },
		mtls: "MtlsInput",
	},
};

/** The lines of a comment, none wider than a page of code. */
function comment(meta: KeyMeta | null | undefined, indent: string): string {
	if (!meta) return "";
	const { description, default: value } = meta;
	const text =
		value === undefined ? description : `${description} Default: \`${value}\`.`;
	const lines = [""];
	for (const word of text.replaceAll("*/", "*\\/").split(" ")) {
		const last = lines.at(-1) ?? "";
		if (last.length + word.length > 110) lines.push(word);
		else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
	}
	return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join("")}${indent} */\n`;
}

/** The interfaces of `config/define.ts` whose keys are written by hand, because their types depend on names. */
const byHand: Readonly<Record<string, AnyKeys>> = {
	RequestInput: requestKeys.keys,
	ProxyInput: proxyKeys.keys,
	RouteInput: routeKeys.keys,
};

/** The text of `config/define.ts`, with the documentation of each key above it. */
export function withComments(text: string, metaOf: MetaOf): string {
	return text.replace(
		/^(export interface (\w+)<[^]*?> \{\n)([^]*?)(^\}\n)/gm,
		(whole, head: string, name: string, body: string, end: string) => {
			const keys = byHand[name];
			if (keys === undefined) return whole;
			const bare = body.replace(/^\t\/\*\*[^]*?\*\/\n/gm, "");
			const documented = bare.replace(
				/^\treadonly (\w+)\??:/gm,
				(line, key) => {
					const declared = keys[key];
					return (
						(declared ? comment(metaOf(declared.schema), "\t") : "") + line
					);
				},
			);
			return head + documented + end;
		},
	);
}
