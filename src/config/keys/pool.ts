import { key } from "./key.ts";
import { count, heap } from "./kinds.ts";
import { section } from "./section.ts";

export const poolKeys = section({
	threads: key(count(256), {
		description:
			"How many `worker` functions run at once, each on a thread of its own. Threads start when they are first needed. Default: one fewer than the machine has cores, and at least one.",
		example: "threads: 4",
	}),
	waiting: key(count(100_000, 0), {
		field: "waitingMax",
		description:
			"How many calls of `worker` functions wait for a thread. One more is `overloaded`.",
		example: "waiting: 100",
		default: 1024,
	}),
	memory: key(heap, {
		field: "heapBytesMax",
		description:
			"How much a thread may hold in its JavaScript heap, without buffers, at least `16MiB`. Beyond it the thread ends, and its call is `step_failed`. Default: Node's bound for a thread.",
		example: "memory: 256MiB",
	}),
});
