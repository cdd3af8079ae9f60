import type { JobDatabase } from "./database.ts";

/** What a thread with a database does for others. */
export type Operation =
	| "add"
	| "find"
	| "answer"
	| "take"
	| "progress"
	| "end"
	| "cancel"
	| "takeHook"
	| "hookEnded"
	| "counts";

/** To the thread of the database. */
export type ToJobs =
	| {
			readonly kind: "do";
			readonly call: number;
			readonly operation: Operation;
			readonly args: readonly unknown[];
	  }
	| { readonly kind: "close" };

/** From the thread of the database. */
export type FromJobs =
	| { readonly kind: "done"; readonly call: number; readonly value: unknown }
	| {
			readonly kind: "failed";
			readonly call: number;
			/** For operators. */
			readonly message: string;
			/** Whether there is no room. */
			readonly full: boolean;
	  };

export type ResultOf<Op extends Operation> = ReturnType<JobDatabase[Op]>;
export type ArgsOf<Op extends Operation> = Parameters<JobDatabase[Op]>;
