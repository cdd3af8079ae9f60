import module from "node:module";

const load = module.createRequire(import.meta.url);

let library: typeof import("yaml") | null = null;

/**
 * The library that reads YAML. It is seventy files, and they are loaded by the first text: a config of JavaScript values
 * starts without them.
 */
export function yaml(): typeof import("yaml") {
	library ??= load("yaml") as typeof import("yaml");
	return library;
}
