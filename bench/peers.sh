#!/bin/sh
# Installs the gateways that we compare ourselves with, each in an environment of its own under
# .peers/. A peer that cannot be installed is skipped: the benchmark then leaves it out.
set -u
cd "$(dirname "$0")/.." || exit 1
mkdir -p .peers

LITELLM_VERSION="${LITELLM_VERSION:-1.106.2}"
PORTKEY_VERSION="${PORTKEY_VERSION:-1.15.2}"
# With later ones of the versions that it allows, its streams end with status 500.
PORTKEY_SERVER_VERSION="${PORTKEY_SERVER_VERSION:-1.11.5}"

if [ ! -x .peers/litellm/bin/litellm ]; then
  echo "LiteLLM proxy ..."
  python3 -m venv .peers/litellm &&
    .peers/litellm/bin/python -m pip install --quiet "litellm[proxy]==$LITELLM_VERSION" ||
    { echo "LiteLLM could not be installed: skipped"; rm -rf .peers/litellm; }
fi

if [ ! -d .peers/portkey/node_modules/@portkey-ai/gateway ]; then
  echo "Portkey gateway ..."
  mkdir -p .peers/portkey &&
    printf '{"dependencies": {"@portkey-ai/gateway": "%s"}, "overrides": {"@hono/node-server": "%s"}}' \
      "$PORTKEY_VERSION" "$PORTKEY_SERVER_VERSION" > .peers/portkey/package.json &&
    npm install --silent --no-fund --no-audit --ignore-scripts --prefix .peers/portkey ||
    { echo "Portkey could not be installed: skipped"; rm -rf .peers/portkey; }
fi

ls -d .peers/litellm/bin/litellm .peers/portkey/node_modules/@portkey-ai/gateway 2>/dev/null
exit 0
