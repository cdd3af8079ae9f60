import { isUtf8 } from "node:buffer";
import { withParametersOf } from "./parameters.ts";

/** One field of a form that was sent as `multipart/form-data`. */
export interface Part {
	readonly name: string;
	/** The name of a file, as its sender gives it; null for a field. */
	readonly fileName: string | null;
	/** The media type of the part, in lower case; null if it names none. */
	readonly type: string | null;
	/** The charset that its type names, in lower case; null if it names none. */
	readonly charset: string | null;
	/** A view of the body. */
	readonly bytes: Buffer;
}

/** The most header fields of a part. Two have a meaning. */
const partFieldsMax = 16;

/** The longest head of a part. Its fields are a few, and its names are short. */
const headBytesMax = 8 * 1024;

/** Whether a text may be a boundary (RFC 2046, 5.1.1). */
export function isBoundary(text: string): boolean {
	return /^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(text);
}

/**
 * Reads the parts of a form (RFC 7578), at most one more than `partsMax`. A text is the body's fault. A body that two
 * readers could divide in different ways is at fault, because the one before us may have checked other fields than we
 * read.
 */
export function partsOf(
	body: Uint8Array,
	boundary: string,
	partsMax: number,
): readonly Part[] | string {
	const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
	const delimiter = Buffer.from(`\n--${boundary}`, "latin1");
	const first = delimiter.subarray(1);
	const parts: Part[] = [];
	// RFC 2046 lets a line break stand before the first boundary, and a text, which nobody sends.
	const start = bytes.indexOf("\r\n") === 0 ? 2 : 0;
	let at = start + first.length;
	if (!bytes.subarray(start, at).equals(first)) {
		return "does not begin with its boundary";
	}
	while (parts.length <= partsMax) {
		if (hasAt(bytes, "--", at)) {
			const rest = bytes.length - at - 2;
			const over = rest === 0 || (rest === 2 && hasAt(bytes, "\r\n", at + 2));
			return over ? parts : "goes on after its last boundary";
		}
		if (!hasAt(bytes, "\r\n", at)) {
			return "has a line that begins as its boundary and is another";
		}
		const headEnd = bytes.indexOf("\r\n\r\n", at);
		if (headEnd < 0) return noEnd;
		if (headEnd - at > headBytesMax) {
			return `has a part with more than ${headBytesMax} bytes of header fields`;
		}
		const from = headEnd + 4;
		// From the line feed before the first byte on, so that a boundary right there is found.
		const end = bytes.indexOf(delimiter, from - 1);
		if (end < 0) return noEnd;
		if (end - 1 < from || bytes[end - 1] !== carriageReturn) {
			return "has a boundary without a line break of its own before it";
		}
		const part = partOf(
			bytes.subarray(at + 2, headEnd),
			bytes.subarray(from, end - 1),
		);
		if (typeof part === "string") return part;
		parts.push(part);
		at = end + delimiter.length;
	}
	return parts;
}

const noEnd = "has no end: its last boundary is missing";
const carriageReturn = 0x0d;

function hasAt(bytes: Buffer, text: string, at: number): boolean {
	return bytes.toString("latin1", at, at + text.length) === text;
}

function partOf(head: Buffer, bytes: Buffer): Part | string {
	if (!isUtf8(head)) return "has header fields that are not UTF-8";
	const fields = fieldsOf(head.toString("utf8"));
	if (typeof fields === "string") return fields;
	// RFC 7578, 4.7. Whoever does not decode it would read something else.
	const coding = fields.get("content-transfer-encoding") ?? "binary";
	if (!/^(?:7bit|8bit|binary)$/i.test(coding)) {
		return "has a part with a transfer encoding";
	}
	const type = fields.get("content-type");
	const typed = type === undefined ? null : withParametersOf(type);
	if (type !== undefined && typed === null) {
		return "has a part with a malformed content-type";
	}
	const names = namesOf(fields.get("content-disposition") ?? "");
	if (typeof names === "string") return names;
	return {
		...names,
		type: typed && typed.value,
		charset: typed?.parameters.get("charset")?.toLowerCase() ?? null,
		bytes,
	};
}

/** The fields that mean something here. Others are left out (RFC 7578, 4.8). */
const known = [
	"content-disposition",
	"content-type",
	"content-transfer-encoding",
];

function fieldsOf(head: string): ReadonlyMap<string, string> | string {
	const fields = new Map<string, string>();
	const lines = head.split("\r\n", partFieldsMax + 1);
	if (lines.length > partFieldsMax) {
		return `has a part with more than ${partFieldsMax} header fields`;
	}
	for (const line of lines) {
		const [, written, value = ""] = field.exec(line) ?? [];
		if (written === undefined) {
			return "has a part with a malformed header field";
		}
		const name = written.toLowerCase();
		if (!known.includes(name)) continue;
		if (fields.has(name)) return `has a part with two fields \`${name}\``;
		fields.set(name, value);
	}
	return fields;
}

/** No control character but a tab: a bare line break would begin a field for some readers. */
const field =
	/^([!#$%&'*+\-.^_`|~\dA-Za-z]+):[\t ]*([^\0-\x08\n-\x1f\x7f]*?)[\t ]*$/;

function namesOf(
	disposition: string,
): Pick<Part, "name" | "fileName"> | string {
	const read = withParametersOf(disposition);
	const name = read?.parameters.get("name");
	if (read?.value !== "form-data" || name === undefined) {
		return "has a part without a proper `content-disposition`";
	}
	const fileName = read.parameters.get("filename") ?? null;
	// RFC 7578, 4.2, forbids it. Beside the other name some senders give it, and it says the same.
	if (fileName === null && read.parameters.has("filename*")) {
		return "has a part with `filename*` alone";
	}
	// Some take it for an escaped quote, and others for a backslash at the end of the name.
	if (name.includes('\\"') || fileName?.includes('\\"')) {
		return 'has a name with `\\"`: write `%22`';
	}
	return {
		name: unescaped(name),
		fileName: fileName === null ? null : unescaped(fileName),
	};
}

/** Browsers escape only these three (WHATWG HTML, 4.10.22.8), and not `%` itself. */
function unescaped(text: string): string {
	if (!text.includes("%")) return text;
	return text
		.replaceAll(/%22/g, '"')
		.replaceAll(/%0D/gi, "\r")
		.replaceAll(/%0A/gi, "\n");
}
