"""Sends a file in chunks. Stop it in the middle and run it again: it goes on where it was.

    LANDFALL_URL=http://127.0.0.1:8080 LANDFALL_TOKEN=lf_... python upload.py FILE

Prints the URL of the stored file. Works as it is with any server that speaks drf-chunked-upload.
"""

import hashlib
import json
import os
import sys
import time

import requests

CHUNK_BYTES = 5_000_000
TRIES = 10

server = os.environ.get("LANDFALL_URL", "http://127.0.0.1:8080")
endpoint = f"{server}/api/chunked-uploads/"
session = requests.Session()
session.headers["Authorization"] = f"Token {os.environ['LANDFALL_TOKEN']}"


def send(method, url, **kwargs):
    """One request, repeated while the network or the server has a bad moment."""
    for attempt in range(TRIES):
        try:
            answer = session.request(method, url, timeout=60, **kwargs)
            if answer.status_code < 500 and answer.status_code != 423:
                return answer
        except requests.ConnectionError:
            pass
        time.sleep(min(0.2 * 2**attempt, 5))
    sys.exit(f"no answer from {url}")


def earlier(notes, total):
    """The upload that an earlier run began, where it can still be continued."""
    if not os.path.exists(notes):
        return None
    with open(notes) as file:
        noted = json.load(file)
    if noted["total"] != total:
        return None
    answer = send("GET", noted["url"])
    return answer.json() if answer.ok and answer.json()["status"] == 1 else None


def put(url, name, chunk, start, total):
    """One chunk. The first goes to the endpoint, each next one to the URL of the upload."""
    end = start + len(chunk) - 1
    return send(
        "PUT",
        url,
        headers={"Content-Range": f"bytes {start}-{end}/{total}"},
        data={"filename": name},
        files={"file": chunk},
    )


def upload(path):
    total = os.path.getsize(path)
    name = os.path.basename(path)
    notes = f"{path}.upload"
    state = earlier(notes, total)
    url = state["url"] if state else endpoint
    offset = state["offset"] if state else 0
    if offset:
        print(f"going on at {offset}", file=sys.stderr)

    with open(path, "rb") as file:
        while offset < total:
            file.seek(offset)
            answer = put(url, name, file.read(CHUNK_BYTES), offset, total)
            body = answer.json()
            if answer.status_code == 400 and url != endpoint and "expected_offset" in body:
                # The answer to an earlier try was lost: the server knows better where we are.
                offset = body["expected_offset"]
                continue
            if not answer.ok:
                sys.exit(f"refused: {answer.status_code} {body}")
            url, offset = body["url"], body["offset"]
            with open(notes, "w") as out:
                json.dump({"url": url, "total": total}, out)
            print(f"{offset} of {total} bytes", file=sys.stderr)

        file.seek(0)
        md5 = hashlib.md5()
        while block := file.read(1 << 20):
            md5.update(block)

    answer = send("POST", url, data={"md5": md5.hexdigest()})
    if not answer.ok:
        sys.exit(f"not complete: {answer.status_code} {answer.text}")
    os.remove(notes)
    print(answer.json()["file"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python upload.py FILE")
    upload(sys.argv[1])
