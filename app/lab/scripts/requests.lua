-- wrk sends requests that were signed and written down beforehand, in their order and never twice,
-- and says in one line of JSON what came of it. Arguments: the file, and the mean pause in ms
-- before a request of a connection (0: none).
local requests, sent = {}, 0

function init(args)
   local file = assert(io.open(args[1], "rb"))
   for size in file:lines() do
      requests[#requests + 1] = file:read(tonumber(size))
      file:read(1)
   end
   file:close()
   local pause = tonumber(args[2])
   if pause > 0 then
      function delay() return math.random() * 2 * pause end
   end
   missing, refusal = 0, ""
end

function response(status, _, body)
   if status >= 400 and refusal == "" then refusal = status .. " " .. body:gsub('[\\"%c]', "'") end
end

function request()
   sent = sent + 1
   if sent > #requests then missing = missing + 1 end
   return requests[(sent - 1) % #requests + 1]
end

local threads = {}
function setup(thread) threads[#threads + 1] = thread end

function done(summary, latency)
   local missing, refusal = 0, ""
   for _, thread in ipairs(threads) do
      missing = missing + thread:get("missing")
      refusal = refusal .. thread:get("refusal")
   end
   local e = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "refused": %d, "lost": %d, "missing": %d, "refusal": "%s"}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
      latency:percentile(99) / 1e3, e.status, e.connect + e.read + e.write + e.timeout, missing, refusal))
end
