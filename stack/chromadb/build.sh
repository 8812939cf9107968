# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154
# ChromaDB in the manner of the official 1.x image "chromadb/chroma": runs as
# root, ENTRYPOINT "dumb-init -- chroma", data in /data unless --path says
# otherwise. The server is the one of the npm package chromadb, on Node.js out of
# Debian 13 (its native part needs glibc 2.39).

build_image() {
    local root=$1
    command -v npm >/dev/null || fail "npm is needed to get ChromaDB: run scripts/install-deps.sh"
    unpack trixie "$root" dumb-init nodejs libstdc++6 libssl3t64 ca-certificates
    mkdir -p "$root/opt/chroma" "$root/data"
    note "fetching chromadb from the npm registry"
    cp "$stack_dir/chromadb/package.json" "$root/opt/chroma/"
    # For the image's system, not for the Node.js that happens to be here.
    (cd "$root/opt/chroma" && npm install --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    compgen -G "$root/opt/chroma/node_modules/chromadb-js-bindings-linux-*" >/dev/null ||
        fail "the npm package chromadb came without its native part for $(uname -m)"
    install -D -m 755 "$stack_dir/chromadb/chroma" "$root/usr/local/bin/chroma"
    changes=(
        'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
        'EXPOSE 8000'
        'ENTRYPOINT ["dumb-init","--","chroma"]'
        'CMD ["run","--path","/data","--host","0.0.0.0","--port","8000"]'
    )
}
