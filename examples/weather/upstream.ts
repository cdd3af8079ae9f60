/**
 * Runs one of the two services by itself, as compose.yaml does: `node upstream.ts openweather 8001 0.0.0.0`, or
 * `libretranslate`; on loopback where no address is given.
 */
import {
	startLibreTranslate,
	startOpenWeather,
	type UpstreamOptions,
} from "./upstreams.ts";

const services = {
	openweather: (options: UpstreamOptions) =>
		startOpenWeather({ ...options, wavers: true }),
	libretranslate: startLibreTranslate,
};
const [, , name = "", port = "0", host = "127.0.0.1"] = process.argv;
if (!Object.hasOwn(services, name)) {
	console.error(`there is ${Object.keys(services).join(" and ")}, not ${name}`);
	process.exit(1);
}
const start = services[name as keyof typeof services];
const upstream = await start({ port: Number(port), host });
console.log(`${name} listens on ${upstream.url}`);
process.once("SIGTERM", () => void upstream.close());
process.once("SIGINT", () => void upstream.close());
