import { isUtf8 } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** The longest file that stands for a variable: a bundle of certificates fits. */
const bytesMax = 1024 ** 2;

export type VariableFile =
	| { readonly text: string; readonly fault?: never }
	/** In words that follow "the file that NAME_FILE names". They never show its path, which may be a secret by mistake. */
	| { readonly text?: never; readonly fault: string };

/**
 * Reads the file that stands for a variable, as Docker and Kubernetes mount secrets. The line break at its end is cut,
 * because most editors write one. Only a file proper is read: a pipe could keep the gateway waiting for ever.
 */
export function readVariableFile(path: string): VariableFile {
	let bytes: Buffer | string;
	try {
		bytes = read(path);
	} catch (error) {
		return { fault: whyUnread(error as NodeJS.ErrnoException) };
	}
	if (typeof bytes === "string") return { fault: bytes };
	if (!isUtf8(bytes)) return { fault: "is no text in UTF-8" };
	const text = bytes.toString("utf8").replace(/\r?\n$/, "");
	return text === "" ? { fault: "is empty" } : { text };
}

/** The bytes, or what is wrong with the file. */
function read(path: string): Buffer | string {
	const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
	try {
		const stat = fstatSync(file);
		if (stat.isDirectory()) return "is a folder";
		if (!stat.isFile()) return "is no file";
		// One more, because a file may have grown since.
		const bytes = Buffer.alloc(bytesMax + 1);
		let length = 0;
		for (let read = 1; read > 0 && length < bytes.length; length += read) {
			read = readSync(file, bytes, length, bytes.length - length, null);
		}
		return length > bytesMax
			? "is longer than 1 MiB"
			: bytes.subarray(0, length);
	} finally {
		closeSync(file);
	}
}

function whyUnread({ code }: NodeJS.ErrnoException): string {
	switch (code) {
		case "ENOENT":
		case "ENOTDIR":
			return "is not there";
		case "EACCES":
		case "EPERM":
			return "may not be read by this user";
		default:
			return `cannot be read${code === undefined ? "" : ` (${code})`}`;
	}
}
