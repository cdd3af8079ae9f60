import type { BodyConfig } from "../config/steps/sent.ts";
import { Bytes } from "../core/body/bytes.ts";
import { GatewayError } from "../core/errors.ts";
import { type Meter, printJson } from "../core/json.ts";
import type { Frame } from "../expression/evaluate.ts";
import { printTemplate } from "../expression/print.ts";
import { readsOf, textOf } from "../expression/template.ts";
import {
	blamingClient,
	inputsOf,
	type Layout,
	prepare,
	readsOnlyInput,
} from "./layout.ts";
import { wellFormed } from "./sent-values.ts";
import { prepareParameters } from "./target.ts";

/** The body that a call sends. */
export interface PreparedBody {
	/** The content type, unless the author's headers set another. */
	readonly type: string;
	readonly print: (frame: Frame) => string;
	/** Whether each character of it stands for a byte. */
	readonly binary?: true;
}

/** The content type of each kind of body, unless the author sets another. */
export const bodyTypes = {
	json: "application/json",
	form: "application/x-www-form-urlencoded",
	text: "text/plain; charset=utf-8",
	bytes: "application/octet-stream",
} as const;

/** Printing throws if that kind of body cannot hold the data. */
export function prepareBody(body: BodyConfig, layout: Layout): PreparedBody {
	switch (body.kind) {
		case "json": {
			const value = prepare(body.value, layout);
			return {
				type: bodyTypes.json,
				print: (frame) => printJson(value(frame), frame.fuel),
			};
		}
		case "text": {
			const value = prepare(body.value, layout);
			const inputs = inputsOf(readsOf(body.value), layout);
			return {
				type: bodyTypes.text,
				print: (frame) =>
					wellFormed(textOf(value(frame), "text"), inputs, "a text"),
			};
		}
		case "bytes": {
			const value = prepare(body.value, layout);
			const source = String(printTemplate(body.value));
			const print = (frame: Frame) =>
				binaryText(bytesOf(value(frame), source), frame.fuel);
			const onlyInput = readsOnlyInput(body.value, layout);
			return {
				type: bodyTypes.bytes,
				print: onlyInput ? blamingClient(print) : print,
				binary: true,
			};
		}
		case "form": {
			return {
				type: bodyTypes.form,
				print: prepareParameters(body.fields, layout),
			};
		}
	}
}

function bytesOf(value: unknown, source: string): Uint8Array {
	if (value instanceof Bytes) return value.bytes;
	throw value === null
		? new GatewayError("reference_missing", `${source} is null`)
		: new GatewayError("step_failed", `${source} gives no bytes`);
}

/** A text of one character for each byte. */
export function binaryText(bytes: Uint8Array, meter: Meter): string {
	meter.hold(bytes.length);
	const { buffer, byteOffset, length } = bytes;
	return Buffer.from(buffer, byteOffset, length).toString("latin1");
}
