import type { Coding } from "../body/codings.ts";
import { weightsIn } from "./accept.ts";
import { type HeaderList, headerOf } from "./headers.ts";

/** A content coding in which answers are sent. */
export type AnswerCoding = Exclude<Coding, "deflate">;

/** Of those that a client likes alike the first is taken: that which costs least for what it saves (`bench/compress`). */
export const answerCodings: readonly AnswerCoding[] = ["zstd", "br", "gzip"];

/** In which form a client wants the bytes of an answer. */
export interface CodingWish {
	/** Null: as they are. */
	readonly coding: AnswerCoding | null;
	/** Whether it does not want them as they are. */
	readonly refusesPlain: boolean;
}

/** A client that names no coding has said that it would rather have any other that it accepts. */
const plainWeight = 0.0001;

/**
 * Reads `Accept-Encoding` (RFC 9110, 12.5.3). Without the field any coding would do, but such clients often understand none. If nothing
 * that we have is accepted, the bytes go as they are: a client that cannot read them is helped no more by a 406.
 */
export function codingWishOf(headers: HeaderList): CodingWish {
	if (headerOf(headers, "accept-encoding") === null) return plain;
	const weights = weightsIn(headers, "accept-encoding");
	const others = weights.get("*");
	const ownPlain = weights.get("identity") ?? others;
	let most = ownPlain ?? plainWeight;
	let coding: AnswerCoding | null = null;
	for (const one of answerCodings) {
		const named = weights.get(one) ?? weights.get(otherNames[one] ?? "");
		const weight = named ?? others ?? 0;
		const isBetter = coding === null ? weight >= most : weight > most;
		if (weight === 0 || !isBetter) continue;
		most = weight;
		coding = one;
	}
	return { coding, refusesPlain: ownPlain === 0 };
}

/** RFC 9110, 8.4.1.3. */
const otherNames: { readonly [Coding in AnswerCoding]?: string } = {
	gzip: "x-gzip",
};

const plain: CodingWish = { coding: null, refusesPlain: false };
