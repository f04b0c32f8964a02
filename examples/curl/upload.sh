#!/bin/sh
# The same file through every door of Landfall, with curl and the usual programs of a shell. Each
# part stands for itself: copy the one that you need.
#
#   LANDFALL_URL=http://127.0.0.1:8080 LANDFALL_TOKEN=lf_... ./upload.sh FILE
#
# Prints a line for each door: its name and the URL of the stored file.
set -eu

LANDFALL_URL=${LANDFALL_URL:-http://127.0.0.1:8080}
FILE=${1:?usage: LANDFALL_TOKEN=... ./upload.sh FILE}
TOKEN="Authorization: Token ${LANDFALL_TOKEN:?it takes your token}"

name=$(basename "$FILE")
size=$(wc -c <"$FILE" | tr -d ' ')
half=$((size / 2))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
head -c "$half" "$FILE" >"$work/first"
tail -c "+$((half + 1))" "$FILE" >"$work/second"
metadata="filename $(printf '%s' "$name" | base64 | tr -d '\n')"

# send NAME ARGUMENTS...: one request; head and body of its answer are kept in $work. An answer that
# is a refusal ends the script with what the server said.
send() {
  answer="$work/$1"
  shift
  curl -sS --fail-with-body -H "$TOKEN" -D "$answer.head" -o "$answer.body" "$@" || {
    cat "$answer.body" >&2
    exit 1
  }
}

# header NAME FIELD, member NAME KEY: from the head, or the JSON, of the answer that was kept.
header() {
  tr -d '\r' <"$work/$1.head" |
    awk -v field="$2:" 'tolower($1) == tolower(field) { value = $2 } END { print value }'
}
member() { sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p" "$work/$1.body"; }

# 1. tus: create, send a half, ask how far it is, send the rest.
tus() {
  send create -X POST "$LANDFALL_URL/files/" -H 'Tus-Resumable: 1.0.0' \
    -H "Upload-Length: $size" -H "Upload-Metadata: $metadata"
  upload=$(header create Location)
  send first -X PATCH "$upload" -H 'Tus-Resumable: 1.0.0' -H 'Upload-Offset: 0' \
    -H 'Content-Type: application/offset+octet-stream' --data-binary "@$work/first"
  # Here the connection may break; whatever arrived is kept.
  send state -I "$upload" -H 'Tus-Resumable: 1.0.0'
  offset=$(header state Upload-Offset)
  tail -c "+$((offset + 1))" "$FILE" >"$work/rest"
  send last -X PATCH "$upload" -H 'Tus-Resumable: 1.0.0' -H "Upload-Offset: $offset" \
    -H 'Content-Type: application/offset+octet-stream' --data-binary "@$work/rest"
  echo "tus $(header last Landfall-Media-Url)"
}

# 2. tus, created and sent in one request. (creation-with-upload)
tus_at_once() {
  send once -X POST "$LANDFALL_URL/files/" -H 'Tus-Resumable: 1.0.0' \
    -H "Upload-Length: $size" -H "Upload-Metadata: $metadata" \
    -H 'Content-Type: application/offset+octet-stream' --data-binary "@$FILE"
  echo "tus-at-once $(header once Landfall-Media-Url)"
}

# 3. Resumable Uploads for HTTP, the IETF's draft: a first part, the offset, the last part.
resumable_http() {
  send begin -X POST "$LANDFALL_URL/files/" -H 'Upload-Draft-Interop-Version: 10' \
    -H 'Upload-Complete: ?0' -H "Upload-Length: $size" \
    -H "Content-Disposition: attachment; filename=\"$name\"" --data-binary "@$work/first"
  upload=$(header begin Location)
  send offset -I "$upload" -H 'Upload-Draft-Interop-Version: 10'
  offset=$(header offset Upload-Offset)
  tail -c "+$((offset + 1))" "$FILE" >"$work/rest"
  send append -X PATCH "$upload" -H 'Upload-Draft-Interop-Version: 10' \
    -H 'Content-Type: application/partial-upload' -H "Upload-Offset: $offset" \
    -H 'Upload-Complete: ?1' --data-binary "@$work/rest"
  echo "resumable-http $(header append Landfall-Media-Url)"
}

# 4. Chunks, as drf-chunked-upload has them: PUT each with its range, then POST the MD5 of all.
chunked() {
  md5=$(openssl dgst -md5 -r "$FILE" | cut -d ' ' -f 1)
  send chunk -X PUT "$LANDFALL_URL/api/chunked-uploads/" \
    -H "Content-Range: bytes 0-$((half - 1))/$size" -F "filename=$name" -F "file=@$work/first"
  upload=$(member chunk url)
  send chunk -X PUT "$upload" \
    -H "Content-Range: bytes $half-$((size - 1))/$size" -F "file=@$work/second"
  send complete -X POST "$upload" -d "md5=$md5"
  echo "chunked $(member complete file)"
}

# 5. A session: the files of one form, stored together when it is submitted.
session() {
  send open -X POST "$LANDFALL_URL/upload-session/"
  session="$LANDFALL_URL/upload-session/$(member open uploadSessionToken)"
  send added "$session/files/" -F "file=@$FILE"
  send listed "$session/files/"
  grep -q "\"name\":\"$name\"" "$work/listed.body"
  send submitted -X POST "$session/submit"
  echo "session $(member submitted f)"
}

# 6. A form in one request, without the possibility to resume.
form() {
  send form "$LANDFALL_URL/api/media/files" -F "f=@$FILE" -F 'description=sent with curl'
  echo "form $(member form f)"
}

tus
tus_at_once
resumable_http
chunked
session
form
