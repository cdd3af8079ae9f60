import module from "node:module";
import type { Ajv2020, Options } from "ajv/dist/2020.js";

const load = module.createRequire(import.meta.url);

/**
 * A compiler of JSON Schema 2020-12. Ajv is eighty files, and they are loaded by the first compiler: a gateway without a
 * schema starts without them.
 */
export function createAjv(options: Options): Ajv2020 {
	const { Ajv2020 } = load(
		"ajv/dist/2020.js",
	) as typeof import("ajv/dist/2020.js");
	return new Ajv2020(options);
}
