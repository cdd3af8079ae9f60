import type { BodyConfig } from "../config/steps/call.ts";
import { printJson } from "../core/json.ts";
import type { Frame } from "../expression/evaluate.ts";
import { readsOf, textOf } from "../expression/template.ts";
import { inputsOf, type Layout, prepare } from "./layout.ts";
import { prepareParameters, wellFormed } from "./target.ts";

/** The body that a call sends. */
export interface PreparedBody {
	/** The content type, unless the author's headers set another. */
	readonly type: string;
	readonly print: (frame: Frame) => string;
}

/** Printing throws if that kind of body cannot hold the data. */
export function prepareBody(body: BodyConfig, layout: Layout): PreparedBody {
	switch (body.kind) {
		case "json": {
			const value = prepare(body.value, layout);
			return {
				type: "application/json",
				print: (frame) => printJson(value(frame), frame.fuel),
			};
		}
		case "text": {
			const value = prepare(body.value, layout);
			const inputs = inputsOf(readsOf(body.value), layout);
			return {
				type: "text/plain; charset=utf-8",
				print: (frame) =>
					wellFormed(textOf(value(frame), "text"), inputs, "a text"),
			};
		}
		case "form": {
			return {
				type: "application/x-www-form-urlencoded",
				print: prepareParameters(body.fields, layout),
			};
		}
	}
}
