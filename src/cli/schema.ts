import { configJsonSchema } from "../config/json-schema.ts";
import { exitCodes } from "./exit-codes.ts";
import { print } from "./terminal.ts";

/** `sluice schema`: for editors that complete and check a config while it is written. */
export function schemaCommand(): number {
	print(JSON.stringify(configJsonSchema(), null, 2));
	return exitCodes.ok;
}
