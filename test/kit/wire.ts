import { http1Wire } from "../../src/upstream/wire/http1/http1.ts";
import { undiciWire } from "../../src/upstream/wire/undici/undici.ts";
import type { OpenWire } from "../../src/upstream/wire/wire.ts";

const transports: Readonly<Record<string, OpenWire>> = {
	http1: http1Wire,
	undici: undiciWire,
};

/** The transport this run of the suites is about: `http1` unless the variable WIRE names the other. */
export const transport = process.env["WIRE"] ?? "http1";

const found = transports[transport];
if (found === undefined) throw new Error(`WIRE=${transport} is no transport`);

/** Opens a wire of that transport. */
export const openWire: OpenWire = found;
