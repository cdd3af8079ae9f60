import { useEffect, useRef, useState } from "preact/hooks";
import { type Link, type Live, useLive } from "./live.ts";
import { hashOf, type Place, placeOf } from "./place.ts";
import { setToken, whenDenied } from "./server.ts";
import { HistoryView } from "./views/history.tsx";
import { RequestView } from "./views/request.tsx";
import { RoutesView } from "./views/routes.tsx";
import { TokenForm } from "./views/token.tsx";
import { TrafficView } from "./views/traffic.tsx";
import { TryView } from "./views/try.tsx";
import { UpstreamsView } from "./views/upstreams.tsx";

const views = [
	["traffic", "Traffic"],
	["routes", "Routes"],
	["upstreams", "Upstreams"],
	["history", "History"],
	["try", "Try a route"],
] as const;

/** The whole page. It asks for the token as soon as the server wants one. */
export function App() {
	const [denied, setDenied] = useState(false);
	const [attempts, setAttempts] = useState(0);
	useEffect(() => whenDenied(() => setDenied(true)), []);
	if (denied) {
		const onToken = (token: string) => {
			setToken(token);
			setAttempts(attempts + 1);
			setDenied(false);
		};
		return (
			<main id="content" tabIndex={-1}>
				<TokenForm wasWrong={attempts > 0} onToken={onToken} />
			</main>
		);
	}
	return <Views />;
}

function Views() {
	const place = usePlace();
	const [filter, setFilter] = useState(
		place.view === "traffic" ? place.parameters : {},
	);
	// The filter of the traffic holds on while the reader looks at something else.
	useEffect(() => {
		if (place.view === "traffic") setFilter(place.parameters);
	}, [place]);
	const live = useLive(filter);
	useTitle(place);
	const onSkip = (event: Event) => {
		event.preventDefault();
		document.getElementById("content")?.focus();
	};
	return (
		<>
			<a class="skip" href="#content" onClick={onSkip}>
				Skip to the content
			</a>
			<header>
				<p class="brand">Sluice</p>
				<Navigation current={place.view} />
				<LinkState link={live.link} />
			</header>
			<main id="content" tabIndex={-1}>
				<View place={place} live={live} />
			</main>
		</>
	);
}

/** Names the view in the browser's tab. A view that is come to has the keyboard, because the link to it may be gone. */
function useTitle({ view, name }: Place): void {
	const isFirst = useRef(true);
	useEffect(() => {
		const [, title = "Request"] = views.find(([one]) => one === view) ?? [];
		document.title = `${[title, name].filter(Boolean).join(" ")} · Sluice`;
		if (!isFirst.current) document.getElementById("content")?.focus();
		isFirst.current = false;
	}, [view, name]);
}

function Navigation({ current }: { current: string }) {
	const shown = current === "request" ? "traffic" : current;
	return (
		<nav aria-label="Views">
			<ul>
				{views.map(([view, title]) => (
					<li key={view}>
						<a
							href={hashOf({ view })}
							aria-current={shown === view ? "page" : undefined}
						>
							{title}
						</a>
					</li>
				))}
			</ul>
		</nav>
	);
}

const linkWords: Readonly<Record<Link, string>> = {
	connecting: "connecting…",
	open: "live",
	lost: "connection lost, trying again…",
	full: "too many others listen, trying again…",
};

function LinkState({ link }: { link: Link }) {
	return (
		<p class={`link link-${link}`} role="status">
			{linkWords[link]}
		</p>
	);
}

function View({ place, live }: { place: Place; live: Live }) {
	switch (place.view) {
		case "request":
			return <RequestView key={place.name} id={place.name} />;
		case "routes":
			return <RoutesView name={place.name} />;
		case "upstreams":
			return <UpstreamsView />;
		case "history":
			return <HistoryView place={place} />;
		case "try":
			return <TryView />;
		default:
			return <TrafficView live={live} place={place} />;
	}
}

function usePlace(): Place {
	const [place, setPlace] = useState(() => placeOf(location.hash));
	useEffect(() => {
		const onChange = () => setPlace(placeOf(location.hash));
		addEventListener("hashchange", onChange);
		return () => removeEventListener("hashchange", onChange);
	}, []);
	return place;
}
