import { it } from "node:test";
import { keepCostlyTurnsShort } from "./costly-turns.ts";

it("no turn of the loop is long, whatever its route computes of whatever data", () =>
	keepCostlyTurnsShort({ numRuns: 32, seed: 2 }, 45_000));
