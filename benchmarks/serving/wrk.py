"""wrk: as many requests as the connections carry; every request names another person."""

import re
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.pacing import DEADLINE_S
from benchmarks.serving.processes import Running

# wrk's own percentiles are read at the end. `most` ends a run before persons come a second time; wrk itself still counts its
# whole time, so the moment of the end is kept here.
_LUA = """
local n, first, most = {first}, {first}, {most}
began, ended = 0, 0
local ffi = require("ffi")
ffi.cdef("typedef struct {{ long seconds; long microseconds; }} moment; int gettimeofday(moment *now, void *zone);")
local clock = ffi.new("moment")
local function now()
  ffi.C.gettimeofday(clock, nil)
  return tonumber(clock.seconds) * 1000000 + tonumber(clock.microseconds)
end
setup = function(thread) only = thread end
request = function()
  if began == 0 then began = now() end
  n = n + 1
  if most > 0 and n - first >= most then
    ended = now()
    wrk.thread:stop()
  end
  local person = n % {people}
  return {call}
end
done = function(summary, latency)
  local duration = summary.duration
  if only:get("ended") > 0 then duration = only:get("ended") - only:get("began") end
  local low, high = 0.0, 100.0
  for _ = 1, 20 do
    local at = (low + high) / 2
    if latency:percentile(at) > {deadline_us} then high = at else low = at end
  end
  local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.status
  io.write(string.format("seen %d %d %.1f %.1f %.8f %d\\n", summary.requests, duration,
    latency:percentile(50), latency:percentile(99), 1 - high / 100, bad))
end
"""


@dataclass(frozen=True)
class Sample:
    """One round: CPU us a request, requests a second, milliseconds, requests over the deadline, requests that went wrong."""

    cpu_us: float
    rps: float
    p50_ms: float
    p99_ms: float
    late: float
    bad: float
    requests: int


@dataclass
class Target:
    """One thing to measure: the server, the path up to the person's number, and what follows it.

    With `body` a POST is sent, `%d` in it being the person's number. `once` says that a person must not come twice in a round.
    """

    name: str
    server: Running
    path: str
    people: int
    token: str = ""
    tail: str = ""
    body: str = ""
    once: bool = False
    sequence: int = 0
    samples: dict[int, list[Sample]] = field(default_factory=lambda: defaultdict(list))

    def script(self, connections: int) -> str:
        """Return the Lua that makes the requests, over so many connections."""
        if self.body:
            spelled = f'wrk.format("POST", "{self.path}", nil, string.format([==[{self.body}]==], person))'
        else:
            spelled = f'wrk.format("GET", "{self.path}" .. person .. "{self.tail}")'
        # every other connection may send one request more before wrk stops
        most = max(1, self.people - connections + 1) if self.once else 0
        return _LUA.format(first=self.sequence, most=most, people=self.people, call=spelled, deadline_us=int(DEADLINE_S * 1e6))


def available() -> bool:
    """Tell whether wrk is installed."""
    return shutil.which("wrk") is not None


def measure(target: Target, connections: int, seconds: int, work: Path) -> Sample:
    """Run wrk once, keep and return what it saw."""
    script = work / "path.lua"
    script.write_text(target.script(connections))
    headers = ["-H", f"Authorization: Bearer {target.token}"] if target.token else []
    headers += ["-H", "Content-Type: application/json"] if target.body else []
    before = target.server.cpu()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", *headers, "-s", str(script)]
    done = subprocess.run([*command, f"http://127.0.0.1:{target.server.port}"], capture_output=True, text=True, check=True).stdout
    used = target.server.cpu() - before
    found = re.search(r"^seen (\d+) (\d+) ([\d.]+) ([\d.]+) (-?[\d.]+) (\d+)$", done, re.MULTILINE)
    if found is None or int(found[1]) == 0:
        raise RuntimeError(f"{target.name}: no answer: {done}")
    requests, microseconds = int(found[1]), int(found[2])
    target.sequence += requests + connections
    p50, p99, share, bad = float(found[3]) / 1000, float(found[4]) / 1000, float(found[5]), int(found[6])
    sample = Sample(used / requests * 1e6, requests / microseconds * 1e6, p50, p99, max(0.0, share) * requests, bad, requests)
    target.samples[connections].append(sample)
    return sample
