import { translate } from "./glossary.ts";
import { type Answer, page, type Request } from "./server.ts";

const languages = [
	{ code: "en", name: "English", targets: ["en", "ru"] },
	{ code: "ru", name: "Russian", targets: ["en", "ru"] },
];

const corsHeaders = {
	"Access-Control-Allow-Origin": "*",
	"Access-Control-Allow-Headers": "Authorization, Content-Type",
	"Access-Control-Expose-Headers": "Authorization",
	"Access-Control-Allow-Methods": "GET, POST",
	"Access-Control-Allow-Credentials": "true",
	"Access-Control-Max-Age": "1728000",
};

/** Answers as the service does; without a key every caller may translate. */
export function answerAsLibreTranslate(
	request: Request,
	key: string | undefined,
): Answer {
	const answer = route(request, key);
	return { ...answer, headers: { ...answer.headers, ...corsHeaders } };
}

function route(request: Request, key: string | undefined): Answer {
	switch (`${request.method} ${request.path}`) {
		case "POST /translate":
			return answerTranslate(request, key);
		case "GET /languages":
			return json(200, JSON.stringify(languages));
	}
	if (request.path === "/translate")
		return page(405, "Method Not Allowed", { Allow: "POST" });
	if (request.path === "/languages")
		return page(405, "Method Not Allowed", { Allow: "GET" });
	return page(404, "Not Found");
}

function answerTranslate(request: Request, key: string | undefined): Answer {
	const fields = readFields(request);
	if (fields === undefined) return refuse(400, "Invalid JSON format");
	const { q, source, target, format = "text", alternatives, api_key } = fields;
	if (key !== undefined && !api_key)
		return refuse(400, "Please contact the server operator to get an API key");
	if (key !== undefined && api_key !== key)
		return refuse(403, "Invalid API key");
	if (!isText(q) && !isTexts(q))
		return refuse(400, "Invalid request: missing q parameter");
	if (!isText(source))
		return refuse(400, "Invalid request: missing source parameter");
	if (!isText(target))
		return refuse(400, "Invalid request: missing target parameter");
	if (source !== "auto" && !isLanguage(source))
		return refuse(400, `${source} is not supported`);
	if (!isLanguage(target)) return refuse(400, `${target} is not supported`);
	if (format !== "text" && format !== "html")
		return refuse(400, `${format} format is not supported`);
	return json(
		200,
		printTranslation(q, source, target, Number(alternatives) > 0),
	);
}

/** Undefined where the body says it is JSON and is no JSON object. */
function readFields({
	type,
	body,
}: Request): Record<string, unknown> | undefined {
	if (type !== "application/json")
		return Object.fromEntries(new URLSearchParams(body));
	try {
		const fields: unknown = JSON.parse(body);
		const isObject =
			typeof fields === "object" && fields !== null && !Array.isArray(fields);
		return isObject ? (fields as Record<string, unknown>) : undefined;
	} catch {
		return undefined;
	}
}

/** Printed by hand: the service sorts its keys, and its confidence is a float even when whole. */
function printTranslation(
	q: string | string[],
	source: string,
	target: string,
	withAlternatives: boolean,
): string {
	const detected = detect([q].flat().join("\n"));
	const from = source === "auto" ? detected.language : source;
	const forEach = (
		text: string | string[],
		print: (text: string) => string,
	): string =>
		typeof text === "string" ? print(text) : `[${text.map(print).join(",")}]`;
	const members: string[] = [];
	if (withAlternatives)
		members.push(`"alternatives":${forEach(q, () => "[]")}`);
	if (source === "auto")
		members.push(`"detectedLanguage":${forEach(q, () => detected.printed)}`);
	members.push(
		`"translatedText":${forEach(q, (text) => JSON.stringify(translate(text, from, target)))}`,
	);
	return `{${members.join(",")}}`;
}

/** One language for a whole batch, as the service does; English without confidence where no letter says more. */
function detect(text: string): { language: string; printed: string } {
	const language = /\p{Script=Cyrillic}/u.test(text) ? "ru" : "en";
	const confidence = /\p{Script=Cyrillic}|\p{Script=Latin}/u.test(text)
		? 90
		: 0;
	return {
		language,
		printed: `{"confidence":${confidence.toFixed(1)},"language":"${language}"}`,
	};
}

/** The words are the service's in English, its default; clients must go by the status. */
function refuse(status: number, error: string): Answer {
	return json(status, JSON.stringify({ error }));
}

function json(status: number, body: string): Answer {
	return { status, headers: { "Content-Type": "application/json" }, body };
}

function isText(value: unknown): value is string {
	return typeof value === "string" && value !== "";
}

function isTexts(value: unknown): value is string[] {
	return (
		Array.isArray(value) &&
		value.length > 0 &&
		value.every((text) => typeof text === "string")
	);
}

function isLanguage(code: string): boolean {
	return languages.some((language) => language.code === code);
}
