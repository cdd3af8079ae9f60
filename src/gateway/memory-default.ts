import { getHeapStatistics } from "node:v8";

/**
 * A third of the heap, or a quarter of the memory that the process may have if that is less: values and texts are in the heap,
 * and bodies are beside it. The rest is for the engine's garbage, which it collects late, and for the program itself.
 */
export function memoryOfProcess(): number {
	const heap = getHeapStatistics().heap_size_limit / 3;
	// Without a limit it is 0, or larger than any memory.
	const process_ = process.constrainedMemory() / 4;
	return Math.floor(process_ > 0 ? Math.min(heap, process_) : heap);
}
