import type { NginxConfig } from "../nginx.ts";

/** Connections to the upstream that are kept, as an expert sets them: HTTP/1.1, no client's header, no `Connection`. */
function upstream(upstreamUrl: string): string {
	return `upstream weather {
		server ${new URL(upstreamUrl).host};
		keepalive 512;
		keepalive_requests 1000000000;
	}
	proxy_http_version 1.1;
	proxy_set_header Connection "";`;
}

/** nginx as a proxy alone. */
export function nginxProxy(upstreamUrl: string): NginxConfig {
	return {
		lua: false,
		http: upstream(upstreamUrl),
		server: "location /pass/ { proxy_pass http://weather/; }",
	};
}

/** The same routes by hand in Lua inside nginx: `ngx.location.capture_multi` and cjson. */
export function nginxLua(upstreamUrl: string): NginxConfig {
	return {
		lua: true,
		http: `${upstream(upstreamUrl)}
	init_by_lua_block { ${setUp} }`,
		server: `
		location /up/ {
			internal;
			proxy_pass_request_headers off;
			proxy_pass http://weather/;
		}
		location /pass/ { content_by_lua_block { pass() } }
		location = /reshaped { content_by_lua_block { reshaped() } }
		location = /three { content_by_lua_block { three("/up/weather/london") } }
		location = /slow { content_by_lua_block { three("/up/slow/london") } }
		location = /chain { content_by_lua_block { chain() } }
		location = /each { content_by_lua_block { each() } }`,
	};
}

const setUp = `
	require "resty.core"
	local cjson = require "cjson.safe"
	local capture, capture_multi = ngx.location.capture, ngx.location.capture_multi
	local decode, encode = cjson.decode, cjson.encode

	local function send(value)
		local text = encode(value)
		ngx.header.content_length = #text
		ngx.print(text)
	end

	local function fail()
		return ngx.exit(502)
	end

	local function weather(answer)
		if answer.status ~= 200 then return nil end
		return decode(answer.body)
	end

	local function get(path)
		return weather(capture(path))
	end

	local function pick(answer)
		return { name = answer.name, main = { temp = answer.main.temp } }
	end

	function pass()
		local answer = capture("/up" .. ngx.var.uri:sub(6))
		ngx.status = answer.status
		ngx.header.content_length = #answer.body
		ngx.print(answer.body)
	end

	function reshaped()
		local now = get("/up/weather/kaliningrad")
		if not now then return fail() end
		send({
			city = now.name, country = now.sys.country, temp = now.main.temp,
			feels = now.main.feels_like, sky = now.weather[1].main,
		})
	end

	function three(last)
		local a, b, c = capture_multi({ { "/up/weather/kaliningrad" }, { "/up/weather/moscow" }, { last } })
		a, b, c = weather(a), weather(b), weather(c)
		if not (a and b and c) then return fail() end
		send({ kaliningrad = pick(a), moscow = pick(b), london = pick(c) })
	end

	function chain()
		local first = get("/up/weather/kaliningrad")
		if not first then return fail() end
		local second = get("/up/echo/" .. first.id)
		if not second then return fail() end
		local third = get("/up/echo/" .. second.echo .. "-" .. second.name)
		if not third then return fail() end
		send({ first = first.id, second = second.echo, third = third.echo })
	end

	function each()
		local cities = ngx.req.get_uri_args().city
		if type(cities) ~= "table" then cities = { cities } end
		local calls = {}
		for index, city in ipairs(cities) do calls[index] = { "/up/echo/" .. ngx.escape_uri(city) } end
		local answers = { capture_multi(calls) }
		for index, answer in ipairs(answers) do
			local now = weather(answer)
			if not now then return fail() end
			answers[index] = { city = now.echo, temp = now.main.temp }
		end
		send(answers)
	end
`;
