import module from "node:module";

/** The library is loaded with the first expression, because most configs have none. */
const load = module.createRequire(import.meta.url);

function parse(expression: string, zone: string, afterMs: number) {
	const { CronExpressionParser } = load(
		"cron-parser",
	) as typeof import("cron-parser");
	return CronExpressionParser.parse(expression, {
		tz: zone,
		currentDate: new Date(afterMs),
	});
}

/** Why a text is no cron expression of five fields, or of six with seconds first; null if it is one. */
export function faultOfCron(expression: string): string | null {
	const fields = expression.trim().split(/\s+/).length;
	if (fields !== 5 && fields !== 6) return "it has five fields";
	try {
		parse(expression, "UTC", 0);
		return null;
	} catch (error) {
		return (error as Error).message;
	}
}

/** The first instant of an expression after another one, in milliseconds since 1970; null if there is none. */
export function nextOfCron(
	expression: string,
	zone: string,
	afterMs: number,
): number | null {
	try {
		return parse(expression, zone, afterMs).next().getTime();
	} catch {
		return null;
	}
}

export function isTimeZone(name: string): boolean {
	try {
		new Intl.DateTimeFormat("en", { timeZone: name });
		return true;
	} catch {
		return false;
	}
}
