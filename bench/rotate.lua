-- As load.lua, but each request asks for another of so many routes: `N` in the path is counted up.
dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "load.lua")

local requests, count, index = {}, 0, 0

function init(args)
  count = tonumber(args[1])
  for n = 0, count - 1 do
    requests[n] = wrk.format("GET", (wrk.path:gsub("N", tostring(n), 1)))
  end
end

-- Far apart from one to the next, so that no cache knows what comes.
function request()
  index = (index + 7919) % count
  return requests[index]
end
