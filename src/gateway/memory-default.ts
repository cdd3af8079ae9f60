import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";

/** What the program itself has in the heap. */
const ownBytes = 64 * 1024 ** 2;

/** What the key takes at least. */
const bytesMin = 16 * 1024 ** 2;

/**
 * A third of the heap that the program leaves. If a quarter of the memory that the process may have is less, it is that.
 * Values and texts are in the heap, and bodies are beside it. The rest is for garbage, which the engine collects late. Of the
 * process's memory it takes its part, if so many processes share it.
 */
export function memoryOfProcess(processes: number): number {
	const ofHeap = (getHeapStatistics().heap_size_limit - ownBytes) / 3;
	// Without a limit it is 0, or larger than any memory.
	const limit = Math.min(
		process.constrainedMemory() || Number.POSITIVE_INFINITY,
		totalmem(),
	);
	const least = Math.min(ofHeap, limit / 4 / processes);
	return Math.floor(Math.max(least, bytesMin));
}
