import { gateway } from "./gateway.ts";

// app/api/[...path]/route.ts: `/api/users/7/card` is the gateway's `/users/7/card`.
function answer(request: Request): Promise<Response> {
	const url = new URL(request.url);
	url.pathname = url.pathname.replace(/^\/api/, "");
	return gateway.fetch(new Request(url, request));
}

export { answer as GET, answer as POST };
