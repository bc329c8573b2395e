#!/bin/sh
# Writes the server's OpenAPI document and the typed client that follows from it.
set -eu
cd "$(dirname "$0")"
(cd .. && CGO_ENABLED=0 go run ./internal/server/gen) > src/api/openapi.json.new
mv src/api/openapi.json.new src/api/openapi.json
npm run --silent api
