import type { ValueConfig } from "../../config/config.ts";
import { prepare } from "../layout.ts";
import type { Work } from "../spot.ts";
import type { WorkContext } from "../work.ts";

/** The value of a template. */
export function prepareValue(step: ValueConfig, { layout }: WorkContext): Work {
	const value = prepare(step.value, layout);
	return ({ frame }) => value(frame);
}
