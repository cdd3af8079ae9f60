import { Ajv2020 } from "ajv/dist/2020.js";

/** What is wrong with a schema, in the words of whoever found it; null where it is a JSON Schema (2020-12). */
export type FaultOfSchema = (schema: object) => string | null;

/**
 * Judges the schemas of one config. Made at the first of them, and then shared: making it costs ten times what a schema
 * does. Schemas of the same `$id` are strangers to each other.
 */
export function createSchemaCheck(): FaultOfSchema {
	let ajv: Ajv2020 | null = null;
	return (schema) => {
		ajv ??= new Ajv2020({ allErrors: true, addUsedSchema: false });
		try {
			ajv.compile(schema);
			return null;
		} catch (error) {
			const words = error instanceof Error ? error.message : String(error);
			return words.split(", ", 1)[0] ?? words;
		}
	};
}
