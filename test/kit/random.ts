import fc from "fast-check";

/** Numbers from 0 to below 1 that look random and are the same every time. */
export function repeatableRandom(seed = 1): () => number {
	let state = seed;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state / 2 ** 32;
	};
}

/** Texts of any characters, the rare ones too. `fc.string({ unit: "binary" })` gives the same, after seconds of preparation. */
export function anyText(maxLength?: number): fc.Arbitrary<string> {
	const character = fc
		.integer({ min: 0, max: 0x10ffff - 0x800 })
		// Without the halves of a pair.
		.map((code) => String.fromCodePoint(code < 0xd800 ? code : code + 0x800));
	const length = maxLength === undefined ? {} : { maxLength };
	return fc.array(character, length).map((characters) => characters.join(""));
}
