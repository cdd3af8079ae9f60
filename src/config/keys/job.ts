import { part } from "./key.ts";
import { count, flag, keeping } from "./kinds.ts";
import { section } from "./section.ts";

export const jobKeys = section({
	always: part(flag, { default: false }),
	expires: part(keeping, { field: "expiresMs", default: "1h" }),
	keep: part(keeping, { field: "keptMs", default: "1h" }),
	attempts: part(count(20), {}),
});
