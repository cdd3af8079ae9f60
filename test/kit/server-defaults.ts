import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { simpleHeads, transportTls } from "./transport.ts";

const { server } = configOrThrow(
	checkValue({ routes: { "GET /x": { respond: 1 } } }, "defaults", {}),
);

/** What a config says of its server that says nothing of it, but that it answers for any host. */
export const serverDefaults = {
	...server,
	hosts: ["*"],
	tls: transportTls,
	simpleHeads,
};
