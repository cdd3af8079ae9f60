/** The time of 5,000 expressions of one operation each over hostile data. */
process.env.EXPRESSION_COSTS = "5000";
await import("../expression/cost.test.ts");
