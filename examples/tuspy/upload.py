"""Sends a file with tuspy, each chunk with its checksum. Stop it and run it again: it goes on.

    LANDFALL_URL=http://127.0.0.1:8080 LANDFALL_TOKEN=lf_... python upload.py FILE

Prints the URL of the stored file.
"""

import os
import sys

from tusclient import client
from tusclient.exceptions import TusCommunicationError
from tusclient.fingerprint.fingerprint import Fingerprint
from tusclient.storage.filestorage import FileStorage

CHUNK_BYTES = 5_000_000

server = os.environ.get("LANDFALL_URL", "http://127.0.0.1:8080")
headers = {"Authorization": f"Token {os.environ['LANDFALL_TOKEN']}"}
tus = client.TusClient(f"{server}/files/", headers=headers)


def uploader_for(path, storage):
    return tus.uploader(
        path,
        chunk_size=CHUNK_BYTES,
        metadata={"filename": os.path.basename(path)},
        # A chunk that was damaged on the way is answered 460 and sent again.
        upload_checksum=True,
        retries=10,
        retry_delay=1,
        store_url=True,
        url_storage=storage,
    )


def upload(path):
    # Where the URLs of uploads are kept that are not finished yet.
    storage = FileStorage(f"{path}.uploads")
    with open(path, "rb") as file:
        key = Fingerprint().get_fingerprint(file)
    try:
        uploader = uploader_for(path, storage)
    except TusCommunicationError as error:
        if error.status_code not in (404, 410):
            raise
        # The upload that an earlier run began has expired.
        storage.remove_item(key)
        uploader = uploader_for(path, storage)
    if uploader.offset:
        print(f"going on at {uploader.offset}", file=sys.stderr)
    uploader.upload()
    storage.remove_item(key)
    storage.close()
    os.remove(f"{path}.uploads")
    if uploader.request is None:
        return print("It was complete already.", file=sys.stderr)
    print(uploader.request.response_headers["landfall-media-url"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python upload.py FILE")
    upload(sys.argv[1])
