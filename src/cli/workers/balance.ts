/** How a worker has been in the last second. */
export interface WorkerLoad {
	/** Of clients. */
	readonly connections: number;
	/** The share of the time in which its event loop was busy: 0 to 1. It is 1 if all places for requests are taken. */
	readonly busy: number;
}

/** Less work than this needs no sharing. */
const busyMin = 0.5;

/** Workers that differ by less are equal. */
const differenceMin = 0.25;

/**
 * How many connections each of them should let go. Whoever has time accepts new connections, so these are spread by
 * themselves. But those that are kept stay where they are, also if all of them were opened while one worker had time. A
 * worker that is busier than another lets go half of what it has beyond its share.
 */
export function toLetGo(loads: readonly WorkerLoad[]): readonly number[] {
	const share =
		loads.reduce((sum, { connections }) => sum + connections, 0) / loads.length;
	const least = Math.min(...loads.map(({ busy }) => busy));
	return loads.map(({ connections, busy }) => {
		const isBusy = busy >= busyMin && busy - least >= differenceMin;
		return isBusy ? Math.max(0, Math.ceil((connections - share) / 2)) : 0;
	});
}
