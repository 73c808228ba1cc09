"""A bounded load on one loopback address, from a process of its own: keep-alive connections, pre-signed requests."""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
import uuid
from queue import Empty, SimpleQueue
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

PATH = "/hooks/twilio/sms"


def requests_for(count: int, token: str, base: str, to: str) -> list[tuple[bytes, dict[str, str]]]:
    """Signed forms of distinct messages from 200 customers, in the shape Twilio sends them."""
    validator = RequestValidator(token)
    made = []
    for number in range(count):
        form = {
            "ToCountry": "US", "ToState": "IL", "SmsMessageSid": "", "NumMedia": "0", "ToCity": "CHICAGO",
            "FromZip": "60601", "SmsSid": "", "FromState": "IL", "SmsStatus": "received", "FromCity": "CHICAGO",
            "Body": f"How much for a full tint on my 2021 civic? ({number})", "FromCountry": "US", "To": to,
            "ToZip": "60601", "NumSegments": "1", "MessageSid": f"SM{uuid.uuid4().hex}",
            "AccountSid": "AC" + "0" * 32, "From": f"+1312555{1000 + number % 200}", "ApiVersion": "2010-04-01",
        }  # fmt: skip
        signature = validator.compute_signature(base + PATH, form)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
        made.append((urlencode(form).encode(), headers))
    return made


def run(port: int, count: int, connections: int, token: str, base: str, to: str) -> dict[str, object]:
    """Send them all; returns requests per second and every latency in milliseconds. Raises on any answer but 200."""
    work: SimpleQueue[tuple[bytes, dict[str, str]]] = SimpleQueue()
    for item in requests_for(count, token, base, to):
        work.put(item)
    latencies: list[float] = []
    wrong: list[int] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while True:
            try:
                body, headers = work.get_nowait()
            except Empty:
                break
            began = time.perf_counter()
            connection.request("POST", PATH, body, headers)
            answer = connection.getresponse()
            answer.read()
            latencies.append((time.perf_counter() - began) * 1000)
            if answer.status != 200:
                wrong.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if wrong or len(latencies) != count:
        raise RuntimeError(f"{len(wrong)} wrong answers {set(wrong)}, {len(latencies)} of {count} answered")
    return {"rps": count / seconds, "latencies": latencies}


if __name__ == "__main__":
    port, count, connections, token, base, to = sys.argv[1:]
    json.dump(run(int(port), int(count), int(connections), token, base, to), sys.stdout)
