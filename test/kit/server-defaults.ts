import { checkValue, configOrThrow } from "../../src/config/load.ts";

/** What a config says of its server that says nothing of it. */
export const serverDefaults = configOrThrow(
	checkValue({ routes: { "GET /x": { respond: 1 } } }, "defaults", {}),
).server;
