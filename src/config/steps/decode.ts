import { oneOf } from "../keys/kinds.ts";

/** How an answer's body becomes a value. */
export type DecodeConfig = "json" | "text" | "bytes" | "lines";

export const decode = oneOf(["json", "text", "bytes", "lines"]);
