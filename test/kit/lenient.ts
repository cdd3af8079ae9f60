/**
 * Whether any server could take this part of a path for a step upwards, or end it early: one that decodes it any number
 * of times, before it splits it or after, that takes `\` for `/`, and that cuts a segment at `;` and the like. More than
 * eight decodings count as such, too.
 */
export function couldStepUp(sent: string): boolean {
	let bytes = Buffer.from(sent, "latin1");
	for (let decodings = 0; ; decodings++) {
		if (decodings > 8 || bytes.includes(0) || hasStep(bytes)) return true;
		const decoded = decodedOnce(bytes);
		if (decoded.equals(bytes)) return false;
		bytes = decoded;
	}
}

function decodedOnce(bytes: Buffer): Buffer<ArrayBuffer> {
	const decoded: number[] = [];
	for (let at = 0; at < bytes.length; at++) {
		const digits = bytes.toString("latin1", at + 1, at + 3);
		const isEscape = bytes[at] === 0x25 && /^[0-9a-fA-F]{2}$/.test(digits);
		decoded.push(isEscape ? Number.parseInt(digits, 16) : (bytes[at] ?? 0));
		if (isEscape) at += 2;
	}
	return Buffer.from(decoded);
}

function hasStep(bytes: Buffer): boolean {
	const parts: number[][] = [[]];
	for (const code of charactersOf(bytes)) {
		if (code === 0x2f || code === 0x5c) parts.push([]);
		else parts.at(-1)?.push(code);
	}
	return parts.some((codes) => {
		const part = String.fromCharCode(...codes.slice(0, 1000));
		const [step = ""] = part.split(/[;?#]/);
		return step.trim() === "." || step.trim() === "..";
	});
}

/** As a decoder reads bytes that does not mind how many of them stand for a character. */
function* charactersOf(bytes: Buffer): Generator<number> {
	for (let at = 0; at < bytes.length; at++) {
		const [first = 0, second = 0, third = 0, fourth = 0] = bytes.subarray(at);
		const tail = (byte: number) => byte >> 6 === 0b10;
		if ((first === 0xc0 || first === 0xc1) && tail(second)) {
			yield ((first & 1) << 6) | (second & 0x3f);
			at += 1;
		} else if (first === 0xe0 && second >> 1 === 0x40 && tail(third)) {
			yield ((second & 1) << 6) | (third & 0x3f);
			at += 2;
		} else if (
			first === 0xf0 &&
			second === 0x80 &&
			third >> 1 === 0x40 &&
			tail(fourth)
		) {
			yield ((third & 1) << 6) | (fourth & 0x3f);
			at += 3;
		} else yield first;
	}
}
