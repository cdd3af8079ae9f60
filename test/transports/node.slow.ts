import { runAgain } from "./run-again.ts";

runAgain("node");
