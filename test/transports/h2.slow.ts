import { runAgain } from "./run-again.ts";

runAgain("h2");
