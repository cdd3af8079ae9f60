/** A program for the test of `run`: works until it is asked to end, then says goodbye for as long as it is told. */
import { run, shield, sleep } from "../../src/tasks/index.ts";

const goodbyeMs = Number(process.argv[2]);

try {
	await run(async function program(scope) {
		scope.start(async (own) => {
			try {
				console.log("working");
				await sleep(60_000, own);
			} finally {
				console.log("goodbye");
				await shield((inner) => sleep(goodbyeMs, inner), own);
				console.log("gone");
			}
		});
	});
} catch (error) {
	console.log(String(error));
}
const left = ["SIGINT", "SIGTERM"].map((name) => process.listenerCount(name));
console.log(`listeners left: ${left.join()}`);
