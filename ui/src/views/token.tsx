import { useEffect, useRef, useState } from "preact/hooks";

/** Asks for the token of the admin server. */
export function TokenForm({
	wasWrong,
	onToken,
}: {
	wasWrong: boolean;
	onToken(token: string): void;
}) {
	const [token, setToken] = useState("");
	const input = useRef<HTMLInputElement>(null);
	useEffect(() => input.current?.focus(), []);
	const onSubmit = (event: Event) => {
		event.preventDefault();
		if (token.trim() !== "") onToken(token.trim());
	};
	return (
		<form class="token" onSubmit={onSubmit}>
			<h1>Sluice</h1>
			<p>
				This gateway shows itself only to those who have its token: the value of{" "}
				<code>admin.token</code> in its config.
			</p>
			<label for="token">Token</label>
			<input
				id="token"
				ref={input}
				type="password"
				autocomplete="off"
				value={token}
				aria-describedby="token-note"
				aria-invalid={wasWrong}
				onInput={({ currentTarget }) => setToken(currentTarget.value)}
			/>
			<button type="submit">Show the gateway</button>
			{wasWrong && (
				<p role="alert" class="tone bad">
					The gateway does not know this token.
				</p>
			)}
			<p id="token-note" class="quiet">
				The page keeps it until it is closed or loaded again, and nowhere else.
			</p>
		</form>
	);
}
