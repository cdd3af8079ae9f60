import type { OpenUpstream } from "../../src/run/open.ts";
import { createUpstream } from "../../src/upstream/upstream.ts";
import { http1Wire } from "../../src/upstream/wire/http1.ts";
import { undiciWire } from "../../src/upstream/wire/undici/undici.ts";

const wires = { http1: http1Wire, undici: undiciWire } as const;

/** The wire this run of the suites is about: `http1` unless the variable WIRE names the other. */
export const transport = nameOf(process.env["WIRE"] ?? "http1");

function nameOf(name: string): keyof typeof wires {
	if (name in wires) return name as keyof typeof wires;
	throw new Error(`WIRE=${name} is no wire`);
}

export const openWire = wires[transport];

/** Opens an upstream over that wire. */
export const openUpstream: OpenUpstream = (settings, context) =>
	createUpstream(settings, context, openWire);
