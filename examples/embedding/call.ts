import { gateway } from "./gateway.ts";

export async function cardOf(id: string): Promise<string> {
	const answer = await gateway.handle({
		method: "GET",
		target: `/users/${encodeURIComponent(id)}/card`,
	});
	return `${answer.status} ${answer.body}`;
}
