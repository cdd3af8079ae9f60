import { gateway } from "./gateway.ts";

export default {
	fetch: (request: Request): Promise<Response> => gateway.fetch(request),
};
