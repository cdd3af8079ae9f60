import type { OpenUpstream } from "../../src/run/open.ts";
import {
	createUpstream,
	type Transport,
	transports,
} from "../../src/upstream/upstream.ts";

/** The transport this run of the suites is about: `http1` unless the variable WIRE names the other. */
export const transport = transportOf(process.env["WIRE"] ?? "http1");

function transportOf(name: string): Transport {
	if (name in transports) return name as Transport;
	throw new Error(`WIRE=${name} is no transport`);
}

/** Opens a wire of that transport. */
export const openWire = transports[transport];

/** Opens an upstream over that transport, unless its config names the other. */
export const openUpstream: OpenUpstream = (settings, context) =>
	createUpstream(
		settings.transport === "http1" ? { ...settings, transport } : settings,
		context,
	);
