-- For wrk: walks through the paths of a file, one announce each, and prints the counts as JSON. The
-- requests are made before the start, so that the load's core does little but send and receive.

local requests = {}
local next_request = 0
local thread

-- There is one thread only.
function setup (the_thread)
  thread = the_thread
end

function init (args)
  wrk.headers["User-Agent"] = "bench/1.0"
  wrk.headers["Accept-Encoding"] = "gzip"
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
  prepared = os.clock()
end

function request ()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done (summary, latency)
  local errors = summary.errors
  local failures = string.format('{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}',
    errors.connect, errors.read, errors.write, errors.status, errors.timeout)
  -- Processor time since the start, in µs.
  local used = (os.clock() - thread:get("prepared")) * 1e6
  io.write(string.format('summary {"requests":%d,"duration":%d,"loadCpu":%d,"p50":%d,"p99":%d,"failures":%s}\n',
    summary.requests, summary.duration, used, latency:percentile(50), latency:percentile(99), failures))
end
