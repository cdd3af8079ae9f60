import { it } from "node:test";
import { keepCostlyTurnsShort } from "../bounds/costly-turns.ts";

it("no turn of the loop is long, whatever its route computes of whatever data", () =>
	keepCostlyTurnsShort({ numRuns: 500 }));
