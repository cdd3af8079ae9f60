/** The longest turn of the loop over 150 routes by chance. */
process.env["COSTLY_ROUTES"] ??= "150";
await import("./turns.test.ts");
