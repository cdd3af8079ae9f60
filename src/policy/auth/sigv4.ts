import crypto from "node:crypto";
import { eachHeader, type HeaderList } from "../../core/http/headers.ts";
import type { SigV4Options } from "./options.ts";
import type { Signer } from "./sign.ts";

/**
 * AWS Signature Version 4, in `Authorization`. `host` is the request's. It signs what is sent, byte by byte: another
 * writing of the same URL would be another request for some services.
 */
export function createSigV4(
	options: SigV4Options,
	host: string,
	wallMs: () => number,
): Signer {
	const { key, region, service, session } = options;
	const isS3 = service === "s3";
	const keyOf = createKeys(options);
	return {
		writes: new Set([
			...["authorization", "x-amz-date"],
			...["x-amz-security-token", "x-amz-content-sha256"],
		]),
		sign({ method, target, headers, body }) {
			const instant = instantOf(wallMs());
			const day = instant.slice(0, 8);
			const payload = sha256(body ?? "");
			const added = [
				...["x-amz-date", instant],
				...(session === null ? [] : ["x-amz-security-token", session]),
				...(isS3 ? ["x-amz-content-sha256", payload] : []),
			];
			const mark = target.indexOf("?");
			const path = mark < 0 ? target : target.slice(0, mark);
			const covered = coveredBy([...headers, ...added], host);
			const names = covered.map(([name]) => name).join(";");
			const canonical = [
				method,
				isS3 ? pathOfS3(path) : encoded(path.replaceAll(/\/+/g, "/"), "/"),
				canonicalQuery(mark < 0 ? "" : target.slice(mark + 1)),
				...covered.map(([name, value]) => `${name}:${value}`),
				...["", names, payload],
			].join("\n");
			const scope = `${day}/${region}/${service}/aws4_request`;
			const text = ["AWS4-HMAC-SHA256", instant, scope, sha256(canonical)];
			const signature = hmac(keyOf(day), text.join("\n")).toString("hex");
			const value = `AWS4-HMAC-SHA256 Credential=${key}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
			return [...added, "authorization", value];
		},
	};
}

/** `20150830T123600Z`. */
function instantOf(wallMs: number): string {
	const text = new Date(wallMs).toISOString();
	return text.replaceAll(/[-:]|\.\d+/g, "");
}

/** A key is good for a day. */
function createKeys({ secret, region, service }: SigV4Options) {
	let made: { readonly day: string; readonly key: Buffer } | null = null;
	return (day: string): Buffer => {
		if (made?.day !== day) {
			const parts = [day, region, service, "aws4_request"];
			const start = Buffer.from(`AWS4${secret}`);
			made = { day, key: parts.reduce(hmac, start) };
		}
		return made.key;
	};
}

/** Signed if they are there, besides those of AWS. The others may change on the way. */
const signedFields: ReadonlySet<string> = new Set([
	...["content-type", "date", "range"],
]);

/** The fields that are signed, by name, with space as one character. */
function coveredBy(headers: HeaderList, host: string): [string, string][] {
	const fields = new Map([["host", host]]);
	eachHeader(headers, (given, value) => {
		const name = given.toLowerCase();
		if (!signedFields.has(name) && !name.startsWith("x-amz-")) return;
		const text = value.trim().replaceAll(/ +/g, " ");
		const before = fields.get(name);
		fields.set(name, before === undefined ? text : `${before},${text}`);
	});
	return [...fields].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** S3 takes a path for what it means, and the others for its letters. */
function pathOfS3(path: string): string {
	return encoded(decoded(path), "/");
}

function canonicalQuery(query: string): string {
	return query
		.split("&")
		.filter((pair) => pair !== "")
		.map((pair): [string, string] => {
			const mark = pair.indexOf("=");
			const [name, value] =
				mark < 0 ? [pair, ""] : [pair.slice(0, mark), pair.slice(mark + 1)];
			return [parameter(name), parameter(value)];
		})
		.toSorted(byText)
		.map((pair) => pair.join("="))
		.join("&");
}

function parameter(text: string): string {
	return encoded(decoded(text.replaceAll("+", " ")), "");
}

function byText(a: [string, string], b: [string, string]): number {
	const at = a[0] === b[0] ? 1 : 0;
	const [one = "", other = ""] = [a[at], b[at]];
	return one < other ? -1 : one > other ? 1 : 0;
}

function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

/** All but unreserved characters (RFC 3986, 2.3) and `kept` are percent-encoded. */
function encoded(text: string, kept: "" | "/"): string {
	const written = encodeURIComponent(text).replaceAll(
		/[!'()*]/g,
		(sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
	);
	return kept === "" ? written : written.replaceAll("%2F", kept);
}

function sha256(data: Buffer | string): string {
	return crypto.hash("sha256", data, "hex");
}

function hmac(key: Buffer, text: string): Buffer {
	return crypto.createHmac("sha256", key).update(text).digest();
}
