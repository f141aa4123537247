-- wrk posts one prepared request over and over and prints its figures as one JSON line.
-- The file named by REQUEST holds the whole request, head and body, as it goes on the wire.

local request_bytes

function init()
  local file = assert(io.open(os.getenv("REQUEST"), "rb"))
  request_bytes = file:read("*a")
  file:close()
end

function request()
  return request_bytes
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d,' ..
    '"not_ok":%d,"socket_errors":%d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
