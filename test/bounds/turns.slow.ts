import { it } from "node:test";
import { keepCostlyTurnsShort } from "./costly-turns.ts";

it("no turn of the loop is long, whatever its route computes of whatever data", () =>
	keepCostlyTurnsShort({ numRuns: 48, seed: 2 }, 90_000));
