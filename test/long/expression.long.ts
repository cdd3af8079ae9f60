/** The comparison of expressions with JavaScript, over a million programs. */
process.env.EXPRESSION_PROGRAMS = "1000000";
await import("../expression/javascript.slow.ts");
