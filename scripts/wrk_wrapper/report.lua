-- Prints the numbers of a wrk run as one line of JSON, marked by a prefix, after wrk's own text.
-- Counts are whole numbers, times whole microseconds. "latency" is null when wrk kept no sample.
-- Use:  wrk ... -s report.lua -- URL [WORD ...]
--   statuses       counts responses by HTTP status; costs throughput, without it the response hook stays unset
--   method=METHOD  the method of the requests
--   body=HEX       bytes of their body; several such words follow each other

local PREFIX = "wrk_wrapper-json:"
local PERCENTILES = { p50 = 50, p75 = 75, p90 = 90, p99 = 99, p99_9 = 99.9 }
local threads = {}

-- In wrk's main environment, once per thread, before the load.
function setup(thread)
   threads[#threads + 1] = thread
end

local function count_statuses()
   status_counts = {}
   function response(status)
      status_counts[status] = (status_counts[status] or 0) + 1
   end
end

local function bytes(hex)
   return (hex:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
end

-- In each thread's own environment. After this call wrk makes the request, and looks for a global `response`.
function init(args)
   for _, word in ipairs(args) do
      local name, value = word:match("^(%a+)=?(.*)$")
      if name == "statuses" then
         count_statuses()
      elseif name == "method" then
         wrk.method = value
      elseif name == "body" then
         wrk.body = (wrk.body or "") .. bytes(value)
      end
   end
end

local function integer(number)
   return string.format("%.0f", number)
end

-- A flat JSON object of integers, its keys sorted so that equal runs print equal lines.
local function object(numbers)
   local keys, parts = {}, {}
   for key in pairs(numbers) do
      keys[#keys + 1] = key
   end
   table.sort(keys)
   for _, key in ipairs(keys) do
      parts[#parts + 1] = string.format('"%s":%s', key, integer(numbers[key]))
   end
   return "{" .. table.concat(parts, ",") .. "}"
end

-- Without a sample wrk has min = 2^64 - 1 and max = 0: no latency at all.
local function latency_json(latency)
   if latency.min > latency.max then
      return "null"
   end
   local numbers = { min = latency.min, max = latency.max, mean = latency.mean, stdev = latency.stdev }
   for name, percentile in pairs(PERCENTILES) do
      numbers[name] = latency:percentile(percentile)
   end
   return object(numbers)
end

-- The threads' counts added up; null when they were not asked for.
local function statuses_json()
   local total
   for _, thread in ipairs(threads) do
      local counts = thread:get("status_counts")
      if counts then
         total = total or {}
         for status, count in pairs(counts) do
            total[status] = (total[status] or 0) + count
         end
      end
   end
   return total and object(total) or "null"
end

function done(summary, latency)
   local errors = summary.errors
   local counted = object({
      connect = errors.connect,
      read = errors.read,
      write = errors.write,
      timeout = errors.timeout,
      status_above_399 = errors.status,
   })
   io.write(PREFIX, string.format(
      ' {"duration_us":%s,"requests":%s,"bytes":%s,"errors":%s,"latency":%s,"statuses":%s}\n',
      integer(summary.duration), integer(summary.requests), integer(summary.bytes),
      counted, latency_json(latency), statuses_json()
   ))
end
