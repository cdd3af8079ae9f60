/** Numbers from 0 to below 1 that look random and are the same every time. */
export function repeatableRandom(seed = 1): () => number {
	let state = seed;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state / 2 ** 32;
	};
}
