import { Ajv2020 } from "ajv/dist/2020.js";

/** The fault of a schema, in ajv's words; null if it is a JSON Schema (2020-12). */
export type FaultOfSchema = (schema: object) => string | null;

let ajv: Ajv2020 | null = null;

/**
 * The compiler is made at the first schema of the process, and costs as much as a hundred schemas. It keeps nothing of what
 * it has judged: two schemas of the same `$id` are strangers to each other.
 */
export const faultOfSchema: FaultOfSchema = (schema) => {
	ajv ??= new Ajv2020({
		allErrors: true,
		addUsedSchema: false,
		// Patterns have been judged, and a fault of theirs is no fault of the schema.
		code: { regExp: Object.assign(anyPattern, { code: "" }) },
	});
	try {
		ajv.compile(schema);
		return null;
	} catch (error) {
		const words = error instanceof Error ? error.message : String(error);
		return words.split(", ", 1)[0] ?? words;
	} finally {
		ajv.removeSchema(schema);
	}
};

function anyPattern(): { test: () => boolean } {
	return { test: () => true };
}
